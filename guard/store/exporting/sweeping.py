"""Take secrets and personal data out of texts that were kept, or given, as they were: as strictly as the store does it itself."""

from __future__ import annotations

from collections.abc import Sequence

from guard.detectors.registry import kinds
from guard.formats.base import Piece, Text
from guard.keeping import Judged, Keeping
from guard.policy.load import loads
from guard.values import Role, Stage

_POLICY = "version: 1\nname: sweep\nstore: {text: redacted}\n"


class Sweeper:
    """Redacts by what finds every kind of secret and of personal data, whatever the policy in force says."""

    def __init__(self) -> None:
        self._keeping = Keeping(loads(_POLICY, kinds()), {}, kinds())
        self._keeping.prepare()

    def swept(self, texts: Sequence[str]) -> list[str] | None:
        """Return the texts with what is private replaced by its kind; None where that cannot be done for certain."""
        pieces = tuple(Text((Piece(f"/{index}", text),), Role.USER) for index, text in enumerate(texts))
        kept = self._keeping.kept(Judged(pieces, ()), Stage.INPUT)
        if kept.form != "redacted" or kept.truncated:
            return None
        found = {text.pointer: text.text for text in kept.texts}
        return [found.get(f"/{index}", "") for index in range(len(texts))]
