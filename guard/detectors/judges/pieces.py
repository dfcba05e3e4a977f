"""A text that is too long for one question, in pieces that overlap; and questions that are asked at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from guard.values import Item

T = TypeVar("T")

LONGEST = 50_000
"""Characters that one question shows where nothing else is said: about 12,000 tokens of English."""
OVERLAP = 400
_AT_ONCE = 8


class Piece(NamedTuple):
    """A part of an item's text, and where it begins there."""

    text: str
    start: int


def pieces(item: Item, longest: int) -> Iterator[Piece]:
    """Yield the judged part of an item in pieces of at most `longest` characters; neighbours share some text."""
    start, end = item.judged_from, len(item.text)
    while end - start > longest:
        yield Piece(item.text[start : start + longest], start)
        start += longest - min(OVERLAP, longest // 2)
    yield Piece(item.text[start:end], start)


async def together(questions: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what all of them answer, in order; the first that fails ends the others."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def asked(question: Coroutine[Any, Any, T]) -> T:
        async with room:
            return await question

    tasks = [asyncio.ensure_future(asked(question)) for question in questions]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for question in questions:  # one that never had its turn
            question.close()
