"""What feedback is about: exchanges with their texts, read from the store for many pieces of feedback at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Row, select

from guard.ports import KeptText, KeptTexts
from guard.store import schema
from guard.store.connecting import reading
from guard.store.exporting.conversations import Message, Unfit, answers_of, prompt_of
from guard.store.exporting.sweeping import Sweeper
from guard.values import Action

if TYPE_CHECKING:
    from guard.store.store import Store

T = TypeVar("T")
_SHOWN = ("allow", "flag", "redact")
"""Actions of the output after which the caller saw the answer that was kept."""


@dataclass(frozen=True, slots=True)
class Context:
    """An exchange, as far as training needs it.

    Attributes:
        prompt: The messages; a reason where they are unfit.
        answers: By choice; a reason where they are unfit.
        shown: Whether the caller saw these answers, and not a refusal or a revision.
        seeds: What records have to share a set with: `subject:…`, `conversation:…`.
        swept: Whether private data was taken out of these texts for the export.
    """

    id: str
    prompt: list[Message] | Unfit
    answers: Mapping[int, str] | Unfit
    shown: bool
    seeds: tuple[str, ...] = ()
    policy: str = ""
    licence: str = ""
    swept: bool = False

    def asked(self) -> list[Message]:
        """Return the prompt, or raise what is wrong with it."""
        if isinstance(self.prompt, Unfit):
            raise self.prompt
        return self.prompt

    def answered(self) -> Mapping[int, str]:
        """Return the answers, or raise what is wrong with them."""
        if isinstance(self.answers, Unfit):
            raise self.answers
        return self.answers

    def answer(self, choice: int | None) -> str:
        """Return one answer; which one has to be said where there are several.

        Raises:
            Unfit: Where it is not there, or not known.
        """
        answers = self.answered()
        if choice is None and len(answers) > 1:
            raise Unfit("which-choice")
        found = next(iter(answers.values()), None) if choice is None else answers.get(choice)
        if found is None:
            raise Unfit("no-answer")
        return found


@dataclass
class Contexts:
    """Reads what feedback is about, for one tenant.

    Attributes:
        sweeper: Takes private data out of texts that were kept in full; None to leave them.
    """

    store: Store
    tenant: str
    sweeper: Sweeper | None
    _licences: dict[str, str] = field(default_factory=dict)

    def of(self, ids: Iterable[str]) -> dict[str, Context]:
        """Return the exchanges that are there, by id."""
        wanted = sorted({each for each in ids if each})
        exchange, text = schema.exchanges, schema.texts
        with reading(self.store.engine) as connection:
            rows = connection.execute(select(exchange).where(exchange.c.tenant == self.tenant, exchange.c.id.in_(wanted))).all()
            kept = connection.execute(select(text).where(text.c.tenant == self.tenant, text.c.exchange_id.in_(wanted))).all()
        by_stage = {(row.exchange_id, row.stage): self._kept(row) for row in kept}
        return {row.id: self._context(row, by_stage.get((row.id, "input")), by_stage.get((row.id, "output"))) for row in rows}

    def seeds(self, subject: str, conversation: str) -> tuple[str, ...]:
        """Return what records of this subject and this conversation have to share a set with."""
        named = (("subject", subject), ("conversation", conversation))
        return tuple(f"{kind}:{name}" for kind, name in named if name)

    def _context(self, row: Row[Any], asked: KeptTexts | None, answered: KeptTexts | None) -> Context:
        full = self.sweeper is not None and any(kept is not None and kept.form == "full" for kept in (asked, answered))
        if full:
            asked, answered = self._swept(asked), self._swept(answered)
        imported = "import" in row.details  # nobody decided about it, and nothing was held back
        action = "allow" if imported else str((row.output or {}).get("action", "block"))
        refused = row.input is not None and row.input.get("action") == Action.BLOCK.word
        nothing = Unfit("no-answer") if row.output is None and row.stored != "none" and not imported else None
        return Context(
            row.id,
            _or_reason(prompt_of, asked),
            nothing or _or_reason(answers_of, answered),
            action in _SHOWN and not refused,
            self.seeds(row.subject, row.conversation),
            row.policy,
            str(row.details.get("licence", "")),
            full,
        )

    def _swept(self, kept: KeptTexts | None) -> KeptTexts | None:
        if kept is None or self.sweeper is None or kept.form != "full":
            return kept
        cleaned = self.sweeper.swept([text.text for text in kept.texts])
        if cleaned is None:
            return KeptTexts("withheld")
        pairs = zip(kept.texts, cleaned, strict=True)
        texts = tuple(KeptText(each.role, text, each.pointer, each.choice, each.turn) for each, text in pairs)
        return KeptTexts("redacted", texts, kept.truncated)

    def _kept(self, row: Row[Any]) -> KeptTexts:
        said = json.loads(self.store.codec.open(row.body)) if row.body is not None else []
        return KeptTexts(row.form, tuple(KeptText(**each) for each in said), row.truncated)


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the values in lists of at most `size`."""
    batch: list[T] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _or_reason(read: Any, kept: KeptTexts | None) -> Any:  # noqa: ANN401 - one of two functions, and what it returns
    try:
        return read(kept)
    except Unfit as reason:
        return reason
