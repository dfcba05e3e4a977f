"""Generate several requests together, in one left-padded batch, each as if it were alone.

A model spends most of a token's time on reading its weights, and reads them once for all rows of a batch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from guard.errors import TenetError, UpstreamError
from guard.upstream_model.drawing import Drawing, seed_of, undrawn
from guard.upstream_model.following import Following, Piece
from guard.upstream_model.loading import UpstreamModel

if TYPE_CHECKING:
    import torch

log = logging.getLogger("guard")

_ROWS = 16
"""Answers of a round: more of them gain little on a processor, and each waits for the longest."""

_TOKENS = 32_768
"""Places of a round, padding and answers included, which bound its memory; a request that needs more is generated alone."""


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


@dataclass(slots=True, eq=False)
class Asking:
    """A wish, and who waits for it.

    Attributes:
        send: Takes each piece, then an error or None at the end; called in the thread of the generation.
        gone: Set once nobody waits any more.
    """

    wish: Wish
    send: Callable[[Piece | Exception | None], None]
    gone: threading.Event = field(default_factory=threading.Event)
    begun: bool = False

    def tell(self, piece: Piece) -> None:
        """Pass a piece on."""
        self.begun = True
        self.send(piece)

    def end(self, error: Exception | None = None) -> None:
        """End the answer, once."""
        if not self.gone.is_set():
            self.send(error)
            self.gone.set()


def fits(asked: Sequence[Asking], context: int) -> bool:
    """Return whether these can be generated together, padded to less than `context` tokens. One alone always can."""
    rows = sum(each.wish.choices for each in asked)
    longest = max(len(each.wish.prompt) for each in asked) + max(each.wish.most for each in asked)
    return len(asked) == 1 or (rows <= _ROWS and longest <= context and rows * longest <= _TOKENS)


def generate(upstream: UpstreamModel, asked: Sequence[Asking]) -> None:
    """Generate the answers, and end each request. Where a round fails, those that were told nothing yet are tried alone."""
    try:
        _together(upstream, asked)
    except Exception as error:  # whatever the model does wrong is the upstream's failure, and ends these requests only
        log.warning("the model failed: %s", type(error).__name__)
        again = [each for each in asked if not each.begun and not each.gone.is_set()] if len(asked) > 1 else []
        for each in asked:
            if each not in again:
                each.end(_failure(error))
        for each in again:
            generate(upstream, [each])


def _failure(error: Exception) -> UpstreamError:
    if isinstance(error, TenetError):
        return UpstreamError(str(error), status=500)
    memory = "memory" in str(error).lower()
    reason = "the model ran out of memory" if memory else f"the model failed ({type(error).__name__})"
    return UpstreamError(reason, status=503 if memory else 500)


def _together(upstream: UpstreamModel, asked: Sequence[Asking]) -> None:
    import torch

    owners = [each for each in asked for _ in range(each.wish.choices)]
    pad = upstream.tokenizer.pad_token_id
    pad = pad if pad is not None else min(upstream.ends, default=0)
    longest = max(len(each.wish.prompt) for each in asked)
    spare = [longest - len(each.wish.prompt) for each in owners]
    device = upstream.model.device
    rows = torch.tensor([[pad] * left + list(each.wish.prompt) for left, each in zip(spare, owners, strict=True)], device=device)
    mask = torch.tensor([[0] * left + [1] * (longest - left) for left in spare], device=device)
    following = _Followed(upstream, asked)
    config = undrawn(max(each.wish.most for each in asked), upstream.ends, pad)
    with torch.inference_mode():
        upstream.model.generate(
            input_ids=rows,
            attention_mask=mask,
            generation_config=config,
            logits_processor=[_Sound(owners), _drawing(asked)],
            stopping_criteria=[following],
        )
    following.finish()


def _drawing(asked: Sequence[Asking]) -> Drawing:
    rows = [(each.wish, choice) for each in asked for choice in range(each.wish.choices)]
    return Drawing(
        [wish.temperature for wish, _ in rows],
        [wish.top_p for wish, _ in rows],
        [seed_of(wish.seed, " ".join(map(str, wish.prompt)), choice) for wish, choice in rows],
    )


class _Followed:
    """A stopping criterion of transformers: each request follows its own rows, and ends when all of them have."""

    def __init__(self, upstream: UpstreamModel, asked: Sequence[Asking]) -> None:
        self._asked = asked
        self._followings = [
            Following(
                upstream.tokenizer,
                each.wish.choices,
                each.wish.stops,
                upstream.ends,
                each.tell,
                each.gone.is_set,
                each.wish.most,
            )
            for each in asked
        ]
        starts = [sum(each.wish.choices for each in asked[:index]) for index in range(len(asked) + 1)]
        self._rows = [slice(first, last) for first, last in pairwise(starts)]

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:  # noqa: ANN401
        """Return for each row whether it has ended."""
        import torch

        over = []
        for each, following, rows in zip(self._asked, self._followings, self._rows, strict=True):
            over.append(following(input_ids[rows], scores))
            if bool(over[-1].all()):
                each.end()
        return torch.cat(over)

    def finish(self) -> None:
        """End what is still open: no more tokens were allowed."""
        for each, following in zip(self._asked, self._followings, strict=True):
            if not each.gone.is_set():
                following.finish()
            each.end()


class _Sound:
    """A logits processor that ends a request whose scores are no numbers, and lets its neighbours go on."""

    def __init__(self, owners: Sequence[Asking]) -> None:
        self._owners = owners

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        broken = scores.isnan().any(dim=-1)
        if not bool(broken.any()):
            return scores
        for each, bad in zip(self._owners, broken.tolist(), strict=True):
            if bad:
                each.end(
                    UpstreamError(
                        "the model gives no numbers (NaN): its weights are broken, or overflow in this dtype (try float32)",
                        status=500,
                    )
                )
        return scores.masked_fill(broken[:, None], 0.0)
