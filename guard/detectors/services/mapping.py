"""From the answer of any JSON classifier to findings, by the selectors and labels of a policy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guard.detectors.classifiers.labels import named, usual
from guard.detectors.services.selecting import Astray, only, shown, values
from guard.detectors.services.service import Found
from guard.formats.selectors import Every, Selector, parse
from guard.values import Span

SELECTORS = ("label", "score", "start", "end")
"""Options that select within one result."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """How to read an answer.

    Attributes:
        results: Selects the results in the answer; for many texts, one for each text.
        score: In a result: a number, or an object with a number for each label where `label` is None.
        labels: Categories by label; None for labels that say it themselves.
        category: Of a number without a label.
        scale: What a certain finding scores.
    """

    results: Selector
    score: Selector
    label: Selector | None = None
    start: Selector | None = None
    end: Selector | None = None
    labels: Mapping[str, Any] | None = None
    category: str = ""
    scale: float = 1.0

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Mapped:
        """Return what the options of a detector say."""
        chosen = {name: parse(options[name]) for name in SELECTORS if name in options}
        return cls(
            results=parse(options.get("results", "")),
            score=chosen.get("score", parse("score" if "label" in options else "")),
            label=chosen.get("label"),
            start=chosen.get("start"),
            end=chosen.get("end"),
            labels=options.get("labels"),
            category=options.get("category", ""),
            scale=options.get("scale", 1.0),
        )

    def found(self, answer: Any, texts: Sequence[str], *, many: bool) -> list[list[Found]]:  # noqa: ANN401
        """Return the findings in each text.

        Args:
            many: Whether the answer holds a result for each of `texts`, instead of the results for a single one.

        Raises:
            Astray: Where the answer does not fit.
        """
        try:
            selected = values(answer, self.results)
        except Astray as error:
            raise Astray(f"results: {error}") from None
        whole = Every.ITEM not in self.results
        if many:
            selected = self._items(selected[0]) if whole else selected
            if len(selected) != len(texts):
                raise Astray(f"results: expected {len(texts)}, one for each text, got {len(selected)}")
            groups = [result if type(result) is list else [result] for result in selected]
        else:
            groups = [selected[0] if whole and type(selected[0]) is list else selected]
        return [
            [found for result in group for found in self._result(result, text)] for group, text in zip(groups, texts, strict=True)
        ]

    @staticmethod
    def _items(value: Any) -> list[Any]:  # noqa: ANN401
        if type(value) is not list:
            raise Astray(f"results: expected a list, got {shown(value)}")
        return value

    def _result(self, result: Any, text: str) -> Iterator[Found]:  # noqa: ANN401
        score = self._select("score", result)
        span = self._span(result, text)
        if self.label is not None:
            label = self._select("label", result)
            if type(label) is not str:
                raise Astray(f"label: expected a text, got {shown(label)}")
            pairs = [(label, score)]
        elif type(score) is dict:
            pairs = list(score.items())
        else:
            pairs = [("", score)]
        for label, value in pairs:
            number = self._number(value)
            yield from (Found(category, number, span) for category in self._categories(label))

    def _select(self, name: str, result: Any) -> Any:  # noqa: ANN401
        try:
            return only(result, getattr(self, name))
        except Astray as error:
            raise Astray(f"{name}: {error}") from None

    def _number(self, value: Any) -> float:  # noqa: ANN401
        if type(value) not in (int, float):
            raise Astray(f"score: expected a number, got {shown(value)}")
        number = float(value) / self.scale
        if not (math.isfinite(number) and 0 <= number <= 1):
            raise Astray(f"score: expected a number in [0, {self.scale:g}], got one beyond")
        return number

    def _categories(self, label: str) -> Sequence[str]:
        if not label and self.category:
            return (self.category,)
        if self.labels is None:
            meaning = usual(label)
            known = meaning is not None
        else:
            meaning = named(self.labels.get(label))
            known = label in self.labels
        if meaning is None or not known:
            raise Astray("label: expected one of `labels`, got another; map every label of the model, harmless ones to null")
        return meaning

    def _span(self, result: Any, text: str) -> Span | None:  # noqa: ANN401
        if self.start is None or self.end is None:
            return None
        start, end = self._select("start", result), self._select("end", result)
        if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(text):
            raise Astray(f"start, end: expected two offsets within {len(text)} characters, got something else")
        return Span(start, end)
