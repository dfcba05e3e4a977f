"""What the engine asks of the outside, and the smallest implementations."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from guard.policy.counting import Past
from guard.policy.model import StoreSettings
from guard.values import Decision, Exchange, Stage


class Clock(Protocol):
    """Tells the time."""

    def __call__(self) -> float:
        """Return the seconds since 1970."""
        ...


class Memory(Protocol):
    """Remembers what the exchanges of a conversation came to. Must not block and must not raise."""

    def recall(self, exchange: Exchange) -> Sequence[Past]:
        """Return what is known of the conversation that an exchange belongs to, oldest first; it may be among them itself."""
        ...

    def remember(self, exchange: Exchange, decision: Decision) -> None:
        """Add a decision on one stage of an exchange; it holds no user text."""
        ...


class Recorder(Protocol):
    """Takes what was decided. Must not block and must not raise."""

    def record(self, exchange: Exchange, stage: Stage, decision: Decision) -> None:
        """Keep a decision; it holds no user text."""
        ...


@dataclass(frozen=True, slots=True)
class KeptText:
    """One text of an exchange, as it is kept.

    Attributes:
        role: Whose words, as `guard.values.Role` writes it.
        pointer: Where it stood in its message, or the name of its track in a stream.
        choice: Index of the answer's choice; None where it belongs to all.
        turn: Index of the message in the conversation; -1 where there is none.
    """

    role: str
    text: str
    pointer: str = ""
    choice: int | None = None
    turn: int = -1


@dataclass(frozen=True, slots=True)
class KeptTexts:
    """The texts of one stage of an exchange, as they are kept.

    Attributes:
        form: `none`, `redacted`, `full`, or `withheld` where they could not be redacted for certain.
        truncated: Whether there was more.
    """

    form: str
    texts: tuple[KeptText, ...] = ()
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How an exchange ended.

    Attributes:
        status: Of HTTP; 0 where none was sent.
        judging: Seconds spent on judging whole messages.
        duration: Seconds in all.
    """

    status: int = 0
    streamed: bool = False
    judging: float = 0.0
    duration: float = 0.0


@runtime_checkable
class Keeper(Recorder, Protocol):
    """A recorder that keeps whole exchanges, as their policy's `store` says. Only `settle` may wait."""

    def admit(self, settings: StoreSettings) -> None:
        """Raise StoreUnavailable where an exchange could not be recorded now and the policy lets nothing through without."""
        ...

    def keep(
        self,
        exchange: Exchange,
        stage: Stage,
        decision: Decision,
        settings: StoreSettings,
        texts: Callable[[], KeptTexts],
        size: int,
    ) -> None:
        """Keep a decision and the texts that it was about.

        Args:
            texts: Works out what may be kept of them; called later and in another thread.
            size: Code points of the texts, all together.
        """
        ...

    async def settle(self, exchange: Exchange, settings: StoreSettings) -> None:
        """Return when what was kept of the exchange is on the disk.

        Raises:
            StoreUnavailable: Where that takes too long, and the policy lets nothing through without a record.
        """
        ...

    def finish(self, exchange: Exchange, ending: Ending) -> None:
        """Say that nothing more comes of the exchange."""
        ...


class RecentDecisions:
    """Keeps the decisions of the last exchanges in memory, for `GET /guard/exchanges/ID`."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._kept: OrderedDict[str, dict[str, Decision]] = OrderedDict()
        self._tenants: dict[str, str] = {}

    def record(self, exchange: Exchange, stage: Stage, decision: Decision) -> None:
        """Keep a decision, and forget the oldest exchange when there are too many."""
        self._kept.setdefault(exchange.id, {})[stage.value] = decision
        self._tenants[exchange.id] = exchange.caller.tenant
        while len(self._kept) > self._most:
            self._tenants.pop(self._kept.popitem(last=False)[0], None)

    def __contains__(self, exchange_id: object) -> bool:
        """Whether something of this exchange is kept."""
        return exchange_id in self._kept

    def find(self, exchange_id: str, tenant: str | None = None) -> dict[str, Decision] | None:
        """Return the decisions of an exchange by stage, or None where it is not known (any more), or is not of this tenant.

        Args:
            tenant: Whose it has to be; None where that does not matter.
        """
        mine = tenant is None or self._tenants.get(exchange_id) == tenant
        return self._kept.get(exchange_id) if mine else None
