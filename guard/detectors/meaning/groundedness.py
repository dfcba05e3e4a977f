"""Sentences of an answer that the context it was given doesn't support: `use: groundedness`.

It compares; it doesn't reason. What it calls supported resembles a passage in meaning and words and has no number or name that is
nowhere in the context. Who did what to whom is beyond it: a judge can be asked about what it is unsure of.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from guard.detectors.meaning.claims import is_claim
from guard.detectors.meaning.context import Selection, Told, mistakes_in, selection
from guard.detectors.meaning.encoder import KEY, Encoder, encoder
from guard.detectors.meaning.evidence import Evidence
from guard.detectors.meaning.judging import Judge
from guard.detectors.meaning.sentences import sentences
from guard.detectors.meaning.support import Support, support
from guard.detectors.running import Threaded
from guard.policy.kinds import Mistake
from guard.runtime.cores import available_cores
from guard.text import read
from guard.values import Detector, Finding, Item, Needs, Role, Span, Stage, WindowReach

if TYPE_CHECKING:
    from guard.detectors.meaning.support import Vector

CATEGORY = "ungrounded"

REPORTED = 0.05
"""Lowest score of a finding."""

_VERSION = "groundedness-1"
_REACH = WindowReach(context=0)
_REMEMBERED_VECTORS = 4096
_REMEMBERED_CHARACTERS = 2_000_000
_WITH_JUDGE = 16


class Groundedness(Threaded):
    """Judges the sentences of an answer by the texts of its request."""

    batch = 1  # texts run one a call anyway, and single ones spread over the cores

    def __init__(
        self, name: str, reach: WindowReach, model: Encoder, chosen: Selection, *, flag: bool, judge: Judge | None
    ) -> None:
        """Put the detector together.

        Args:
            chosen: Where the context is.
            flag: Whether an answer that was given no context is unsupported.
            judge: Who is asked about what is uncertain.
        """
        version = " ".join([_VERSION, model.version, *([judge.version] if judge else [])])
        super().__init__(name, version, Needs(reach=reach, views=("canonical",), sees="exchange"), (CATEGORY,))
        self.parallel = available_cores() if judge is None else _WITH_JUDGE
        self.model_key = KEY if judge is None else f"{KEY} {name}"  # who waits for a judge must not keep it from the encoder
        self._chosen = chosen
        self._flag = flag
        self._judge = judge
        self._contexts = _Contexts()
        self._vector: Callable[[str], Vector] = lru_cache(_REMEMBERED_VECTORS)(lambda text: model.vectors([text])[0])

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return for each answer its unsupported sentences; nothing for what is no answer, and for one without a context."""
        return [self._findings(item) if item.stage is Stage.OUTPUT and item.role is Role.ASSISTANT else [] for item in items]

    def _findings(self, item: Item) -> list[Finding]:
        [view] = read(item.text[item.judged_from :], ("canonical",)).views
        claims = [sentence for sentence in sentences(view.text) if is_claim(sentence.text)]
        told = self._chosen.of(item.exchange.prompt) if claims and item.exchange else Told((), ())
        if not claims or (not told.context and not self._flag):
            return []
        scores = self._scores([claim.text for claim in claims], told) if told.context else [1.0] * len(claims)
        found = []
        for claim, score in zip(claims, scores, strict=True):
            if score >= REPORTED:
                start, end = view.span(claim.start, claim.end)
                span = Span(start + item.judged_from, end + item.judged_from)
                found.append(Finding(self.name, CATEGORY, score, span, item.location, item.role))
        return found

    def _scores(self, claims: Sequence[str], told: Told) -> list[float]:
        evidence = self._contexts.evidence(told)
        found: dict[str, Support] = {}
        for claim in claims:
            if claim not in found:
                found[claim] = support(claim, evidence, self._vector)
        if self._judge is not None:
            found.update(self._judge.reviewed(found))
        return [1 - found[claim].score for claim in claims]


def make(name: str, options: Mapping[str, Any], others: Mapping[str, Detector] | None = None) -> Groundedness:
    """Return the detector.

    Args:
        options: As the catalogue describes them.
        others: The detector that `judge` names.

    Raises:
        MissingExtra: Where the encoder's package is not installed.
        DetectorError: Where its model is missing or was changed.
    """
    judge = (
        Judge((others or {})[options["judge"]], options.get("low", 0.2), options.get("high", 0.8)) if "judge" in options else None
    )
    reach = WindowReach(options.get("after", _REACH.after), options.get("most", _REACH.most), _REACH.context)
    flag = options.get("without_context", "pass") == "flag"
    return Groundedness(name, reach, encoder(name), selection(options), flag=flag, judge=judge)


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return what is wrong with the options taken together."""
    mistakes = [*mistakes_in(options)]
    low, high = options.get("low", 0.2), options.get("high", 0.8)
    if low > high:
        mistakes.append(Mistake(("low",), "a number not above `high`", f"{low} above {high}"))
    return mistakes


class _Contexts:
    """The contexts read last, as an answer's windows all have the same; as many as fit into a number of characters."""

    def __init__(self) -> None:
        self._known: OrderedDict[Told, Evidence] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def evidence(self, told: Told) -> Evidence:
        """Return what was told as evidence; read by whoever asks first."""
        with self._lock:
            found = self._known.get(told)
            if found is not None:
                self._known.move_to_end(told)
                return found
        found = Evidence(*told)
        with self._lock:
            if told not in self._known:
                self._known[told] = found
                self._size += _size(told)
            while self._size > _REMEMBERED_CHARACTERS and len(self._known) > 1:
                oldest, _ = self._known.popitem(last=False)
                self._size -= _size(oldest)
        return found


def _size(told: Told) -> int:
    return sum(map(len, (*told.context, *told.asked)))
