"""The messages and the answers of an exchange, from the texts that were kept of it, as chat templates take them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from guard.ports import KeptText, KeptTexts

Message = dict[str, str]
"""`role` (system, user or assistant) and `content`."""

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_PROMPTS = ("", "prompt", "input", "inputs", "instructions", "system", "contents")
_NOT_SAID = frozenset(("reasoning", "reasoning_content", "reasoning_text", "thinking", "refusal", "tool_calls", "logprobs"))
_HALF = re.compile("[\ud800-\udfff]")


class Unfit(Exception):
    """Texts that no training record can be made of; the message is the reason, as the data card names it."""


def prompt_of(kept: KeptTexts | None) -> list[Message]:
    """Return what the generator was asked, ending with words of the user.

    Raises:
        Unfit: Where that is not known in full, or is not a plain conversation.
    """
    texts = [text for text in _known(kept) if text.role != "tool_schema" and _is_prompt(text)]
    if any(text.role not in _ROLES for text in texts):
        raise Unfit("tools")
    if len({text.pointer for text in texts if text.turn < 0 and text.role == "user"}) > 1:
        raise Unfit("several-prompts")
    messages = merged(
        {"role": _ROLES[role], "content": whole("".join(text.text for text in parts))}
        for (_, role), parts in groupby(sorted(texts, key=_order), lambda text: (text.turn, text.role))
    )
    if not messages or messages[-1]["role"] != "user":
        raise Unfit("no-prompt")
    return messages


def answers_of(kept: KeptTexts | None) -> dict[int, str]:
    """Return the answers by the index of their choice; a choice that called a tool, or said nothing, is not among them.

    Raises:
        Unfit: Where they are not known in full.
    """
    found: dict[int, list[str]] = {}
    calling: set[int] = set()
    for text in _known(kept):
        choice = text.choice or 0
        if text.role != "assistant":
            calling.add(choice)
        elif _NOT_SAID.isdisjoint(text.pointer.split("/")):
            found.setdefault(choice, []).append(text.text)
    answers = {choice: whole("".join(parts)) for choice, parts in sorted(found.items()) if choice not in calling}
    return {choice: answer for choice, answer in answers.items() if answer.strip()}


def merged(messages: Iterable[Message]) -> list[Message]:
    """Return the messages without empty ones, and with neighbours of one role as one: many templates want roles to alternate."""
    said = (message for message in messages if message["content"].strip())
    return [
        {"role": role, "content": "\n\n".join(message["content"] for message in same)}
        for role, same in groupby(said, lambda message: message["role"])
    ]


def whole(text: str) -> str:
    """Return the text as UTF-8 can write it: halves of surrogate pairs become U+FFFD."""
    return _HALF.sub("\ufffd", text)


def _known(kept: KeptTexts | None) -> Sequence[KeptText]:
    if kept is None or kept.form == "none":
        raise Unfit("not-kept")
    if kept.form == "withheld":
        raise Unfit("withheld")
    if kept.truncated:
        raise Unfit("truncated")
    return kept.texts


def _is_prompt(text: KeptText) -> bool:
    return text.turn >= 0 or text.pointer.lstrip("/").split("/")[0] in _PROMPTS


def _order(text: KeptText) -> int:
    """Put first what a system is told beside the messages; the rest is in order already."""
    return 0 if text.turn < 0 and text.role in ("system", "developer") else 1
