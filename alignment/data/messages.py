"""Messages in the ways in which others write them: OpenAI's, Anthropic's, ShareGPT's, and the transcripts of HH-RLHF."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from alignment.data.rows import Malformed, named
from alignment.records import Message, Messages

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
}
_TOOLS = frozenset({"tool", "function", "ipython", "tool_result"})
_TOOL_PARTS = frozenset({"tool_use", "tool_result", "tool_call", "server_tool_use", "web_search_tool_result"})
_SILENT_PARTS = frozenset({"thinking", "redacted_thinking"})
_TURN = re.compile(r"\n\n(Human|Assistant): ?")


class Unfit(Exception):
    """A record that is well written, and still nothing to train on; the argument is one of `card.REASONS`."""

    @property
    def reason(self) -> str:
        """Why."""
        return str(self.args[0])


def messages_of(value: object, path: str, *, alone: str) -> Messages:
    """Return the messages that stand at a place of a row.

    Args:
        value: A list of messages, one message, or a text.
        path: Where it stands, for errors.
        alone: Whose words a bare text is.

    Raises:
        Malformed: Where it is none of that.
        Unfit: Where there are tools or media in it, which no trainer here reads.
    """
    if isinstance(value, str):
        return transcript(value) if _TURN.match(value) else (Message(alone, _said(value, path)),)
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, Sequence) or isinstance(value, bytes):
        raise Malformed(path, "a text or a list of messages", named(value))
    if not value:
        raise Malformed(path, "at least one message", "an empty list")
    return tuple(_message(each, f"{path}[{index}]") for index, each in enumerate(value))


def transcript(text: str) -> Messages:
    r"""Return the turns of a conversation that HH-RLHF writes as one text, each after `\n\nHuman: ` or `\n\nAssistant: `.

    Raises:
        Unfit: Where a turn has no words.
    """
    _, *pieces = _TURN.split(text)
    turns = [
        Message("user" if whose == "Human" else "assistant", said.strip())
        for whose, said in zip(pieces[::2], pieces[1::2], strict=True)
    ]
    if not turns or not all(turn.content for turn in turns):
        raise Unfit("no-words")
    return tuple(turns)


def ends_with_user(messages: Messages) -> Messages:
    """Return a prompt. Raises Unfit where it does not end with words of the user."""
    if not messages or messages[-1].role != "user":
        raise Unfit("no-prompt")
    return messages


def answer(messages: Messages) -> Messages:
    """Return an answer. Raises Unfit where it does not begin and end with words of the assistant."""
    if not messages or messages[0].role != "assistant" or messages[-1].role != "assistant":
        raise Unfit("no-answer")
    return messages


def divided(messages: Messages) -> tuple[Messages, Messages]:
    """Return what came before the last answer, and this. Raises Unfit where one of them is missing."""
    return ends_with_user(messages[:-1]), answer(messages[-1:])


def _message(value: object, path: str) -> Message:
    if not isinstance(value, Mapping):
        raise Malformed(path, "a message with `role` and `content`", named(value))
    role = value.get("role", value.get("from"))
    if role in _TOOLS or value.get("tool_calls") or value.get("function_call"):
        raise Unfit("tools")
    if not isinstance(role, str) or role not in _ROLES:
        expected = "one of system, developer, user, assistant"
        raise Malformed(f"{path}.role", expected, "another word" if isinstance(role, str) else named(role))
    key = "content" if "content" in value else "value" if "value" in value else "content"
    return Message(_ROLES[role], _content(value.get(key), f"{path}.{key}"))


def _content(value: object, path: str) -> str:
    if isinstance(value, list):
        said = [_part(part, f"{path}[{index}]") for index, part in enumerate(value)]
        return _said("\n".join(text for text in said if text), path)
    return _said(value, path)


def _part(part: object, path: str) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in _TOOL_PARTS:
        raise Unfit("tools")
    if kind in _SILENT_PARTS:
        return ""
    if not isinstance(part, Mapping) or not isinstance(kind, str):
        raise Malformed(path, "a part with a `type`", named(part))
    if kind not in ("text", "input_text", "output_text"):
        raise Unfit("media")
    text: Any = part.get("text")
    if not isinstance(text, str):
        raise Malformed(f"{path}.text", "a text", named(text))
    return text


def _said(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise Malformed(path, "a text", named(value))
    if not value.strip():
        raise Unfit("no-words")
    return value
