"""How likely given texts are to a model: held-out preferences, and plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from alignment.models.loading import Loaded
from alignment.records import Messages, Pair
from guard.errors import TenetError

_LEAST_TOKENS = 2


class Likely(NamedTuple):
    """The log-probability of a text, in nats, and how many tokens it is the sum of."""

    total: float
    tokens: int


class PairLikely(NamedTuple):
    """Both answers of a pair."""

    chosen: Likely
    rejected: Likely


def of_pairs(loaded: Loaded, pairs: Sequence[Pair]) -> list[PairLikely | None]:
    """Return how likely the answers of each pair are after their prompt; None where a pair is longer than the context."""
    return [_of_pair(loaded, pair) for pair in pairs]


def of_texts(loaded: Loaded, texts: Sequence[str]) -> list[Likely | None]:
    """Return how likely plain texts are, cut off at the context; None for those without two tokens."""
    found: list[Likely | None] = []
    for text in texts:
        ids = loaded.tokenizer(text, add_special_tokens=False)["input_ids"][: loaded.context]
        found.append(_likely(loaded, ids, 1) if len(ids) >= _LEAST_TOKENS else None)
    return found


def _of_pair(loaded: Loaded, pair: Pair) -> PairLikely | None:
    chosen, rejected = (_after(loaded, pair.prompt, answer) for answer in (pair.chosen, pair.rejected))
    return PairLikely(chosen, rejected) if chosen and rejected else None


def _after(loaded: Loaded, prompt: Messages, answer: Messages) -> Likely | None:
    before = _templated(loaded, prompt, asks=True)
    whole = _templated(loaded, (*prompt, *answer), asks=False)
    same = next((place for place, (one, other) in enumerate(zip(before, whole, strict=False)) if one != other), len(before))
    if len(whole) > loaded.context or len(whole) <= same:
        return None
    return _likely(loaded, whole, same)


def _templated(loaded: Loaded, messages: Messages, *, asks: bool) -> list[int]:
    from jinja2 import TemplateError

    try:
        ids: list[int] = loaded.tokenizer.apply_chat_template(
            [message.as_dict() for message in messages], add_generation_prompt=asks, tokenize=True, return_dict=False
        )
    except (TemplateError, TypeError, KeyError) as error:
        raise TenetError(f"the chat template does not take the messages of a pair: {type(error).__name__}") from None
    return ids


def _likely(loaded: Loaded, ids: Sequence[int], start: int) -> Likely:
    """Return how likely the tokens from `start` on are, each after those before it."""
    import torch

    given: Any = torch.tensor([list(ids)], device=loaded.model.device)
    with torch.inference_mode():
        logits = loaded.model(input_ids=given, use_cache=False).logits[0, start - 1 : -1].float()
    wanted = given[0, start:]
    told = torch.log_softmax(logits, dim=-1).gather(1, wanted[:, None])
    total = float(told.sum())
    if total != total:
        raise TenetError("the model gives no numbers (NaN) for a plain text: its weights are broken")
    return Likely(total, len(ids) - start)
