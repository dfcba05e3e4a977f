"""The measures of given texts: held-out preferences, and how well plain text is foreseen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from alignment.evaluation.columns import About, alone, measure
from alignment.evaluation.kept import Kept, key_of
from alignment.evaluation.likelihood import Likely, PairLikely, of_pairs, of_texts
from alignment.evaluation.prompts import Prompts
from alignment.evaluation.result import Measure
from alignment.evaluation.settings import EvaluationSettings
from alignment.evaluation.statistics import Floats
from alignment.evaluation.subjects import LocalModel, Model
from alignment.records import Pair, digest_of

ACCURACY = About(
    "preference_accuracy", "helpfulness", "held-out pairs whose chosen answer is likelier than the rejected one", "higher"
)
MARGIN = About(
    "preference_margin",
    "helpfulness",
    "how much likelier a token of the chosen answer is, less one of the rejected",
    "higher",
    "nats",
)
BYTES = About("nats_per_byte", "language", "how badly plain text is foreseen, by byte, whatever the tokens", "lower", "nats")
PERPLEXITY = About("perplexity", "language", "how badly plain text is foreseen, by token", "lower", "perplexity")
_SERVER = "a server gives no probabilities of given texts"
_AT_ONCE = 16


class Speaking:
    """What one model gives to pairs and plain texts; worked out once, and kept."""

    def __init__(self, model: Model, prompts: Prompts, kept: Kept) -> None:
        """Work it out, where the model is in a folder."""
        self.local = isinstance(model, LocalModel)
        self.pairs: list[PairLikely | None] = []
        self.texts: list[Likely | None] = []
        if isinstance(model, LocalModel):
            self.pairs = [_pair(found) for found in self._kept(model, prompts.pairs, kept)]
            self.texts = [_likely(found) for found in self._kept(model, prompts.neutral, kept)]

    def _kept(self, model: LocalModel, items: Sequence[Pair] | Sequence[str], kept: Kept) -> Iterator[Sequence[float] | None]:
        keys = [key_of("likely", model.subject.digest, _name(item)) for item in items]
        missing = [place for place, key in enumerate(keys) if key not in kept]
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            kept.add((keys[place], {"likely": _worked_out(model, items[place])}) for place in some)
        for key in keys:
            found: Sequence[float] | None = kept[key]["likely"]
            yield found


def of_given(
    before: Speaking, after: Speaking, prompts: Prompts, same_tokens: bool, settings: EvaluationSettings
) -> Iterator[Measure]:
    """Yield the measures of pairs and plain texts, where there are any."""
    if prompts.pairs:
        yield from _of_pairs(before, after, settings)
    if prompts.neutral:
        yield from _of_texts(before, after, prompts.neutral, same_tokens, settings)


def _of_pairs(before: Speaking, after: Speaking, settings: EvaluationSettings) -> Iterator[Measure]:
    if not (before.local and after.local):
        yield alone(ACCURACY, None, None, reason=_SERVER)
        return
    both = [(one, other) for one, other in zip(before.pairs, after.pairs, strict=True) if one and other]
    for about, figure in ((ACCURACY, _right), (MARGIN, _margin)):
        yield measure(about, _floats(figure(one) for one, _ in both), _floats(figure(other) for _, other in both), settings)


def _of_texts(
    before: Speaking, after: Speaking, texts: Sequence[str], same_tokens: bool, settings: EvaluationSettings
) -> Iterator[Measure]:
    if not (before.local and after.local):
        yield alone(BYTES, None, None, reason=_SERVER)
        return
    both = [(one, other, text) for one, other, text in zip(before.texts, after.texts, texts, strict=True) if one and other]
    sizes = [len(text.encode("utf-8", "surrogatepass")) for *_, text in both]
    sides = [[one for one, _, _ in both], [other for _, other, _ in both]]
    first, second = (_floats(-each.total / size for each, size in zip(side, sizes, strict=True)) for side in sides)
    yield measure(BYTES, first, second, settings)
    if same_tokens and both:
        yield alone(PERPLEXITY, *(_perplexity(side) for side in sides))
    else:
        yield alone(PERPLEXITY, None, None, reason="the models have other tokens; compare nats_per_byte")


def _perplexity(texts: Sequence[Likely]) -> float:
    return math.exp(min(700.0, -sum(each.total for each in texts) / sum(each.tokens for each in texts)))


def _floats(values: Iterable[float]) -> Floats:
    return np.array(list(values), dtype=np.float64)


def _right(pair: PairLikely) -> float:
    return float(pair.chosen.total > pair.rejected.total)


def _margin(pair: PairLikely) -> float:
    return pair.chosen.total / pair.chosen.tokens - pair.rejected.total / pair.rejected.tokens


def _worked_out(model: LocalModel, item: Pair | str) -> list[float] | None:
    if isinstance(item, str):
        [text] = of_texts(model.loaded, [item])
        return list(text) if text else None
    [pair] = of_pairs(model.loaded, [item])
    return [*pair.chosen, *pair.rejected] if pair else None


def _name(item: Pair | str) -> str:
    return item if isinstance(item, str) else digest_of(item.prompt, item.chosen, item.rejected)


def _likely(found: Sequence[float] | None) -> Likely | None:
    return Likely(found[0], int(found[1])) if found else None


def _pair(found: Sequence[float] | None) -> PairLikely | None:
    return PairLikely(Likely(found[0], int(found[1])), Likely(found[2], int(found[3]))) if found else None
