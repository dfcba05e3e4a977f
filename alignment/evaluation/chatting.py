"""Ask an OpenAI-compatible server, several questions at a time; what fails for a passing reason is asked again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from alignment.evaluation.settings import Server
from guard.errors import DetectorError, TenetError, Transient
from guard.runtime.endpoint import Endpoint

_TRIES = 5
_PAUSE = 0.5
_LONGEST_PAUSE = 20.0


@dataclass(frozen=True, slots=True)
class Chat:
    """One question."""

    messages: tuple[dict[str, str], ...]
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 128
    seed: int = 0


class Reply(NamedTuple):
    """What came back."""

    text: str
    tokens: int
    cut: bool
    seconds: float


def ask_all(server: Server, chats: Sequence[Chat], *, at_once: int) -> list[Reply]:
    """Return the replies, in order.

    Raises:
        TenetError: Where the server does not answer, or answers what it should not; what it was asked is not told.
    """

    async def all_of_them() -> list[Reply]:
        free = asyncio.Semaphore(at_once)

        async def one(chat: Chat) -> Reply:
            async with free:
                return await _asked(server, chat)

        return list(await asyncio.gather(*(one(chat) for chat in chats)))

    try:
        return asyncio.run(all_of_them())
    except DetectorError as error:
        raise TenetError(f"{server.model}: {str(error).partition(': ')[2]}") from error


async def _asked(server: Server, chat: Chat) -> Reply:
    secrets = {"authorization": (server.key_env, "Bearer {}")} if server.key_env else {}
    endpoint = Endpoint(server.model, server.url, secret_headers=secrets)
    body = {
        "model": server.model,
        "messages": list(chat.messages),
        "temperature": chat.temperature,
        "top_p": chat.top_p,
        "max_tokens": chat.max_tokens,
        "seed": chat.seed,
    }
    for tried in range(_TRIES):
        began = time.monotonic()
        try:
            found = await asyncio.wait_for(endpoint.post("/chat/completions", body), server.timeout)
            return _read(server, found, time.monotonic() - began)
        except TimeoutError:
            if tried + 1 == _TRIES:
                raise TenetError(f"{server.model}: no answer within {server.timeout:g} s, {_TRIES} times") from None
        except Transient as error:
            if tried + 1 == _TRIES:
                raise
            await asyncio.sleep(min(_LONGEST_PAUSE, error.retry_after or _PAUSE * 2**tried))
    raise AssertionError  # the last try returns or raises


def _read(server: Server, found: Any, seconds: float) -> Reply:  # noqa: ANN401
    try:
        choice = found["choices"][0]
        text = choice["message"].get("content") or choice["message"].get("refusal") or ""
        tokens = int((found.get("usage") or {}).get("completion_tokens") or 0)
        return Reply(str(text), tokens, choice.get("finish_reason") == "length", seconds)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        raise TenetError(f"{server.model}: expected a chat completion from {server.url}, got something else") from None
