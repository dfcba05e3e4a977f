"""What a model's probabilities of a word say: how sure it was of its verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from re import Pattern

import msgspec


class Candidate(msgspec.Struct, frozen=True):
    """A token that the model might have written, and its natural logarithm of probability."""

    token: str
    logprob: float


class Token(Candidate, frozen=True):
    """A token that it wrote, with the likeliest ones at its place."""

    top_logprobs: list[Candidate] = []


def probability(tokens: Sequence[Token], answer: str, verdict: Pattern[str], positive: str, negative: str) -> float | None:
    """Return how likely `positive` was where the answer has its verdict, against `negative`; None where that can't be told.

    A tokenizer may cut either word, so the beginning of a word counts for it.

    Args:
        tokens: Of all that the model wrote.
        answer: The end of it that counts, behind its reasoning.
        verdict: Finds the verdict in the answer; its first group is the word.
        positive: In lower case, like `negative`; neither begins with the other.
    """
    written = "".join(token.token for token in tokens)
    begin = written.rfind(answer)
    found = verdict.search(written, begin) if begin >= 0 else None
    if found is None:
        return None
    token = _at(tokens, found.start(1))
    shares = {positive: 0.0, negative: 0.0}
    for candidate, logprob in _candidates(token).items():
        begun = candidate.strip().lower()
        for word in shares:
            if begun and (word.startswith(begun) or begun.startswith(word)):
                shares[word] += math.exp(min(logprob, 0.0))
    whole = shares[positive] + shares[negative]
    return shares[positive] / whole if whole > 0 else None


def _at(tokens: Sequence[Token], place: int) -> Token:
    """Return the token that the character at `place` belongs to."""
    return next(token for token, end in zip(tokens, _ends(tokens), strict=True) if end > place)


def _ends(tokens: Sequence[Token]) -> Iterator[int]:
    end = 0
    for token in tokens:
        end += len(token.token)
        yield end


def _candidates(token: Token) -> Mapping[str, float]:
    """Return the likeliest tokens at a place, the written one among them, each once."""
    return {token.token: token.logprob, **{other.token: other.logprob for other in token.top_logprobs}}
