"""Choose a token from a distribution, with temperature and nucleus sampling (Holtzman et al. 2019, `top_p`)."""

from __future__ import annotations

import numpy as np

from guard.demo.language import Vector


def choose(probabilities: Vector, temperature: float, top_p: float, chance: np.random.Generator) -> int:
    """Return the index of one token.

    Args:
        probabilities: Positive, summing to 1.
        temperature: 0 takes the likeliest token (the first of equals); higher values flatten the distribution.
        top_p: In (0, 1]: only the likeliest tokens that together have this share are drawn from; the likeliest always is.
        chance: Where the randomness comes from.
    """
    if temperature == 0:
        return int(probabilities.argmax())
    logits = np.log(probabilities) / temperature
    weights = np.exp(logits - logits.max())
    order = np.argsort(-weights, kind="stable")
    reached = np.cumsum(weights[order])
    nucleus = reached[: int(np.searchsorted(reached, top_p * reached[-1])) + 1]
    drawn = int(np.searchsorted(nucleus, chance.random() * nucleus[-1], side="right"))
    return int(order[min(drawn, len(nucleus) - 1)])
