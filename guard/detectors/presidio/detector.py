"""Microsoft Presidio behind `use: presidio`.

It reads the canonical view; what it finds is reported where it stands in the original text. Windows overlap by more than an
entity is long, so that no border halves one; a text that is longer than a window is cut into windows here too.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from guard.detectors.presidio.analyzer import Analyzer, Found, load
from guard.detectors.presidio.entities import category_of
from guard.detectors.presidio.expressions import TooSlow
from guard.detectors.presidio.languages import changed
from guard.detectors.presidio.options import OVERLAP, SIZE, Wanted, categories_of, wanted
from guard.detectors.running import Threaded
from guard.errors import DetectorError
from guard.runtime.shared import shared
from guard.text import read
from guard.values import Finding, Item, Needs, Runs, Span, SpansReach
from guard.windows import decided, place

VERSION = "1"

log = logging.getLogger("guard")

_SURROGATE = re.compile("[\ud800-\udfff]")


class PresidioDetector(Threaded):
    """Presidio, for one policy's choice of entities.

    Attributes:
        missing: The entities that it does not look for because it has no language model.
    """

    batch = 16

    def __init__(self, name: str, analyzer: Analyzer, options: Mapping[str, Any], missing: tuple[str, ...]) -> None:
        reach = SpansReach(options.get("overlap", OVERLAP), options.get("size", SIZE))
        needs = Needs(reach=reach, views=("canonical",), runs=Runs.THREAD)
        super().__init__(name, f"{VERSION}, {analyzer.version}", needs, categories_of(options))
        self.missing = missing
        self.model_key = f"presidio {id(analyzer)}"
        self._analyzer = analyzer
        self._reach = reach
        self._own: Mapping[str, str] = options.get("categories", {})
        self._context = tuple(options.get("context", ()))
        self._allowed = tuple(options.get("allow_list", ()))
        self._least = float(options.get("score_threshold", 0.0))

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return for each item what Presidio finds, by place.

        Raises:
            DetectorError: Where Presidio fails, or a pattern of the policy's own does not come to an end.
        """
        return [self._findings(item) for item in items]

    def _findings(self, item: Item) -> list[Finding]:
        view = read(item.text, ("canonical",)).views[0]
        placed = ((view.span(*one.span), one) for one in self._in_view(_SURROGATE.sub("\ufffd", view.text)) if one.span)
        return [
            replace(one, span=span, location=item.location, role=item.role) for span, one in placed if span.end > item.judged_from
        ]

    def _in_view(self, text: str) -> list[Finding]:
        """Return what is in a text, window by window, as if it had come in a stream."""
        findings: list[Finding] = []
        known: dict[str, list[Found]] = {}
        start = before = 0
        while window := place(self._reach, text, 0, start, final=True):
            shown = text[window.start : window.end]
            if shown not in known:
                known[shown] = self._in_window(shown)
            findings += decided(self._reach, [self._finding(one, start) for one in known[shown]], before, window, len(text))
            start, before = window.resume, window.end - self._reach.overlap // 2
        return findings

    def _in_window(self, text: str) -> list[Found]:
        try:
            return self._analyzer.find(text, context=self._context, allowed=self._allowed, least=self._least)
        except TooSlow as error:
            raise DetectorError(self.name, str(error)) from None
        except Exception as error:
            # Presidio's messages quote the text.
            raise DetectorError(self.name, f"Presidio raised {type(error).__name__}") from None

    def _finding(self, one: Found, shift: int) -> Finding:
        return Finding(self.name, category_of(one.entity, self._own), one.score, Span(shift + one.start, shift + one.end))


def make(name: str, options: Mapping[str, Any]) -> PresidioDetector:
    """Return the detector; those of the same configuration share one engine.

    Raises:
        MissingExtra: Where Presidio is not installed.
        DetectorError: Where a model or a language's tokenizer is missing, or the model finds none of the entities named.
    """
    looked_for = wanted(options)
    analyzer = shared(_key(looked_for), lambda: load(name, looked_for))
    detector = PresidioDetector(name, analyzer, options, looked_for.missing)
    if detector.missing:
        log.warning(
            "the detector %r has no language model (`model:`), so it does not look for %s, nor for dates in words",
            name,
            ", ".join(detector.missing),
        )
    return detector


def _key(looked_for: Wanted) -> tuple[str, str, int]:
    return "presidio", json.dumps(asdict(looked_for), sort_keys=True), changed(looked_for.model)
