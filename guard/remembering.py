"""What earlier exchanges of a conversation came to: a memory in this process, with bounds."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence

from guard.policy.counting import Past
from guard.values import Decision, Exchange


class RecentConversations:
    """Remembers which rules fired in the last exchanges of the last conversations. Holds no texts."""

    def __init__(self, conversations: int = 10_000, exchanges: int = 1_000) -> None:
        """Set the bounds.

        Args:
            conversations: How many are remembered; the one that was quiet for longest is forgotten first.
            exchanges: How many of each conversation.
        """
        self._most = conversations
        self._longest = exchanges
        self._known: OrderedDict[tuple[str, str, str], deque[Past]] = OrderedDict()

    def recall(self, exchange: Exchange) -> Sequence[Past]:
        """Return what is known of the conversation that an exchange belongs to, oldest first; it may be among them itself."""
        return tuple(self._known.get(_key(exchange), ())) if exchange.conversation else ()

    def remember(self, exchange: Exchange, decision: Decision) -> None:
        """Add a decision to the conversation; those on the stages of one exchange are one."""
        if not exchange.conversation:
            return
        key = _key(exchange)
        past = self._known.setdefault(key, deque(maxlen=self._longest))
        self._known.move_to_end(key)
        before = next((index for index in range(len(past) - 1, -1, -1) if past[index].id == exchange.id), None)
        known = Past(exchange.id) if before is None else past[before]
        joined = Past(exchange.id, max(known.action, decision.action), known.rules | frozenset(decision.rules))
        if before is None:
            past.append(joined)
        else:
            past[before] = joined
        while len(self._known) > self._most:
            self._known.popitem(last=False)


def _key(exchange: Exchange) -> tuple[str, str, str]:
    return exchange.caller.tenant, exchange.caller.subject, exchange.conversation
