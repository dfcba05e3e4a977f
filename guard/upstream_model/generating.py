"""Generate in a thread of its own: one request at a time, a bounded number waiting, and none for a client that has gone."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from guard.errors import BadMessage, TenetError, UpstreamError
from guard.upstream_model.drawing import Drawing, Finite, seed_of
from guard.upstream_model.following import Following, Piece
from guard.upstream_model.loading import UpstreamModel

log = logging.getLogger("guard")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be generated.

    Attributes:
        prompt: Its tokens.
        most: Tokens of an answer at most.
        temperature: 0 takes the likeliest token.
        seed: Together with the prompt it makes the answers reproducible.
    """

    prompt: Sequence[int]
    choices: int
    most: int
    temperature: float
    top_p: float
    seed: int
    stops: Sequence[str] = ()


class Generating:
    """Serves one model.

    Args:
        waiting: Requests that may wait for their turn; one more is turned away.
    """

    def __init__(self, upstream: UpstreamModel, waiting: int) -> None:
        self._upstream = upstream
        self._room = waiting + 1
        self._under_way = 0
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
        gone = threading.Event()

        def tell(piece: Piece | Exception | None) -> None:
            if not gone.is_set():
                loop.call_soon_threadsafe(made.put_nowait, piece)

        self._under_way += 1
        working = self._thread.submit(self._work, wish, tell, gone)
        working.add_done_callback(lambda _done: loop.call_soon_threadsafe(self._leave) if not loop.is_closed() else None)
        try:
            while (piece := await made.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            gone.set()
            working.cancel()

    def close(self) -> None:
        """Take no more requests."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _leave(self) -> None:
        self._under_way -= 1

    def _work(self, wish: Wish, tell: Any, gone: threading.Event) -> None:  # noqa: ANN401
        if gone.is_set():
            return
        try:
            self._generate(wish, tell, gone)
            tell(None)
        except TenetError as error:
            tell(UpstreamError(str(error), status=500))
        except Exception as error:  # whatever the model does wrong is the upstream's failure, and ends one request
            memory = "memory" in str(error).lower()
            log.warning("the model failed: %s", type(error).__name__)
            reason = "the model ran out of memory" if memory else f"the model failed ({type(error).__name__})"
            tell(UpstreamError(reason, status=503 if memory else 500))

    def _generate(self, wish: Wish, tell: Any, gone: threading.Event) -> None:  # noqa: ANN401
        import torch
        from transformers import GenerationConfig

        upstream = self._upstream
        prompt = torch.tensor([list(wish.prompt)] * wish.choices, device=upstream.model.device)
        following = Following(upstream.tokenizer, wish.choices, wish.stops, upstream.ends, tell, gone.is_set)
        steps: list[Any] = [Finite()]
        if wish.temperature > 0:
            words = " ".join(map(str, wish.prompt))
            seeds = [seed_of(wish.seed, words, choice) for choice in range(wish.choices)]
            steps.append(Drawing(wish.temperature, wish.top_p, seeds))
        pad = upstream.tokenizer.pad_token_id
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=wish.most,
            do_sample=False,
            temperature=1.0,
            top_p=1.0,
            top_k=50,
            repetition_penalty=1.0,
            num_beams=1,
            use_cache=True,
            eos_token_id=sorted(upstream.ends) or None,
            pad_token_id=pad if pad is not None else min(upstream.ends, default=0),
        )
        with torch.inference_mode():
            upstream.model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                generation_config=config,
                logits_processor=steps,
                stopping_criteria=[following],
            )
        following.finish()
