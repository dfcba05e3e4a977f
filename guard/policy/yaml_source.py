"""Read YAML safely, and remember where everything stood.

The events of the parser are turned into `Node`s by hand: no object is ever constructed from a tag, every scalar is resolved
by the core schema of YAML 1.2 (so that `on`, `yes` and `no` are texts), and depth and size are bounded while reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from guard.errors import PolicyError, Problem
from guard.policy.node import Invalid, Node, Scalar, Value, quoted

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 20_000
"""Values after every alias is written out: what stops an alias bomb."""


Look = Callable[[Path, str, bytes], None]
"""Is shown a file before it is read: its path, how messages name it, its bytes. Raises PolicyError where it is not to be read."""
_look: ContextVar[Look | None] = ContextVar("look", default=None)


@contextmanager
def shown_to(look: Look) -> Iterator[None]:
    """Show `look` every file that is read within, the very bytes that are then parsed."""
    before = _look.set(look)
    try:
        yield
    finally:
        _look.reset(before)


def read_file(path: Path, where: str) -> Node:
    """Return the document in a file.

    Args:
        path: The file to read.
        where: How messages name it.

    Raises:
        PolicyError: Where it cannot be read, is too long, is not UTF-8, is not the YAML that Tenet takes, or as `shown_to` says.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError([Problem(where, 0, 0, "", "a readable file", (error.strerror or str(error)).lower())]) from None
    if (look := _look.get()) is not None:
        look(path, where, data)
    return read_bytes(data, where)


def read_bytes(data: bytes, where: str) -> Node:
    """Return the document in the bytes of a file.

    Raises:
        PolicyError: As `read_file`.
    """
    if len(data) > MAX_BYTES:
        raise PolicyError([_too_long(where)])
    try:
        return read(data.decode("utf-8-sig"), where)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        got = f"the byte 0x{data[error.start]:02x}"
        raise PolicyError([Problem(where, line, column, "", "text in UTF-8", got, "save the file as UTF-8")]) from None


def read(text: str, where: str) -> Node:
    """Return the document in `text`; every duplicate key, tag and merge key is reported, not only the first.

    Raises:
        PolicyError: See `read_file`.
    """
    if len(text) > MAX_BYTES:
        raise PolicyError([_too_long(where)])
    builder = _Builder(where, text)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        builder.problems.append(_syntax_problem(error, where))
    except YAMLError as error:
        builder.problems.append(_unreadable(error, text, where))
    except _TooMuch:
        pass
    if not builder.problems and builder.root is None:
        builder.problems.append(Problem(where, 0, 0, "", "a mapping of keys to values", "an empty file"))
    if builder.problems or builder.root is None:
        raise PolicyError(builder.problems)
    return builder.root


