"""OpenAI's chat completions: `POST /v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from guard.errors import BadMessage
from guard.formats import strict_json, walk
from guard.formats.base import Piece, Request, Text
from guard.formats.chat_messages import message_texts
from guard.formats.openai_envelope import OpenAIFormat
from guard.formats.openai_request import read_object, wanted
from guard.formats.openai_stream import Body
from guard.formats.shape import as_list, as_object, as_string, objects, wrong
from guard.formats.walk import Speaker
from guard.values import Role

_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.DEVELOPER,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL_RESULT,
    "function": Role.TOOL_RESULT,
}
_SCHEMAS = ("tools", "functions", "tool_choice", "function_call")
"""Fields of a request that describe tools."""
_READ = ("messages", *_SCHEMAS)
_MAY_BE_SILENT = ("assistant", "function")
_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}


class OpenAIChat(OpenAIFormat):
    """Reads and writes chat completions."""

    name: ClassVar[str] = "openai-chat"
    _object: ClassVar[str] = "chat.completion"
    _chunk: ClassVar[str] = "chat.completion.chunk"
    _prefix: ClassVar[str] = "chatcmpl-"
    _body: ClassVar[Body] = Body("delta", ("content", "refusal"))

    def read_request(self, body: bytes) -> Request:
        """See `Format.read_request`."""
        tree = read_object(body, self._depth)
        wish = wanted(tree)
        _refuse_streamed_sound(tree, stream=wish.stream)
        messages = objects(tree.get("messages"), "messages")
        if not messages:
            raise wrong("messages", "at least one message", messages)
        texts: list[Text] = []
        for turn, message in enumerate(messages):
            role = _check_message(message, f"messages[{turn}]")
            texts += message_texts(message, f"/messages/{turn}", Speaker(role, turn=turn))
        described: list[Piece] = []
        for field in _SCHEMAS:
            walk.strings(tree.get(field), field, f"/{field}", described)
        found: list[Piece] = []
        walk.entries(tree, "", found, _READ)
        texts += walk.as_texts(described, Speaker(Role.TOOL_SCHEMA)) + walk.as_texts(found, Speaker(Role.USER))
        return Request(walk.document(body, tree, texts), wish.model, wish.stream, wish.usage, wish.remembered)

    def question(self, request: Request, messages: Sequence[tuple[str, str]]) -> bytes:
        """See `Conversing.question`."""
        said = [{"role": role, "content": words} for role, words in messages]
        model = {"model": request.model} if request.model else {}
        return strict_json.encode({**model, "messages": said, "temperature": 0, "stream": False})

    def reply(self, body: bytes, request: Request) -> str:
        """See `Conversing.reply`."""
        choices = objects(read_object(body, self._depth).get("choices"), "choices")
        if len(choices) != 1:
            raise BadMessage(f"choices: expected one, got {len(choices)}", code="invalid_value")
        return as_string(as_object(choices[0].get("message"), "choices[0].message").get("content"), "choices[0].message.content")

    def instructed(self, body: bytes, text: str) -> bytes:
        """See `Conversing.instructed`."""
        tree = read_object(body, self._depth)
        return strict_json.encode({**tree, "messages": [{"role": "system", "content": text}, *tree["messages"]]})

    def _choice_texts(self, choice: dict[str, Any], pointer: str, speaker: Speaker) -> list[Text]:
        message = choice.get("message")
        texts = message_texts(message, f"{pointer}/message", speaker) if isinstance(message, dict) else []
        found: list[Piece] = []
        walk.entries(choice, pointer, found, ("logprobs", "message") if isinstance(message, dict) else ("logprobs",))
        return texts + walk.as_texts(found, speaker)

    def _spoken(self, choice: dict[str, Any]) -> dict[str, str]:
        message = choice.get("message")
        said = message if type(message) is dict else {}
        return {field: said[field] if type(said.get(field)) is str else "" for field in self._body.spelled}

    def _refused(self, message: str, mode: str) -> dict[str, Any]:
        content = message if mode == "message" else None
        return {"message": {"role": "assistant", "content": content, "refusal": message}}

    def _refusal_chunks(self, message: str, mode: str, *, opens: bool, started: bool) -> list[dict[str, Any]]:
        delta = {"role": "assistant"} if opens else {}
        if mode == "message" and not started:
            delta["content"] = message
        return [{"delta": {**delta, "refusal": message}}, {"delta": {}}]


def _check_message(message: dict[str, Any], where: str) -> Role:
    """Return the role of a request's message. Raises BadMessage where it has not the shape of one."""
    name = message.get("role")
    role = _ROLES.get(name) if type(name) is str else None
    if role is None:
        shown = f'"{name[:40]}"' if type(name) is str else None
        expected = f"one of {', '.join(_ROLES)}"
        raise (
            wrong(f"{where}.role", expected, name)
            if shown is None
            else BadMessage(f"{where}.role: expected {expected}, got {shown}", code="invalid_value")
        )
    content = message.get("content")
    if type(content) is list:
        for index, part in enumerate(content):
            _check_part(part, f"{where}.content[{index}]")
    elif type(content) is not str and not (content is None and name in _MAY_BE_SILENT):
        raise wrong(f"{where}.content", "a string or a list of parts", content)
    if message.get("tool_calls") is not None:
        objects(message["tool_calls"], f"{where}.tool_calls")
    if message.get("function_call") is not None:
        as_object(message["function_call"], f"{where}.function_call")
    return role


def _check_part(part: Any, where: str) -> None:  # noqa: ANN401
    kind = as_string(as_object(part, where).get("type"), f"{where}.type")
    if kind in _TEXT_PARTS:
        as_string(part.get(_TEXT_PARTS[kind]), f"{where}.{_TEXT_PARTS[kind]}")


def _refuse_streamed_sound(tree: dict[str, Any], *, stream: bool) -> None:
    modalities = tree.get("modalities")
    if stream and modalities is not None and "audio" in as_list(modalities, "modalities"):
        raise BadMessage(
            "modalities: sound cannot be judged while it streams; ask for it without `stream`", code="unsupported_modality"
        )
