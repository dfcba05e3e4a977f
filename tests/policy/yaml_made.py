"""Documents as people write them: any indentation, quotes, braces, comments and blank lines, over the keys of a policy."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SCALARS = [
    "x",
    "3",
    "0.50",
    "true",
    "~",
    "",
    '"a # b"',
    "'it''s'",
    "a#b",
    '"tab\\t"',
    "two words",
    "http://x/y",
    '"über: {x}"',
    "-1",
    '"on"',
]
KEYS = [
    "id",
    "rules",
    "detectors",
    "use",
    "threshold",
    "zebra",
    '"quoted key"',
    "action",
    "defaults",
    "version",
    "name",
    "override",
]
LONG = [f"word-{number}" for number in range(40)]


class Writer:
    """Draws a document line by line; counts its comments so that each is told from the others."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.comments = 0

    def comment(self) -> str:
        self.comments += 1
        return f"# c{self.comments}" + self.draw(st.sampled_from(["", "  trailing ", ": [x", " # more", " 'q"]))

    def maybe(self, chance: int = 4) -> bool:
        return self.draw(st.integers(0, chance)) == 0

    def note(self) -> str:
        return " " * self.draw(st.integers(1, 3)) + self.comment() if self.maybe() else ""

    def between(self) -> list[str]:
        lines = []
        for _ in range(self.draw(st.integers(0, 2)) if self.maybe(3) else 0):
            lines.append("" if self.maybe(1) else " " * self.draw(st.integers(0, 8)) + self.comment())
        return lines

    def flow(self, depth: int) -> str:
        if depth == 0 or self.maybe(2):
            return self.draw(st.sampled_from([scalar for scalar in SCALARS if scalar]))
        broken = self.maybe(5)
        end = f"{self.note()}\n{' ' * 12}" if broken else self.draw(st.sampled_from(["", " "]))
        if self.maybe(1):
            words = LONG if self.maybe(6) else []
            inner = [*words, *(self.flow(depth - 1) for _ in range(self.draw(st.integers(0, 3))))]
            return f"[{end}{f',{end or chr(32)}'.join(inner)}{end}]"
        keys = self.draw(st.lists(st.sampled_from(KEYS), max_size=3, unique=True))
        return f"{{{end}{f',{end or chr(32)}'.join(f'{key}: {self.flow(depth - 1)}' for key in keys)}{end}}}"

    def text(self, indent: int) -> list[str]:
        """A text in block style: the header's rest, and its lines."""
        style = self.draw(st.sampled_from(["|", ">", "|-", ">-", "|+", ">+", "|2", ">2-"]))
        inside = indent + 2 if "2" in style else indent + self.draw(st.integers(1, 5))
        lines = [f"{style}{self.note()}"]
        for index in range(self.draw(st.integers(0, 3))):
            extra = self.draw(st.integers(0, 2)) if index or "2" in style else 0
            lines.append(
                ""
                if self.maybe(5)
                else " " * (inside + extra) + self.draw(st.sampled_from(["text", "# no comment", "- x: y", "  "])) + "."
            )
        return lines

    def value(self, indent: int, depth: int, *, item: bool) -> list[str]:
        """What follows a key or a dash at this indentation: the rest of its line, and further lines."""
        kind = self.draw(st.integers(0, 6))
        if depth == 0 or kind == 0:
            return [" " + self.draw(st.sampled_from(SCALARS)) + self.note()]
        if kind == 1:
            return [" " + self.flow(2) + self.note()]
        if kind == 2:
            first, *rest = self.text(indent)
            return [f" {first}", *rest]
        if kind == 3:
            quote = self.draw(st.sampled_from(['"', "'", ""]))
            return [f" {quote}first line", *([""] if self.maybe() else []), f"{' ' * (indent + 3)}second, {quote}{self.note()}"]
        inside = indent + self.draw(st.integers(1, 4))
        below = (
            self.mapping(inside, depth - 1) if kind < 6 else self.sequence(inside if item or self.maybe(1) else indent, depth - 1)
        )
        return [self.note(), *self.between(), *below]

    def mapping(self, indent: int, depth: int) -> list[str]:
        lines = []
        for key in self.draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True)):
            first, *rest = self.value(indent, depth, item=False)
            lines += [f"{' ' * indent}{key}:{first}", *rest, *self.between()]
        return lines

    def sequence(self, indent: int, depth: int) -> list[str]:
        lines = []
        for _ in range(self.draw(st.integers(1, 3))):
            if depth and self.maybe(1):
                first, *rest = self.mapping(indent + 2, depth - 1)
                lines += [f"{' ' * indent}- {first.lstrip()}", *rest, *self.between()]
            else:
                first, *rest = self.value(indent, depth, item=True)
                lines += [f"{' ' * indent}-{first}", *rest, *self.between()]
        return lines


@st.composite
def documents(draw: Any) -> tuple[str, int]:
    """A document, and how many comments it has."""
    writer = Writer(draw)
    lines = [*writer.between(), *writer.mapping(0, 3)]
    return "\n".join(lines) + "\n", writer.comments
