"""Rules that count: what happened before in a conversation, and whether that is enough. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from guard.values import Action


class Past(NamedTuple):
    """An exchange of the same conversation, as far as it is decided.

    Attributes:
        id: Of the exchange; the one under way may be among them, with what was decided on its input.
        action: The strictest of its stages.
        rules: Ids of the rules that fired, in any of its stages.
    """

    id: str
    action: Action = Action.ALLOW
    rules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Count:
    """How often some rules must have fired in a conversation. An exchange counts once.

    Attributes:
        rules: Ids of the rules whose firing counts.
        at_least: In how many exchanges.
        turns: How many exchanges back; 0 for the whole conversation. The one under way is the first of them.
    """

    rules: tuple[str, ...]
    at_least: int
    turns: int = 0

    def missing(self, past: Sequence[Past], exchange: str) -> int:
        """Return in how many exchanges the rules still have to fire.

        Where only the one under way could make up for it and counts already, one more is never reached: the answer is then 2.

        Args:
            past: Oldest first.
            exchange: The id of the one under way.
        """
        before = [each for each in past if each.id != exchange]
        seen = before[-(self.turns - 1) :] if self.turns > 1 else [] if self.turns == 1 else before
        struck = any(each.id == exchange and not each.rules.isdisjoint(self.rules) for each in past)
        left = self.at_least - sum(not each.rules.isdisjoint(self.rules) for each in seen) - struck
        return max(left, 2) if left > 0 and struck else max(left, 0)
