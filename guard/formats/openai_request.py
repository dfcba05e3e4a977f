"""What every OpenAI-shaped request says about the answer that it wants."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from guard.formats import strict_json
from guard.formats.shape import as_flag, as_object, as_string, wrong

MOST_CHOICES = 128
"""The most choices that one request may ask for (OpenAI's own bound on `n`)."""


class Remembered(dict[str, Any]):
    """What a request's answer needs; `id` and `created` are made up when they are first asked for, as few answers need them."""

    def __missing__(self, key: str) -> Any:  # noqa: ANN401
        """Make up what was not there."""
        if key not in _MADE_UP:
            raise KeyError(key)
        self[key] = made_up = _MADE_UP[key]()
        return made_up


_MADE_UP: dict[str, Callable[[], Any]] = {"id": lambda: secrets.token_hex(12), "created": lambda: int(time.time())}


class Wanted(NamedTuple):
    """The wishes of a request.

    Attributes:
        usage: Whether a stream shall end with its token counts.
        n: How many choices.
    """

    model: str
    stream: bool
    usage: bool
    n: int

    @property
    def remembered(self) -> dict[str, Any]:
        """What is needed to answer without the upstream: how many choices, and an id and a time for all parts of the answer."""
        return Remembered(n=self.n)


def read_object(body: bytes, depth: int) -> dict[str, Any]:
    """Return the object that `body` holds. Raises BadMessage."""
    return as_object(strict_json.decode(body, depth), "the request")


def wanted(tree: dict[str, Any]) -> Wanted:
    """Return what a request asks for. Raises BadMessage where a field that decides how the answer is read is malformed."""
    model = tree.get("model")
    options = tree.get("stream_options")
    usage = False
    if options is not None:
        usage = as_flag(as_object(options, "stream_options").get("include_usage"), "stream_options.include_usage")
    return Wanted(
        model="" if model is None else as_string(model, "model"),
        stream=as_flag(tree.get("stream"), "stream"),
        usage=usage,
        n=_choices(tree.get("n")),
    )


def _choices(n: Any) -> int:  # noqa: ANN401
    if n is None:
        return 1
    if type(n) is not int or not 1 <= n <= MOST_CHOICES:
        raise wrong("n", f"a whole number from 1 to {MOST_CHOICES}", n)
    return n
