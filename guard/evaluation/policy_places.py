"""Where everything stands in the text of a policy: what an edit needs that leaves every other character as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML


@dataclass(slots=True, eq=False)
class Place:
    """A value of a document, or a key, and the characters that it takes.

    Attributes:
        end: One past its last character; past the blank lines and comments that follow, where `exact` is false.
        exact: Whether it ends where its own text does: all but collections and texts in block style.
        column: Of its first character, from 0.
        word: A scalar's text; empty for others.
        anchor: The name that it is given by `&name`.
        alias: For `*name`: that name.
        quoted: Whether a scalar stands in quotes.
        members: For a mapping: keys and values.
        items: For a list.
    """

    start: int
    end: int
    column: int
    kind: str
    exact: bool = True
    word: str = ""
    anchor: str = ""
    alias: str = ""
    quoted: bool = False
    members: list[tuple[Place, Place]] = field(default_factory=list)
    items: list[Place] = field(default_factory=list)

    def get(self, key: str) -> Place | None:
        """Return the value under a mapping's key; None where there is none."""
        return next((value for name, value in self.members if name.word == key), None)


def places(text: str) -> Place:
    """Return the root of a document that has been read as a policy before, so that it is known to be sound YAML."""
    open_ones: list[Place] = []
    keys: list[Place | None] = []
    root: Place | None = None
    for event in YAML(typ="safe", pure=True).parse(text):
        kind = type(event).__name__.removesuffix("Event")
        if kind in ("MappingEnd", "SequenceEnd"):
            done = open_ones.pop()
            keys.pop()
            done.end = event.end_mark.index
        elif kind in ("Scalar", "Alias", "MappingStart", "SequenceStart"):
            place = _place(event, kind)
            if root is None:
                root = place
            else:
                _put(open_ones[-1], keys, place)
            if kind.endswith("Start"):
                open_ones.append(place)
                keys.append(None)
    assert root is not None  # noqa: S101 - an empty document is no policy
    return root


def walk(root: Place) -> Iterator[Place]:
    """Yield every place below `root`, in the order of the text."""
    pending = [root]
    while pending:
        place = pending.pop()
        yield place
        below = [each for pair in place.members for each in pair] + place.items
        pending.extend(reversed(below))


def _place(event: Any, kind: str) -> Place:  # noqa: ANN401 - ruamel's event classes are untyped
    collection = kind.endswith("Start")
    style = getattr(event, "style", None)
    named = str(event.anchor or "")
    return Place(
        event.start_mark.index,
        event.end_mark.index,
        event.start_mark.column,
        kind.removesuffix("Start").lower(),
        exact=bool(event.flow_style) if collection else style not in ("|", ">"),
        word=str(event.value) if kind == "Scalar" else "",
        anchor="" if kind == "Alias" else named,
        alias=named if kind == "Alias" else "",
        quoted=style in ("'", '"'),
    )


def _put(parent: Place, keys: list[Place | None], place: Place) -> None:
    if parent.kind == "sequence":
        parent.items.append(place)
    elif (key := keys[-1]) is None:
        keys[-1] = place
    else:
        parent.members.append((key, place))
        keys[-1] = None
