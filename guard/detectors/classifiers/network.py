"""What a loaded model is to the rest: rows of tokens in, logits out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Tokens = NDArray[np.int64]
"""Shape (rows, tokens)."""

MOST_TOKENS = 512
"""Longest window, also for models that could read more: few were trained on longer texts, and cost grows by the square."""

_COUNT_FROM_PADDING = frozenset(
    {"camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta"}
    | {"xlm-roberta-xl", "xmod", "esm", "lilt", "layoutlmv3", "markuplm"}
)
"""Model types whose positions begin after the padding token's id, so that a table of 514 holds texts of 512 tokens."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a model without running it.

    Attributes:
        labels: Names of the columns of its logits.
        problem: `problem_type` of its configuration; empty where it says none.
        limit: Tokens that it can read at once, special ones included.
        pad: Id of the padding token.
        alone: Whether texts must go one by one, because rows of one call would change each other's scores.
        digest: SHA-256 of weights, configuration and tokenizer.
        format: What runs it, and how precisely; models of one digest are shared within a format.
    """

    labels: tuple[str, ...]
    problem: str
    limit: int
    pad: int
    alone: bool
    digest: str
    format: str


class Network(ABC):
    """A loaded model with its tokenizer; shared by all detectors that use it, so it never changes."""

    def __init__(self, facts: Facts, tokenizer: Tokenizer) -> None:
        self.facts = facts
        self.tokenizer = tokenizer

    @abstractmethod
    def logits(self, ids: Tokens, mask: Tokens, types: Tokens) -> NDArray[np.float32]:
        """Return an array of shape (rows, labels).

        Args:
            ids: Padded on the right.
            mask: 1 for tokens, 0 for padding.
            types: Which of a pair's texts a token belongs to.
        """


def labels_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a model's outputs in order, from `id2label` of its config.json; `LABEL_0` … where it has none."""
    names = config.get("id2label")
    if not names:
        return tuple(f"LABEL_{index}" for index in range(config.get("num_labels", 2)))
    return tuple(str(names[key]) for key in sorted(names, key=int))


def token_limit(config: Mapping[str, Any], tokenizer_limit: float | None) -> int:
    """Return how many tokens a model reads at once: what its positions, its tokenizer and `MOST_TOKENS` allow."""
    limits: list[float] = [MOST_TOKENS]
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and positions > 0:
        reserved = (config.get("pad_token_id") or 0) + 1 if config.get("model_type") in _COUNT_FROM_PADDING else 0
        limits.append(positions - reserved)
    if tokenizer_limit and tokenizer_limit > 0:
        limits.append(tokenizer_limit)
    return int(min(limits))
