"""Generate in a thread of its own: what waits together, a bounded number waiting, and none for a client that has gone."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor

from guard.errors import BadMessage
from guard.upstream_model.following import Piece
from guard.upstream_model.loading import UpstreamModel
from guard.upstream_model.rounds import Asking, Wish, fits, generate


class Generating:
    """Serves one model, in rounds: each takes as many of the waiting requests, in their order, as can be generated together.

    Args:
        waiting: Requests that may be under way beside one; one more is turned away.
    """

    def __init__(self, upstream: UpstreamModel, waiting: int) -> None:
        self._upstream = upstream
        self._room = waiting + 1
        self._under_way = 0
        self._waiting: deque[Asking] = deque()
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="guard-model")

    async def pieces(self, wish: Wish) -> AsyncGenerator[Piece]:
        """Yield the pieces of the answers as they are made. The generation ends when nobody takes them any more.

        Raises:
            BadMessage: Where too many wait already (429).
            UpstreamError: Where the generation fails.
        """
        if self._under_way >= self._room:
            raise BadMessage(
                f"the model is busy, and {self._room - 1} requests wait already; try again later",
                status=429,
                code="rate_limit_exceeded",
            )
        loop = asyncio.get_running_loop()
        made: asyncio.Queue[Piece | Exception | None] = asyncio.Queue()

        def send(piece: Piece | Exception | None) -> None:
            if not asking.gone.is_set() and not loop.is_closed():
                loop.call_soon_threadsafe(made.put_nowait, piece)

        asking = Asking(wish, send)
        with self._lock:
            self._waiting.append(asking)
        self._under_way += 1
        working = self._thread.submit(self._round)
        try:
            while (piece := await made.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            asking.gone.set()
            self._under_way -= 1
            self._forget(asking)
            working.cancel()

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    def close(self) -> None:
        """Take no more requests."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _forget(self, asking: Asking) -> None:
        """Let a request wait no more; its prompt is not kept until the round under way ends."""
        with self._lock:
            if asking in self._waiting:
                self._waiting.remove(asking)

    def _round(self) -> None:
        """Generate the first of the waiting requests, and those after it that fit beside it."""
        together: list[Asking] = []
        with self._lock:
            while self._waiting and (not together or fits([*together, self._waiting[0]], self._upstream.context)):
                together.append(self._waiting.popleft())
        if together:
            generate(self._upstream, together)
