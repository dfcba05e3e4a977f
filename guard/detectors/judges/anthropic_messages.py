"""Ask a model by Anthropic's messages, whose answer is the forced call of one tool.

https://docs.anthropic.com/en/api/messages and https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from guard.constitution import Request
from guard.detectors.judges.model import Answered, Model, messages_of


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    name: str = ""
    input: dict[str, Any] = {}


class _Answer(msgspec.Struct):
    content: list[_Block]
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Messages:
    """A model that is asked by messages.

    Attributes:
        structured: `json_schema` for the call of a tool, `none` for words.
    """

    model: Model
    structured: str = "json_schema"

    async def ask(self, request: Request) -> Answered:
        """Return the answer to a request."""
        system, *others = request.messages
        body: dict[str, Any] = {
            "model": self.model.name,
            "max_tokens": self.model.limit,
            "temperature": 0,
            "system": system.content,
            "messages": messages_of(others),
        }
        forced = self.structured != "none"
        if forced:
            tool = {"name": request.name, "description": f"Give your {request.name}.", "input_schema": request.schema}
            body |= {"tools": [tool], "tool_choice": {"type": "tool", "name": request.name}}
        answer = await self.model.post("/messages", body, _Answer)
        if answer.stop_reason == "refusal":
            self.model.refuse("the model declined to judge this text")
        if answer.stop_reason == "max_tokens":
            self.model.refuse(f"the answer was cut off after `max_tokens` ({self.model.limit})")
        return self._called(answer, request.name) if forced else self._said(answer)

    def _called(self, answer: _Answer, tool: str) -> Answered:
        calls = [block for block in answer.content if block.type == "tool_use"]
        if len(calls) != 1 or calls[0].name != tool:
            self.model.refuse(f"expected one call of the tool `{tool}`, got {len(calls)} calls")
        return Answered(calls[0].input)

    def _said(self, answer: _Answer) -> Answered:
        texts = [block.text for block in answer.content if block.type == "text"]
        if len(texts) != 1 or not texts[0]:
            self.model.refuse(f"expected one text, got {len(texts)}")
        return Answered(texts[0])
