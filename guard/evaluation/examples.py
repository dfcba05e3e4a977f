"""The scores of labelled records by rule, in two parts: one to choose thresholds from, one to look at what came of them."""

from __future__ import annotations

import asyncio
import hashlib
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from guard.evaluation.conformal import Control
from guard.evaluation.rule_labels import Labels, RuleLabels
from guard.evaluation.rule_scores import TOGETHER, RuleScorer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Labelled(Protocol):
    """A record of a data set."""

    @property
    def id(self) -> str:
        """Its own id."""
        ...

    @property
    def text(self) -> str:
        """What is judged."""
        ...

    @property
    def labels(self) -> Labels:
        """1 or 0 by category; a category that is missing is unknown."""
        ...


@dataclass(slots=True)
class Part:
    """Scores of records that a rule should fire on, and of those that it should not."""

    positive: array[float] = field(default_factory=lambda: array("d"))
    benign: array[float] = field(default_factory=lambda: array("d"))

    def of(self, control: Control) -> NDArray[np.float64]:
        """Return the scores on which these losses are counted."""
        import numpy as np

        return np.array(self.positive if control is Control.MISSES else self.benign, dtype=np.float64)


@dataclass(slots=True)
class Examples:
    """What a rule scores on the records whose labels say whether it should fire."""

    chosen_from: Part = field(default_factory=Part)
    held_out: Part = field(default_factory=Part)


def gather(
    records: Iterable[Labelled],
    labels: Mapping[str, RuleLabels],
    scorer: RuleScorer,
    is_held_out: Callable[[str], bool],
    progress: Callable[[int], None] = lambda _records: None,
) -> dict[str, Examples]:
    """Return the examples of each rule.

    Args:
        labels: What records say about each rule, by its id.
        is_held_out: Tells from a record's id.
        progress: Told how many records have been read.

    Raises:
        DetectorError: Where a detector gave no verdict.
    """
    return asyncio.run(_gather(records, labels, scorer, is_held_out, progress))


def held_out(share: float, seed: int) -> Callable[[str], bool]:
    """Return what tells of an id whether it is held out: the same for the same id and seed, whatever else is in the data set."""
    limit = int(share * _HASHES)

    def tell(name: str) -> bool:
        digest = hashlib.blake2b(f"{seed}:{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest) < limit

    return tell


_HASHES = 2**64


async def _gather(
    records: Iterable[Labelled],
    labels: Mapping[str, RuleLabels],
    scorer: RuleScorer,
    is_held_out: Callable[[str], bool],
    progress: Callable[[int], None],
) -> dict[str, Examples]:
    examples = {rule: Examples() for rule in labels}
    source = iter(records)
    read = 0
    while batch := list(islice(source, TOGETHER)):
        verdicts = [
            {rule: verdict for rule, own in labels.items() if (verdict := own.verdict(each.labels)) is not None} for each in batch
        ]
        scores = await asyncio.gather(*(scorer.scores(each.text, own.keys()) for each, own in zip(batch, verdicts, strict=True)))
        for record, own, found in zip(batch, verdicts, scores, strict=True):
            held = is_held_out(record.id)
            for rule, verdict in own.items():
                part = examples[rule].held_out if held else examples[rule].chosen_from
                (part.positive if verdict else part.benign).append(found[rule])
        read += len(batch)
        progress(read)
    return examples
