"""Read the records of a step from JSON lines: exactly what its method trains on, always as messages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alignment.data.rows import DataError, keys_of

Row = Mapping[str, Any]
COLUMNS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "sft": (("messages",), ("prompt", "completion")),
    "pairs": (("prompt", "chosen", "rejected"),),
    "unpaired": (("prompt", "completion", "label"),),
    "prompts": (("prompt",),),
}
"""The columns that a row of each kind has, in the words of `align data --kind`."""

_JUDGED = ("label", "score")
"""Columns that say that a completion may be a bad one, and is not to be learned as it is."""
_ANSWERS = ("completion", "chosen", "rejected")


def read(file: Path, kind: str) -> Iterator[Row]:
    """Yield the rows of a file, each with the columns of its kind; of pairs also their margin.

    Raises:
        DataError: Where one of them is another, with the file and the line.
    """
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _row(line, kind, f"{file}:{number}")
    except UnicodeDecodeError:
        raise DataError(f"{file}: expected UTF-8, got other bytes (make it by `align data --kind {kind}`)") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error


def _row(line: str, kind: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError(f"{where}: expected a JSON object on each line, got something else") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected a JSON object, got something else")
    columns = next((wanted for wanted in COLUMNS[kind] if all(row.get(name) is not None for name in wanted)), None)
    judged = [name for name in _JUDGED if name in row] if kind == "sft" else []
    if columns is None or judged:
        wanted = " or ".join(", ".join(names) for names in COLUMNS[kind])
        alone = f" without {' and '.join(judged)}" if judged else ""
        got = keys_of(row) or "nothing"
        raise DataError(f"{where}: expected {wanted}{alone}, got {got} (make it by `align data --kind {kind}`)")
    return {name: _value(row[name], name, where) for name in (*columns, *_margin(row, kind))}


def _margin(row: Row, kind: str) -> tuple[str, ...]:
    return ("margin",) if kind == "pairs" and row.get("margin") is not None else ()


def _value(value: Any, name: str, where: str) -> Any:  # noqa: ANN401 - JSON values
    if name == "label":
        if not isinstance(value, bool):
            raise DataError(f"{where}: label: expected true or false, got {type(value).__name__}")
        return value
    if name == "margin":
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(f"{where}: margin: expected a number, got {type(value).__name__}")
        return float(value)
    messages = _messages(value, name, where)
    if name in (*_ANSWERS, "messages") and messages[-1]["role"] != "assistant":
        raise DataError(
            f"{where}: {name}: expected it to end with words of the assistant, got the role {messages[-1]['role']!r:.40}"
        )
    if name == "messages" and len(messages) < 2:
        raise DataError(f"{where}: messages: expected a question and an answer, got one message")
    return messages


def _messages(value: Any, name: str, where: str) -> list[dict[str, str]]:  # noqa: ANN401
    """Return a text or messages as messages of role and content alone, so that the chat template is always applied."""
    if isinstance(value, str):
        value = [{"role": "assistant" if name in _ANSWERS else "user", "content": value}]
    if not isinstance(value, list) or not value:
        raise DataError(f"{where}: {name}: expected messages, got {'an empty list' if value == [] else type(value).__name__}")
    for message in value:
        said = message if isinstance(message, dict) else {}
        if not isinstance(said.get("role"), str) or not isinstance(said.get("content"), str):
            raise DataError(f"{where}: {name}: expected messages with a role and a content that are texts, got something else")
    return [{"role": message["role"], "content": message["content"]} for message in value]
