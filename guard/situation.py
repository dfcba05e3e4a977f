"""What rules may ask about an exchange beyond its texts, worked out only where a policy asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from guard.detectors.rules.speaking import is_installed, languages_of
from guard.errors import MissingExtra
from guard.formats.base import Request, Text
from guard.policy.conditions import CelCondition
from guard.policy.model import Policy
from guard.values import Exchange, Role

_MOST = 1_000
"""Tools, and parameters, of a request that conditions may read."""
_LONGEST = 200
"""Characters of a parameter's word."""


@dataclass(frozen=True, slots=True)
class Asks:
    """What a policy asks about exchanges.

    Attributes:
        time: Whether some rule has a schedule.
        languages: Whether what the user writes in matters.
        request: Whether some condition reads turns, tools or parameters.
        past: Whether earlier decisions of the conversation matter.
    """

    time: bool = False
    languages: bool = False
    request: bool = False
    past: bool = False

    @property
    def nothing(self) -> bool:
        """Whether an exchange is enough as it is."""
        return not (self.time or self.languages or self.request)


def asked_by(policy: Policy) -> Asks:
    """Return what a policy asks about exchanges.

    Raises:
        MissingExtra: Where it depends on languages that cannot be told apart without a package.
    """
    conditions = [rule.when for rule in policy.rules if isinstance(rule.when, CelCondition)]
    read: frozenset[str] = frozenset().union(*(condition.variables for condition in conditions))
    needed = "languages" in read or any(rule.by_language for rule in policy.rules)
    if needed and not is_installed():
        raise MissingExtra("a policy that goes by languages", "language")
    return Asks(
        time=any(rule.schedule is not None for rule in policy.rules),
        languages=needed or any(rule.messages for rule in policy.rules),
        request=not read.isdisjoint(("turn", "tools", "request")),
        past=policy.counts or "conversation" in read,
    )


def situated(exchange: Exchange, asks: Asks, texts: Sequence[Text], clock: Callable[[], float] = time.time) -> Exchange:
    """Return the exchange with the time and the language of its texts, where they are asked for and not known yet."""
    at = exchange.at or (clock() if asks.time else 0.0)
    languages = exchange.languages or (languages_of(_last_words(texts)) if asks.languages else ())
    return exchange if (at, languages) == (exchange.at, exchange.languages) else replace(exchange, at=at, languages=languages)


def with_request(exchange: Exchange, asks: Asks, request: Request) -> Exchange:
    """Return the exchange with what conditions may read of its request, where they do."""
    if not asks.request:
        return exchange
    tree = request.document.tree
    turns = {text.turn for text in request.document.texts if text.role is Role.USER and text.turn >= 0}
    return replace(exchange, turn=len(turns) or 1, tools=_tools(tree), parameters=_parameters(tree))


def _last_words(texts: Sequence[Text]) -> list[str]:
    """Return what the user said last; where no user speaks, all of it."""
    spoken = [text for text in texts if text.role is Role.USER and text.media is None]
    last = max((text.turn for text in spoken), default=-1)
    return [text.joined for text in spoken if text.turn == last] or [text.joined for text in texts if text.media is None]


def _tools(tree: Any) -> tuple[str, ...]:  # noqa: ANN401 - a JSON value
    """Return the names of the tools that a request offers, as OpenAI and Anthropic write them."""
    if not isinstance(tree, dict):
        return ()
    return tuple(name for _, name in zip(range(_MOST), _named(tree), strict=False))


def _named(tree: Mapping[str, Any]) -> Iterable[str]:
    for field in ("tools", "functions"):
        for tool in tree[field] if isinstance(tree.get(field), list) else ():
            inner = tool.get("function", tool) if isinstance(tool, dict) else None
            name = inner.get("name") if isinstance(inner, dict) else None
            if isinstance(name, str):
                yield name


def _parameters(tree: Any) -> dict[str, Any]:  # noqa: ANN401 - a JSON value
    if not isinstance(tree, dict):
        return {}
    read = ((name, float(bytes(value)) if isinstance(value, msgspec.Raw) else value) for name, value in tree.items())
    plain = ((name, value) for name, value in read if isinstance(value, bool | int | float | str))
    short = ((name, value) for name, value in plain if not isinstance(value, str) or len(value) <= _LONGEST)
    return {name: value for _, (name, value) in zip(range(_MOST), short, strict=False)}