class _TooMuch(Exception):
    """Reading stops here; the problem has been noted."""


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been read yet."""

    line: int
    column: int
    path: str
    anchor: str | None
    mapping: bool
    items: list[Node] = field(default_factory=list)
    members: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Node] = field(default_factory=dict)
    key: Node | None = None
    size: int = 1


class _Builder:
    """Turns parser events into nodes, without recursion, so that no nesting can exhaust the stack."""

    def __init__(self, where: str, text: str) -> None:
        self.where = where
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self._lines = text.split("\n")
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._read = 0

    def take(self, event: Any) -> None:  # noqa: ANN401
        """Take the parser's next event (ruamel's event classes are untyped)."""
        handler = getattr(self, f"_on_{type(event).__name__}", None)
        if handler is not None:
            handler(event)

    def _on_DocumentStartEvent(self, event: Any) -> None:  # noqa: ANN401
        self._documents += 1
        if event.version or event.tags:
            self._report(event, "", "no YAML directive", "%YAML or %TAG", "leave the line out")
        if self._documents > 1:
            self._report(event, "", "one document", "a second one after `---`")
            raise _TooMuch

    def _on_ScalarEvent(self, event: Any) -> None:  # noqa: ANN401
        self._check_tag(event)
        plain = event.implicit[0] and not event.style
        value = _resolved(event.value) if plain else str(event.value)
        if self._is_key():
            self._take_key(event, str(event.value), plain)
            return
        node = Node(value, self.where, *_place(event), self._path(), text_at=self._text_at(event))
        self._remember(event.anchor, node)
        self._add(node)

    def _on_AliasEvent(self, event: Any) -> None:  # noqa: ANN401
        node = self._anchors.get(event.anchor)
        if node is None:
            self._report(event, self._path(), "an anchor defined before", quoted(f"*{event.anchor}"))
            node = Node(Invalid.INVALID, self.where, *_place(event), self._path())
        if self._is_key():
            self._refuse_key(event)
            return
        self._add(node)

    def _on_SequenceStartEvent(self, event: Any) -> None:  # noqa: ANN401
        self._start(event, mapping=False)

    def _on_MappingStartEvent(self, event: Any) -> None:  # noqa: ANN401
        self._start(event, mapping=True)

    def _on_SequenceEndEvent(self, _event: Any) -> None:  # noqa: ANN401
        self._end()

    def _on_MappingEndEvent(self, _event: Any) -> None:  # noqa: ANN401
        self._end()

    def _start(self, event: Any, *, mapping: bool) -> None:  # noqa: ANN401
        self._check_tag(event)
        if self._is_key():
            self._refuse_key(event)
            raise _TooMuch
        if len(self._open) >= MAX_DEPTH:
            self._report(event, self._path(), f"at most {MAX_DEPTH} levels of nesting", "more")
            raise _TooMuch
        self._open.append(_Open(*_place(event), self._path(), event.anchor, mapping))

    def _end(self) -> None:
        done = self._open.pop()
        value: Value = done.members if done.mapping else done.items
        node = Node(value, self.where, done.line, done.column, done.path, done.keys, size=done.size)
        self._remember(done.anchor, node)
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.size += node.size
        self._read += 1
        if parent.size > MAX_NODES or self._read > MAX_NODES:
            self.problems.append(node.problem(f"at most {MAX_NODES:,} values, aliases written out", "more"))
            raise _TooMuch
        if not parent.mapping:
            parent.items.append(node)
        elif parent.key is not None:
            if parent.key.value not in parent.members:
                parent.members[str(parent.key.value)] = node
                parent.keys[str(parent.key.value)] = parent.key
            parent.key = None

    def _is_key(self) -> bool:
        return bool(self._open) and self._open[-1].mapping and self._open[-1].key is None

    def _take_key(self, event: Any, key: str, plain: bool) -> None:  # noqa: ANN401
        parent = self._open[-1]
        parent.key = Node(key, self.where, *_place(event), f"{parent.path}.{key}" if parent.path else key)
        if plain and key == "<<":
            self.problems.append(parent.key.problem("no merge key", hint="write the keys out, or use `extends`"))
        elif key in parent.members:
            first = parent.keys[key].line
            self.problems.append(parent.key.problem("each key once", f"{quoted(key)} again", f"first on line {first}"))

    def _refuse_key(self, event: Any) -> None:  # noqa: ANN401
        self._report(event, self._open[-1].path, "a word as key", "a list, a mapping or an alias as key")
        self._open[-1].key = Node(Invalid.INVALID, self.where, *_place(event))

    def _path(self) -> str:
        if not self._open:
            return ""
        parent = self._open[-1]
        if not parent.mapping:
            return f"{parent.path}[{len(parent.items)}]"
        return parent.key.path if parent.key else parent.path

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _check_tag(self, event: Any) -> None:  # noqa: ANN401
        if event.tag is not None:
            self._report(event, self._path(), "no tag", quoted(str(event.tag)), "leave the tag out")

    def _report(self, event: Any, path: str, expected: str, got: str, hint: str = "") -> None:  # noqa: ANN401
        self.problems.append(Problem(self.where, *_place(event), path, expected, got, hint))

    def _text_at(self, event: Any) -> tuple[int, int] | None:  # noqa: ANN401
        line, column = _place(event)
        if event.style == "|":
            rows = (row for row in range(line, len(self._lines)) if self._lines[row].strip())
            first = next(rows, line)
            indent = len(self._lines[first]) - len(self._lines[first].lstrip(" ")) if first < len(self._lines) else 0
            return line + 1, indent + 1
        one_line = event.start_mark.line == event.end_mark.line
        return (line, column + (1 if event.style else 0)) if one_line else None


def _place(event: Any) -> tuple[int, int]:  # noqa: ANN401
    return event.start_mark.line + 1, event.start_mark.column + 1


_INTEGER = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,2})?")
_WORDS: Mapping[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def _resolved(text: str) -> Scalar:
    """Return a plain scalar's value by the core schema of YAML 1.2.2, section 10.3.2 (`.inf` and `.nan` stay texts)."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 10 if text.lstrip("+-").isdigit() else 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def _too_long(where: str) -> Problem:
    return Problem(where, 0, 0, "", f"at most {MAX_BYTES:,} bytes", "more")


def _syntax_problem(error: MarkedYAMLError, where: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    context = _one_line(error.context) if error.context else ""
    said = _one_line(error.problem or "something else")
    contrast = re.fullmatch(r"expected (.+), but found (.+)", said)
    expected, got = contrast.groups() if contrast else ("valid YAML", said.removeprefix("found "))
    return Problem(where, line, column, "", expected, got, context)


def _unreadable(error: YAMLError, text: str, where: str) -> Problem:
    position = getattr(error, "position", None)
    if not isinstance(position, int):
        return Problem(where, 0, 0, "", "valid YAML", _one_line(str(error)))
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    got = f"the control character U+{ord(text[position]):04X}" if position < len(text) else "a control character"
    return Problem(where, line, column, "", "printable text", got)


def _one_line(text: Iterable[str]) -> str:
    return " ".join("".join(text).split())
