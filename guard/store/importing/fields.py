"""Values of a record, checked: what is not what was expected is a BadRecord, which repeats nothing of anybody's words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from guard.store.exporting.conversations import Message, merged
from guard.store.importing.drafts import BadRecord

Record = Mapping[str, Any]
_SPEAKERS = {
    **{"user": "user", "human": "user", "prompter": "user"},
    **{"assistant": "assistant", "gpt": "assistant", "bot": "assistant", "model": "assistant"},
    **{"system": "system", "developer": "system"},
}


def words(record: Record, *names: str, required: bool = False) -> str | None:
    """Return the first of these fields that is there, a text."""
    for name in names:
        found = record.get(name)
        if found is None:
            continue
        if not isinstance(found, str):
            raise BadRecord(f"`{name}`: expected a text, got {kind(found)}")
        return found
    if required:
        raise BadRecord(f"expected `{names[0]}`, got a record without it")
    return None


def name_of(record: Record, *names: str) -> str:
    """Return the first of these fields that is there, a short name or a number, as a text; empty where there is none."""
    for name in names:
        found = record.get(name)
        if found is None:
            continue
        if isinstance(found, bool) or not isinstance(found, str | int) or len(str(found)) > 256:
            raise BadRecord(f"`{name}`: expected a name of at most 256 characters, got {kind(found)}")
        return str(found)
    return ""


def number(record: Record, *names: str, lowest: float = -1e9, highest: float = 1e9) -> float | None:
    """Return the first of these fields that is there, a number, which tables may write as a text."""
    for name in names:
        found = record.get(name)
        if found is None:
            continue
        try:
            value = float(found) if isinstance(found, str | int | float) and not isinstance(found, bool) else math.nan
        except ValueError:
            value = math.nan
        if not lowest <= value <= highest:
            raise BadRecord(f"`{name}`: expected a number from {lowest:g} to {highest:g}, got {kind(found)}")
        return value
    return None


def index(record: Record, name: str) -> int | None:
    """Return the index of a choice."""
    found = number(record, name, lowest=0, highest=1_000)
    if found is not None and found != int(found):
        raise BadRecord(f"`{name}`: expected a whole number, got a fraction")
    return None if found is None else int(found)


def truth(value: object, name: str) -> bool:
    """Return whether a label says yes, in the ways in which files write it."""
    known = {
        "true": True,
        "1": True,
        "1.0": True,
        "yes": True,
        "false": False,
        "0": False,
        "0.0": False,
        "no": False,
        "-1": False,
    }
    found = known.get(str(value).strip().casefold()) if isinstance(value, str | int | float) else None
    if found is None:
        raise BadRecord(f"`{name}`: expected true or false (or 1 or 0), got {kind(value)}")
    return found


def messages(value: object, name: str) -> list[Message]:
    """Return messages: of a list of `role` and `content` (or `from` and `value`), which a table has as JSON, or of one text."""
    found = parsed(value)
    if isinstance(found, str):
        return merged([{"role": "user", "content": found}])
    if not isinstance(found, Sequence):
        raise BadRecord(f"`{name}`: expected a text or a list of messages, got {kind(value)}")
    return merged(_message(each, f"{name}[{at}]") for at, each in enumerate(found))


def parsed(value: object) -> object:
    """Return what a cell of a table holds: a list or an object, where it is one as JSON."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return value
    return value


def conversation(value: object, name: str) -> tuple[tuple[Message, ...], str]:
    """Return the messages before the last one, and the last one, which has to be the assistant's."""
    found = messages(value, name)
    if len(found) < 2 or found[-1]["role"] != "assistant":
        raise BadRecord(f"`{name}`: expected a conversation that ends with an answer of the assistant, got another")
    return asked(found[:-1], name), found[-1]["content"]


def asked(prompt: Sequence[Message], name: str) -> tuple[Message, ...]:
    """Return a prompt, which has to end with words of the user."""
    if not prompt or prompt[-1]["role"] != "user":
        raise BadRecord(f"`{name}`: expected messages that end with words of the user, got others")
    return tuple(prompt)


def answer(value: object, name: str) -> str:
    """Return an answer: a text, or messages of the assistant alone."""
    found = parsed(value)
    if isinstance(found, list):
        said = messages(found, name)
        if len(said) != 1 or said[0]["role"] != "assistant":
            raise BadRecord(f"`{name}`: expected one message of the assistant, got others")
        return said[0]["content"]
    if not isinstance(value, str) or not value.strip():
        raise BadRecord(f"`{name}`: expected an answer, got {kind(value)}")
    return value


def kind(value: object) -> str:
    """Return what a value is, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"a text of {len(value):,} characters" if value.strip() else "an empty text"
    if isinstance(value, bool):
        return "true or false"
    names = {"int": "another number", "float": "another number", "dict": "an object", "list": "a list"}
    return names.get(type(value).__name__, "something else")


def _message(value: object, where: str) -> Message:
    if not isinstance(value, Mapping):
        raise BadRecord(f"`{where}`: expected a message with `role` and `content`, got {kind(value)}")
    role, content = value.get("role", value.get("from")), value.get("content", value.get("value"))
    if isinstance(content, list):
        parts = [each.get("text") if isinstance(each, Mapping) else None for each in content]
        content = "".join(map(str, parts)) if all(isinstance(each, str) for each in parts) else content
    if not isinstance(role, str) or role.casefold() not in _SPEAKERS:
        raise BadRecord(f"`{where}.role`: expected user, assistant or system, got {kind(role)}")
    if not isinstance(content, str):
        raise BadRecord(f"`{where}.content`: expected a text, got {kind(content)}")
    return {"role": _SPEAKERS[role.casefold()], "content": content}
