"""Several answers to one prompt, each with a score, as UltraFeedback has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alignment.data.messages import Unfit, answer, ends_with_user, messages_of
from alignment.data.origins import number_of
from alignment.data.rows import Malformed, named
from alignment.records import Demonstration, Messages, Origin, Pair, Scored

_OVERALL = ("overall_score", "score", "fine-grained_score", "rating")
_TEXTS = ("response", "completion", "text", "content", "answer")


@dataclass(frozen=True, slots=True)
class Ranking:
    """A prompt with several answers.

    Attributes:
        scores: As many as there are answers; higher is better.
    """

    origin: Origin
    prompt: Messages
    completions: tuple[Messages, ...]
    scores: tuple[float, ...]

    def pair(self) -> Pair:
        """Return the best answer against the worst, with the distance between them. Raises Unfit where there is none."""
        best, worst = (pick(range(len(self.scores)), key=self.scores.__getitem__) for pick in (max, min))
        margin = self.scores[best] - self.scores[worst]
        if margin <= 0:
            raise Unfit("tie")
        return Pair(self.origin, self.prompt, self.completions[best], self.completions[worst], margin)

    def best(self) -> Demonstration:
        """Return the best answer."""
        best = max(range(len(self.scores)), key=self.scores.__getitem__)
        return Demonstration(self.origin, self.prompt, self.completions[best])

    def scored(self) -> Iterator[Scored]:
        """Yield each answer with its score."""
        for completion, score in zip(self.completions, self.scores, strict=True):
            yield Scored(self.origin, self.prompt, completion, score)


def is_ranking(row: Mapping[str, Any]) -> bool:
    """Return whether a row has several answers with scores."""
    found = row.get("completions")
    return isinstance(found, list) and bool(found) and isinstance(found[0], Mapping)


def ranking_of(row: Mapping[str, Any], origin: Origin) -> Ranking:
    """Return the answers of a row and their scores.

    A score is `overall_score`, `score`, `fine-grained_score` or `rating`, else the mean of the ratings under `annotations`.

    Raises:
        Malformed: Where the row is not written so.
        Unfit: Where there is nothing to compare.
    """
    key = "instruction" if "instruction" in row else "prompt"
    prompt = ends_with_user(messages_of(row.get(key), key, alone="user"))
    entries = row.get("completions")
    if not isinstance(entries, list):
        raise Malformed("completions", "a list of answers with scores", named(entries))
    found = [_entry(entry, f"completions[{index}]") for index, entry in enumerate(entries)]
    known = [(said, score) for said, score in found if score is not None]
    if not known:
        raise Unfit("no-value")
    return Ranking(origin, prompt, tuple(said for said, _ in known), tuple(score for _, score in known))


def _entry(entry: object, path: str) -> tuple[Messages, float | None]:
    if not isinstance(entry, Mapping):
        raise Malformed(path, "an answer with a score", named(entry))
    key = next((name for name in _TEXTS if name in entry), "response")
    said = answer(messages_of(entry.get(key), f"{path}.{key}", alone="assistant"))
    return said, _score(entry, path)


def _score(entry: Mapping[str, Any], path: str) -> float | None:
    for key in _OVERALL:
        if entry.get(key) is not None:
            return number_of(entry[key], f"{path}.{key}")
    ratings = entry.get("annotations")
    given = [_rating(each, f"{path}.annotations") for each in ratings.values()] if isinstance(ratings, Mapping) else []
    known = [rating for rating in given if rating is not None]
    return sum(known) / len(known) if known else None


def _rating(annotation: object, path: str) -> float | None:
    if isinstance(annotation, Sequence) and not isinstance(annotation, str) and annotation:
        annotation = annotation[0]
    value = annotation.get("Rating") if isinstance(annotation, Mapping) else annotation
    if value is None or value == "N/A":
        return None
    return number_of(value, path)
