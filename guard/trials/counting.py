"""What shadows are counted by: names of counters, and the figures that come of them. Pure.

A name is `STAGE:WHAT`. WHAT is `allow>block` (what both decided), `rule=:ID`, `rule-:ID` or `rule+:ID` (fired under both, under
the one in force only, in the shadow only), the same of `category`, `failed` (not compared), `without:DETECTOR` (why), `shed`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from guard.values import Action, Stage


@dataclass(slots=True)
class Fires:
    """On how many messages a rule fired, or something of a category made one fire.

    Attributes:
        both: Under both policies.
        gone: Under the one in force only.
        new: In the shadow only.
    """

    both: int = 0
    gone: int = 0
    new: int = 0

    @property
    def before(self) -> int:
        """Under the policy in force."""
        return self.both + self.gone

    @property
    def after(self) -> int:
        """In the shadow."""
        return self.both + self.new


@dataclass(slots=True)
class Tally:
    """What came of the messages of one or several stages that were judged by two policies.

    Attributes:
        moves: Messages by what the policy in force and its shadow decided.
        failed: Messages that are not compared, as one of both had no verdict of some detector.
        without: How often, by detector of the shadow.
        shed: Messages that were not judged in the shadow, as there was too much to do.
    """

    moves: Counter[tuple[Action, Action]] = field(default_factory=Counter)
    rules: dict[str, Fires] = field(default_factory=dict)
    categories: dict[str, Fires] = field(default_factory=dict)
    failed: int = 0
    without: Counter[str] = field(default_factory=Counter)
    shed: int = 0

    @property
    def compared(self) -> int:
        """Messages on which both decided."""
        return self.moves.total()

    @property
    def same(self) -> int:
        """Messages on which both decided the same action."""
        return sum(count for (before, after), count in self.moves.items() if before is after)

    def add(self, what: str, count: int) -> None:
        """Take in a counter; one that this version does not know is left out."""
        kind, _, name = what.partition(":")
        if what == "failed":
            self.failed += count
        elif what == "shed":
            self.shed += count
        elif kind == "without":
            self.without[name] += count
        elif ">" in kind:
            before, _, after = kind.upper().partition(">")
            if before in Action.__members__ and after in Action.__members__:
                self.moves[Action[before], Action[after]] += count
        elif kind[:-1] in ("rule", "category"):
            known = self.rules if kind.startswith("rule") else self.categories
            _count(known.setdefault(name, Fires()), kind[-1], count)


def tallied(counters: Iterable[tuple[str, int]]) -> dict[Stage, Tally]:
    """Return the figures of each stage."""
    found: dict[Stage, Tally] = {}
    for name, count in counters:
        stage, _, what = name.partition(":")
        if stage in (Stage.INPUT, Stage.OUTPUT):
            found.setdefault(Stage(stage), Tally()).add(what, count)
    return dict(sorted(found.items()))


def together(tallies: Iterable[Tally]) -> Tally:
    """Return the figures of several stages as one."""
    total = Tally()
    for each in tallies:
        total.moves.update(each.moves)
        total.without.update(each.without)
        total.failed += each.failed
        total.shed += each.shed
        for mine, other in ((total.rules, each.rules), (total.categories, each.categories)):
            for name, fires in other.items():
                known = mine.setdefault(name, Fires())
                known.both, known.gone, known.new = known.both + fires.both, known.gone + fires.gone, known.new + fires.new
    return total


def _count(fires: Fires, sign: str, count: int) -> None:
    if sign == "=":
        fires.both += count
    elif sign == "-":
        fires.gone += count
    elif sign == "+":
        fires.new += count
