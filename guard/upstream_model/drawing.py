"""Draw the next token of each answer with chances of its own, so that an answer does not depend on what is made beside it.

transformers draws for a whole batch from one stream of random numbers: there, an answer changes with its place in the batch and
with its neighbours. Here each answer brings its own stream, and `generate` is told to take the likeliest token of what is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from guard.errors import TenetError

if TYPE_CHECKING:
    import torch


class Drawing:
    """A logits processor of transformers that leaves one token of each row, drawn by temperature and nucleus.

    Nucleus sampling: Holtzman et al. 2019, arXiv:1904.09751.

    Args:
        temperature: Of all rows, or one for each; higher values flatten the distribution, and 0 takes the likeliest token.
        top_p: In [0, 1], of all rows or one for each: only the likeliest tokens that together have this share are drawn from;
            the likeliest always is.
        seeds: One for each row.
    """

    def __init__(self, temperature: float | Sequence[float], top_p: float | Sequence[float], seeds: Sequence[int]) -> None:
        self._temperatures = _for_each(temperature, len(seeds))
        self._top_ps = _for_each(top_p, len(seeds))
        self._chances = [np.random.default_rng(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return `scores`, 0 at the token that was drawn and minus infinity elsewhere."""
        import torch

        temperatures = self._column(self._temperatures, scores)
        likeliest = scores.argmax(dim=-1, keepdim=True)
        shares = torch.softmax(scores.double() / temperatures.where(temperatures > 0, 1.0), dim=-1)
        if min(self._top_ps) < 1:
            top_ps = self._column(self._top_ps, scores)
            ordered, places = shares.sort(dim=-1, descending=True, stable=True)
            outside = (ordered.cumsum(dim=-1) - ordered >= top_ps) & (top_ps < 1)
            outside[:, 0] = False
            shares = torch.zeros_like(shares).scatter(-1, places, ordered.masked_fill(outside, 0.0))
        reached = shares.cumsum(dim=-1)
        chances = self._column([chance.random() for chance in self._chances], scores)
        drawn = torch.searchsorted(reached, chances * reached[:, -1:], right=True).clamp(max=reached.shape[-1] - 1)
        return torch.full_like(scores, -torch.inf).scatter(-1, drawn.where(temperatures > 0, likeliest), 0.0)

    @staticmethod
    def _column(values: Sequence[float], scores: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.tensor([[value] for value in values], dtype=torch.float64, device=scores.device)


class Finite:
    """A logits processor that ends a generation whose model gives no numbers, instead of taking its first token for an answer."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return `scores` as they are. Raises TenetError where the model gave something that is no number."""
        if bool(scores.isnan().any()):
            raise TenetError("the model gives no numbers (NaN): its weights are broken, or overflow in this dtype (try float32)")
        return scores


def seed_of(seed: int, words: str, answer: int) -> int:
    """Return the seed of one answer to one prompt, in [0, 2^63): of both and of `seed`, and of nothing else."""
    said = f"tenet:{seed}:{answer}:{words}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(said).digest()[:8]) >> 1


def _for_each(value: float | Sequence[float], rows: int) -> list[float]:
    return [value] * rows if isinstance(value, int | float) else list(value)


def undrawn(most: int, ends: Collection[int], pad: int) -> Any:  # noqa: ANN401 - transformers' GenerationConfig
    """Return a configuration that takes the likeliest token, and changes no probability: what is drawn is up to `Drawing`.

    Args:
        most: Tokens of an answer.
        ends: Tokens that end it.
        pad: The token that fills rows up.
    """
    from transformers import GenerationConfig

    return GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=most,
        do_sample=False,
        temperature=1.0,
        top_p=1.0,
        top_k=50,
        repetition_penalty=1.0,
        num_beams=1,
        use_cache=True,
        eos_token_id=sorted(ends) or None,
        pad_token_id=pad,
    )
