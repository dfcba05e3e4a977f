"""Ask a model by OpenAI's chat completions, which vLLM, Ollama, llama.cpp, TGI and most services speak.

https://platform.openai.com/docs/api-reference/chat/create; structured answers by `response_format`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from guard.constitution import Request
from guard.detectors.judges.model import Answered, Model, messages_of
from guard.detectors.judges.tokens import Token

CANDIDATES = 10
"""Likeliest tokens asked for at each place; services allow at most 20."""


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Logprobs(msgspec.Struct):
    content: list[Token] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """A model that is asked by chat completions.

    Attributes:
        structured: How the form of the answer is asked for: `json_schema`, `json_object` or `none` (in words only).
        logprobs: Whether its tokens' probabilities are asked for.
    """

    model: Model
    structured: str = "json_schema"
    logprobs: bool = False

    async def ask(self, request: Request) -> Answered:
        """Return the answer to a request."""
        extra: dict[str, Any] = {}
        if self.structured == "json_schema":
            schema = {"name": request.name, "strict": True, "schema": request.schema}
            extra["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self.structured == "json_object":
            extra["response_format"] = {"type": "json_object"}
        return await self.complete({"messages": messages_of(request.messages), **extra})

    async def complete(self, asked: Mapping[str, Any]) -> Answered:
        """Return the one answer to a chat.

        Raises:
            DetectorError: Where there is none: refused, cut off, empty, or several.
        """
        body = {"model": self.model.name, "temperature": 0, "max_tokens": self.model.limit, **asked}
        if self.logprobs:
            body |= {"logprobs": True, "top_logprobs": CANDIDATES}
        completion = await self.model.post("/chat/completions", body, _Completion)
        if len(completion.choices) != 1:
            self.model.refuse(f"expected one choice, got {len(completion.choices)}")
        choice = completion.choices[0]
        if choice.message.refusal or choice.finish_reason == "content_filter":
            self.model.refuse("the model declined to judge this text")
        if choice.finish_reason == "length":
            self.model.refuse(f"the answer was cut off after `max_tokens` ({self.model.limit})")
        if not choice.message.content:
            self.model.refuse("the answer is empty")
        tokens = choice.logprobs.content if choice.logprobs else None
        return Answered(choice.message.content, tokens or ())
