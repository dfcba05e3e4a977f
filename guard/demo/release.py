"""Cut an answer off at its length limit or before a stop sequence, never sending a token that may belong to one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from guard.demo.generator import Token


class Step(NamedTuple):
    """What one generated token lets out.

    Attributes:
        tokens: The tokens that may be sent now; none while they may be the beginning of a stop sequence.
        finish: In the last step why the answer ended, `stop` or `length`; else None.
    """

    tokens: tuple[Token, ...]
    finish: str | None = None


def release(tokens: Iterable[Token], stops: Sequence[str], most: int | None) -> Iterator[Step]:
    """Yield one step for each token, and one more for the end.

    Args:
        stops: Sequences, none of them empty, at the first of which the answer ends; what is sent holds none of them.
        most: The most tokens to take; None for no limit.
    """
    held: list[Token] = []
    for count, token in enumerate(tokens):
        if count == most:
            yield Step(tuple(held), "length")
            return
        held.append(token)
        text = "".join(token.text for token in held)
        found = [place for stop in stops if (place := text.find(stop)) >= 0]
        if found:
            yield Step(_before(held, held[0].start + min(found)), "stop")
            return
        free = held[0].start + len(text) - _unsure(text, stops)
        ready = [token for token in held if token.start + len(token.text) <= free]
        held = held[len(ready) :]
        yield Step(tuple(ready))
    yield Step(tuple(held), "stop")


def _unsure(text: str, stops: Sequence[str]) -> int:
    return max((size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size])), default=0)


def _before(tokens: Sequence[Token], end: int) -> tuple[Token, ...]:
    return tuple(token._replace(text=token.text[: end - token.start]) for token in tokens if token.start < end)
