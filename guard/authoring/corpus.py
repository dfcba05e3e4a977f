"""Texts on which policies are compared: rows of a file, or exchanges that were recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guard.errors import TenetError
from guard.formats.base import Piece, Text
from guard.policy.shapes import excerpt
from guard.values import Action, Role, Stage

_MOST_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Shown:
    """One message that a policy decides on.

    Attributes:
        id: Of the row or the exchange.
        recorded: What was decided when it happened; None where that is not known.
        wanted: What people say should have happened; None where nobody did.
        prompt: For an output: what was asked.
    """

    id: str
    stage: Stage
    texts: tuple[Text, ...]
    recorded: Action | None = None
    wanted: Action | None = None
    prompt: tuple[Text, ...] = ()

    @property
    def excerpt(self) -> str:
        """The beginning of what it says, on one line."""
        return excerpt(" ".join(text.joined for text in self.texts), _MOST_SHOWN)


def read_corpus(file: Path) -> Iterator[Shown]:
    """Yield the rows of a file of JSON lines: `input` or `output` (with `prompt`) or `text`, or `messages`.

    `id`, `action` (what was decided) and `should` (what should have been), are optional.

    Raises:
        TenetError: Where a row is none: file, line, expected, got.
    """
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _row(line, f"{file}:{number}")
    except (OSError, UnicodeDecodeError) as error:
        raise TenetError(f"{file}: cannot be read: {error}") from error


def _row(line: str, where: str) -> Shown:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise TenetError(f"{where}: expected an object of JSON on each line, got {error}") from None
    if not isinstance(row, dict):
        raise TenetError(f"{where}: expected an object of JSON on each line, got something else")
    given = [key for key in ("input", "output", "text", "messages") if row.get(key)]
    if len(given) != 1:
        raise TenetError(f"{where}: expected one of `input`, `output`, `text` and `messages`, got {', '.join(given) or 'none'}")
    stage = Stage.OUTPUT if given[0] == "output" else Stage.INPUT
    prompt = _texts(row["prompt"], Stage.INPUT, where) if stage is Stage.OUTPUT and row.get("prompt") else ()
    name = str(row.get("id", where))
    return Shown(
        name, stage, _texts(row[given[0]], stage, where), _action(row, "action", where), _action(row, "should", where), prompt
    )


def _texts(said: Any, stage: Stage, where: str) -> tuple[Text, ...]:  # noqa: ANN401
    if isinstance(said, str):
        return (Text((Piece("", said),), Role.ASSISTANT if stage is Stage.OUTPUT else Role.USER),)
    if not isinstance(said, list) or not all(isinstance(each, dict) and isinstance(each.get("content"), str) for each in said):
        raise TenetError(f"{where}: expected a text, or messages of `role` and `content`, got something else")
    return tuple(Text((Piece(f"/{turn}", each["content"]),), _role(each, where), turn=turn) for turn, each in enumerate(said))


def _role(message: Mapping[str, Any], where: str) -> Role:
    word = message.get("role", "user")
    try:
        return Role.TOOL_RESULT if word == "tool" else Role(word)
    except ValueError:
        raise TenetError(f"{where}: expected a role such as user, assistant or tool, got {str(word)[:40]!r}") from None


def _action(row: Mapping[str, Any], key: str, where: str) -> Action | None:
    word = row.get(key)
    if word is None:
        return None
    if not isinstance(word, str) or word.upper() not in Action.__members__:
        raise TenetError(f"{where}: {key}: expected {', '.join(each.word for each in Action)}, got {str(word)[:40]!r}")
    return Action[word.upper()]
