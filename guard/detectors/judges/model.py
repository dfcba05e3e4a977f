"""A language model behind an address: how it is reached, and what every way of asking it shares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from guard.constitution import Message, Request
from guard.detectors.judges.tokens import Token
from guard.errors import DetectorError
from guard.policy.kinds import Mistake
from guard.runtime.endpoint import Endpoint

Form = TypeVar("Form")

_VERSION = re.compile(r"/v\d+\w*$")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Answered:
    """What a model answered: words, or the arguments of its tool call; and its tokens where it told their probabilities."""

    content: str | Mapping[str, Any]
    tokens: Sequence[Token] = ()


class Asks(Protocol):
    """A way of asking a model."""

    async def ask(self, request: Request) -> Answered:
        """Return the answer to a request; raises `DetectorError` where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Model:
    """A model and the service that runs it.

    Attributes:
        name: As the service knows it.
        limit: Tokens that an answer may have.
        body: Further fields of each request, from the policy; one that is None is left out.
    """

    endpoint: Endpoint
    name: str
    limit: int
    body: Mapping[str, Any] = field(default_factory=dict)

    async def post(self, tail: str, body: Mapping[str, Any], form: type[Form]) -> Form:
        """Send a request and return its answer as `form`; `tail` is the route behind the version, such as `/chat/completions`."""
        sent = {name: value for name, value in {**body, **self.body}.items() if value is not None}
        answer = await self.endpoint.post(route(self.endpoint.url, tail), sent)
        try:
            return msgspec.convert(answer, form)
        except msgspec.ValidationError as error:
            kind = form.__name__.strip("_").lower()
            raise DetectorError(self.endpoint.detector, f"{self.endpoint.host} answered another JSON than a {kind}") from error

    def refuse(self, reason: str) -> NoReturn:
        """Raise a `DetectorError` that names the service."""
        raise DetectorError(self.endpoint.detector, f"{self.endpoint.host}: {reason}")


def route(url: str, tail: str) -> str:
    """Return what to append to `url`, which may be a server, its `/v1`, or the whole route."""
    bare = url.rstrip("/")
    if bare.endswith(tail):
        return ""
    return tail if _VERSION.search(bare) else f"/v1{tail}"


def messages_of(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Return messages as chat formats write them."""
    return [{"role": message.role, "content": message.content} for message in messages]


def reached(name: str, options: Mapping[str, Any], *, api: str, limit: int) -> Model:
    """Return the model that a detector's options name."""
    headers = {"anthropic-version": "2023-06-01"} if api == "anthropic" else {}
    secret = {}
    if "key_env" in options:
        header, template = ("x-api-key", "{}") if api == "anthropic" else ("authorization", "Bearer {}")
        secret = {header: (options["key_env"], template)}
    endpoint = Endpoint(name, options["url"], headers, secret)
    return Model(endpoint, options["model"], options.get("max_tokens", limit), options.get("body", {}))


def mistakes_in_address(options: Mapping[str, Any]) -> list[Mistake]:
    """Return what is wrong with `url` and `key_env`."""
    found = []
    parts = urlsplit(options["url"])
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        found.append(Mistake(("url",), "an http or https address, such as http://localhost:8000", "another one"))
    elif parts.username is not None:
        found.append(
            Mistake(("url",), "an address without a key or a user", "one with them", "name the key's variable in `key_env`")
        )
    if "key_env" in options and not _VARIABLE.fullmatch(options["key_env"]):
        found.append(
            Mistake(
                ("key_env",), "the name of an environment variable", "something else", "the key itself stays out of the policy"
            )
        )
    return found
