"""Hold an answer back until its exchange is recorded, where the policy wants that (`store: {durability: commit}`)."""

from __future__ import annotations

from guard.asgi import Message, Send
from guard.engine import Guard
from guard.values import Exchange


class Settling:
    """What an answer is sent through. Its beginning waits for what was decided so far, and its end for all of it."""

    def __init__(self, guard: Guard, send: Send) -> None:
        self.exchange: Exchange | None = None
        """The exchange, as soon as something of it can have been recorded."""
        self.status = 0
        """The status that was sent; 0 before."""
        self.unsettled = send
        """What sends at once."""
        self.guard = guard
        """Whose policy says what is to be waited for."""

    @property
    def started(self) -> bool:
        """Whether something of the answer was sent."""
        return self.status > 0

    async def send(self, message: Message) -> None:
        """Send a message of the answer, once that may be.

        Raises:
            StoreUnavailable: Where the exchange cannot be recorded, and the policy lets nothing through without.
        """
        begins = message["type"] == "http.response.start"
        if self.guard.settles and self.exchange is not None and (begins or not message.get("more_body", False)):
            await self.guard.settle(self.exchange)
        if begins:
            self.status = message["status"]
        await self.unsettled(message)
