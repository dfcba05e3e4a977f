"""Have a prompt completed that is written out whole, by OpenAI's older completions (vLLM, llama.cpp, TGI).

https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html. The prompt has its own first token, so the server adds none.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from guard.detectors.judges.model import Answered, Model
from guard.detectors.judges.tokens import Candidate, Token

CANDIDATES = 5
"""Likeliest tokens asked for at each place; the most that this interface allows."""


class _Logprobs(msgspec.Struct):
    tokens: list[str] = []
    token_logprobs: list[float | None] = []
    top_logprobs: list[dict[str, float] | None] | None = None


class _Choice(msgspec.Struct):
    text: str
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


@dataclass(frozen=True, slots=True)
class Completions:
    """A model that completes prompts."""

    model: Model
    logprobs: bool = True

    async def complete(self, prompt: str) -> Answered:
        """Return the one completion of a prompt."""
        body = {
            "model": self.model.name,
            "prompt": prompt,
            "temperature": 0,
            "max_tokens": self.model.limit,
            "add_special_tokens": False,
            "skip_special_tokens": not prompt.startswith("<|start|>"),  # harmony's tell the answer from the reasoning
            "logprobs": CANDIDATES if self.logprobs else None,
        }
        completion = await self.model.post("/completions", body, _Completion)
        if len(completion.choices) != 1:
            self.model.refuse(f"expected one choice, got {len(completion.choices)}")
        choice = completion.choices[0]
        if not choice.text.strip():
            self.model.refuse("the answer is empty")
        return Answered(choice.text, _tokens(choice.logprobs) if choice.logprobs else ())


def _tokens(told: _Logprobs) -> list[Token]:
    tops = told.top_logprobs or [None] * len(told.tokens)
    if not len(told.tokens) == len(told.token_logprobs) == len(tops):
        return []
    return [
        Token(token, logprob or 0.0, [Candidate(other, share) for other, share in (top or {}).items()])
        for token, logprob, top in zip(told.tokens, told.token_logprobs, tops, strict=True)
    ]
