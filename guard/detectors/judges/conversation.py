"""What was said before a text, and texts made safe for the templates of models that are trained to judge."""

from __future__ import annotations

import re
from typing import NamedTuple

from guard.constitution import readable
from guard.values import Item, Role, Stage

_LABELS = {
    Role.USER: "message",
    Role.ASSISTANT: "answer",
    Role.TOOL_CALL: "tool call",
    Role.TOOL_RESULT: "tool result",
    Role.TOOL_SCHEMA: "tool description",
    Role.SYSTEM: "instructions",
    Role.DEVELOPER: "instructions",
}
_ANSWERING = frozenset({Role.ASSISTANT, Role.TOOL_CALL})
_SPEAKING = frozenset({Role.USER, Role.ASSISTANT, Role.TOOL_CALL, Role.TOOL_RESULT})

# What the models' tokenizers or templates give a meaning: Llama 2 to 4, Gemma, Granite, harmony, and the words of their prompts.
_TOKENS = re.compile(
    r"<(?=[|｜])"
    r"|(?<=[|｜])>"
    r"|<(?=<?/?(?:SYS>|s>|bos>|eos>|pad>|unk>|mask>|unused\d+>|start_of_\w+>|end_of_\w+>|think>|no-think>|score>|guardian>|confidence>"
    r"|(?:BEGIN|END) (?:CONVERSATION|UNSAFE CONTENT CATEGORIES)>))"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])",
    re.IGNORECASE,
)
# A line that begins like a turn of a prompt, or as the rule in ShieldGemma's; whatever a reader may take for a line's end.
_LINES = re.compile(
    r"(?:\A|(?<=[\n\r\v\f\x85\u2028\u2029]))"
    r"(?=[ \t]*(?:(?:user|agent|assistant|human question|chatbot response|user message|assistant message|context)[ \t]*:|===+))",
    re.IGNORECASE,
)


class Turn(NamedTuple):
    """What one side said, without a break by the other."""

    role: str
    text: str


def label_of(item: Item, prefix: str = "") -> str:
    """Return the word for what an item is."""
    return prefix + _LABELS[item.role]


def answers(item: Item) -> bool:
    """Return whether an item is the model's own words, and not somebody's words to it."""
    return item.role in _ANSWERING


def before(item: Item, longest: int) -> list[tuple[Item, str]]:
    """Return the last texts of the prompt that an answer answers, at most `longest` characters together, oldest first."""
    kept: list[tuple[Item, str]] = []
    prompt = item.exchange.prompt if item.exchange and item.stage is Stage.OUTPUT else ()
    for other in reversed(prompt):
        if longest <= 0:
            break
        kept.append((other, other.text[-longest:]))
        longest -= len(other.text)
    return [(other, text) for other, text in reversed(kept) if text]


def turns(item: Item, text: str, longest: int, *, exchange: bool) -> tuple[Turn, ...]:
    """Return a conversation that alternates, begins with the user and ends with `text`, ready for a template.

    An answer whose prompt is not known follows an empty turn, since the models' templates want one.
    """
    known = before(item, longest) if exchange and answers(item) else []
    said = [Turn(_side(other), shown) for other, shown in known if other.role in _SPEAKING]
    merged: list[Turn] = []
    for turn in (*said, Turn(_side(item), text)):
        if merged and merged[-1].role == turn.role:
            turn = Turn(turn.role, f"{merged.pop().text}\n\n{turn.text}")
        merged.append(turn)
    if merged[0].role != "user":
        merged.insert(0, Turn("user", ""))
    return tuple(Turn(turn.role, plain(turn.text)) for turn in merged)


def plain(text: str) -> str:
    """Return a text in which nothing forges a turn: special tokens are broken, lines like turns are quoted."""
    broken = _TOKENS.sub(lambda found: f"{found[0]} " if found[0] != ">" else " >", readable(text))
    return _LINES.sub("> ", broken)


def _side(item: Item) -> str:
    return "assistant" if answers(item) else "user"
