"""What answers prompts: a model in this process, or one behind an OpenAI-compatible server. Both are asked in the same way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Protocol

import msgspec

from alignment.models.loading import Loaded
from alignment.models.sampling import Answer, Conversation, Place, Progress, Sampling, Tell, draw, gathered
from guard.detectors.judges.model import route
from guard.errors import DetectorError, TenetError, Transient
from guard.runtime.endpoint import Endpoint
from guard.runtime.loop import runtime_loop
from guard.upstream_model.drawing import seed_of

_TRIES = 5
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0


class Generator(Protocol):
    """Answers prompts."""

    @property
    def name(self) -> str:
        """What it is, for records: the same name answers the same, as far as anyone can promise it."""
        ...

    def answers(
        self, prompts: Sequence[Conversation], sampling: Sampling, tell: Tell = lambda _progress: None
    ) -> list[list[str]]:
        """Return the answers to each prompt, in the order of the prompts; fewer where the sampling's seconds were over."""
        ...

    def each(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        *,
        done: Collection[Place] = (),
        tell: Tell = lambda _progress: None,
    ) -> Iterator[Answer]:
        """Yield answers as they come, without those that are `done` already."""
        ...


class LocalGenerator:
    """A model in this process.

    Attributes:
        name: As it was given: a digest of the weights tells models best apart.
    """

    def __init__(self, loaded: Loaded, name: str) -> None:
        self.name = name
        self._loaded = loaded

    def answers(
        self, prompts: Sequence[Conversation], sampling: Sampling, tell: Tell = lambda _progress: None
    ) -> list[list[str]]:
        """Return the answers to each prompt; see `alignment.models.sampling.sample`."""
        return gathered(self.each(prompts, sampling, tell=tell), len(prompts))

    def each(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        *,
        done: Collection[Place] = (),
        tell: Tell = lambda _progress: None,
    ) -> Iterator[Answer]:
        """Yield answers as they are made; see `alignment.models.sampling.draw`."""
        return draw(self._loaded, prompts, sampling, done=done, tell=tell)


class _Said(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Said
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    completion_tokens: int = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class RemoteGenerator:
    """A model behind a server that speaks OpenAI's chat completions, such as vLLM, Ollama or llama.cpp.

    It is sent a seed of each answer's own; whether it heeds that is up to the server.
    """

    def __init__(self, url: str, model: str, *, key_env: str = "", timeout: float = 120.0, tries: int = _TRIES) -> None:
        """Prepare to ask.

        Args:
            url: Of the server, its `/v1`, or the whole route.
            key_env: Environment variable with the key; none is sent where empty.
            timeout: Seconds for one answer.
            tries: How often one question is asked, where the server fails in a way that may pass.
        """
        secret = {"authorization": (key_env, "Bearer {}")} if key_env else {}
        self._endpoint = Endpoint(model, url, secret_headers=secret)
        self._model, self._timeout, self._tries = model, timeout, tries
        self.name = f"{model} at {self._endpoint.host}"

    def answers(
        self, prompts: Sequence[Conversation], sampling: Sampling, tell: Tell = lambda _progress: None
    ) -> list[list[str]]:
        """Return the answers to each prompt; raises what `each` does."""
        return gathered(self.each(prompts, sampling, tell=tell), len(prompts))

    def each(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        *,
        done: Collection[Place] = (),
        tell: Tell = lambda _progress: None,
    ) -> Iterator[Answer]:
        """Yield answers as they come, `sampling.batch` questions under way at a time.

        Raises:
            TenetError: Where the server gives no answer, or says something else; the message holds nothing of what was asked.
        """
        began = time.monotonic()
        deadline = began + sampling.seconds if sampling.seconds else None
        wanted = [(index, number) for index in range(len(prompts)) for number in range(sampling.answers)]
        left = [place for place in wanted if place not in done]
        waiting = iter(left)
        under_way: set[Future[Answer]] = set()
        made = tokens = 0
        try:
            while True:
                over = deadline is not None and time.monotonic() > deadline
                while not over and len(under_way) < sampling.batch and (place := next(waiting, None)) is not None:
                    under_way.add(runtime_loop().submit(self._ask(prompts[place[0]], place, sampling)))
                if over or not under_way:
                    break
                remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
                ready, under_way = wait(under_way, remaining, FIRST_COMPLETED)
                for future in ready:
                    answer = future.result()
                    made, tokens = made + 1, tokens + answer.tokens
                    yield answer
                tell(Progress(made, len(left), tokens, time.monotonic() - began))
            if made < len(left):
                tell(Progress(made, len(left), tokens, time.monotonic() - began, out_of_time=True))
        finally:
            for future in under_way:
                future.cancel()

    async def _ask(self, prompt: Conversation, place: Place, sampling: Sampling) -> Answer:
        said = msgspec.json.encode(list(prompt)).decode()
        body = {
            "model": self._model,
            "messages": list(prompt),
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed_of(sampling.seed, said, place[1]) % 2**31,
            **({"stop": list(sampling.stop)} if sampling.stop else {}),
        }
        completion = await self._posted(body, place[0])
        if len(completion.choices) != 1:
            raise TenetError(f"{self.name}: expected one choice for prompt {place[0]}, got {len(completion.choices)}")
        choice = completion.choices[0]
        count = completion.usage.completion_tokens if completion.usage else 0
        return Answer(*place, choice.message.content or "", count, "length" if choice.finish_reason == "length" else "stop")

    async def _posted(self, body: Mapping[str, Any], prompt: int) -> _Completion:
        pause = _FIRST_PAUSE
        for attempt in range(1, self._tries + 1):
            try:
                async with asyncio.timeout(self._timeout):
                    answered = await self._endpoint.post(route(self._endpoint.url, "/chat/completions"), body)
                return msgspec.convert(answered, _Completion)
            except msgspec.ValidationError:
                raise TenetError(f"{self.name}: expected a chat completion for prompt {prompt}, got another JSON") from None
            except Transient as error:
                if attempt == self._tries:
                    raise TenetError(f"{self.name}: no answer to prompt {prompt} in {attempt} tries: {_why(error)}") from error
                await asyncio.sleep(min(_LONGEST_PAUSE, pause if error.retry_after is None else error.retry_after))
                pause *= 2
            except TimeoutError:
                if attempt == self._tries:
                    late = f"{self._timeout:g} seconds, {attempt} times"
                    raise TenetError(f"{self.name}: no answer to prompt {prompt} within {late}") from None
            except DetectorError as error:
                raise TenetError(f"{self.name}: no answer to prompt {prompt}: {_why(error)}") from error
        raise AssertionError("the last try returns or raises")


def _why(error: DetectorError) -> str:
    """Return an error's reason; the endpoint speaks of detectors, which nobody asked here."""
    return str(error).partition(" gave no verdict: ")[2]
