"""Records of one kind as records of another, where that adds nothing that nobody said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from alignment.data.forms import Said
from alignment.data.messages import Unfit
from alignment.data.rankings import Ranking
from alignment.records import KINDS, Demonstration, Kind, Pair, Prompt, Record, Scored, Unpaired, digest_of


class NotMade(Exception):
    """A kind that cannot be made of what is there; the argument says what there is."""


def as_kind(said: Said, kind: Kind) -> Iterator[Record]:
    """Yield what a record says in terms of a kind, each with an id.

    Raises:
        NotMade: Where it says nothing of that kind, whatever the texts are.
        Unfit: Where this one does not.
    """
    wanted = KINDS[kind]
    if isinstance(said, wanted):
        found: Iterator[Record] = iter([said])
    elif kind is Kind.PROMPTS:
        found = iter([Prompt(said.origin, said.prompt)])
    else:
        make = _MADE.get((type(said), wanted))
        if make is None:
            raise NotMade(_NAMES[type(said)])
        found = make(said)
    records = list(found)
    for number, record in enumerate(records):
        yield _identified(record, number if len(records) > 1 else None)


def _identified(record: Record, number: int | None) -> Record:
    if isinstance(record, Pair) and record.chosen == record.rejected:
        raise Unfit("equal")
    origin = record.origin
    known = origin.id and (f"{origin.id}-{number}" if number is not None else origin.id)
    return replace(record, origin=replace(origin, id=known or digest_of(record.prompt, *record.answers)))


def _liked(said: Unpaired) -> Iterator[Record]:
    if not said.label:
        raise Unfit("disliked")
    yield Demonstration(said.origin, said.prompt, said.completion)


def _halves(said: Pair) -> Iterator[Record]:
    yield Unpaired(said.origin, said.prompt, said.chosen, True)
    yield Unpaired(said.origin, said.prompt, said.rejected, False)


def _paired(said: Ranking) -> Iterator[Record]:
    yield said.pair()


def _best(said: Ranking) -> Iterator[Record]:
    yield said.best()


def _chosen(said: Pair) -> Iterator[Record]:
    yield Demonstration(said.origin, said.prompt, said.chosen)


_MADE: Mapping[tuple[type, type], Callable[[Any], Iterator[Record]]] = {
    (Pair, Demonstration): _chosen,
    (Pair, Unpaired): _halves,
    (Unpaired, Demonstration): _liked,
    (Ranking, Pair): _paired,
    (Ranking, Demonstration): _best,
    (Ranking, Scored): Ranking.scored,
}
_NAMES: Mapping[type, str] = {
    **{record: kind.value for kind, record in KINDS.items()},
    Ranking: "answers with scores",
}
