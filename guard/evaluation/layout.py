"""Where in a record its text, its labels and the rest stand, and what may stand there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from guard import categories
from guard.scanning.fields import Field, Missing
from guard.values import Role, Stage

ANY = "any"
"""A label for harm of whatever kind, where a data set says no more than that."""

LONGEST_SLICE = 64
"""Characters of a slice's value; what is longer is somebody's words."""


@dataclass(frozen=True)
class Layout:
    """The fields of a record.

    Attributes:
        text: What is judged.
        labels: An object of 0 or 1 by category; one that is missing or null is unknown.
        label: A single label of 0 or 1, for `category`.
        category: What `label` is about; empty where there are only `labels`.
        id: The record's own id, where it has one.
        slices: Fields whose values divide the records into parts.
        known: Categories that may be labelled beside Tenet's own; None where any name will do.
    """

    text: str = "text"
    labels: str = "labels"
    label: str = "label"
    category: str = ""
    id: str = "id"
    slices: tuple[str, ...] = ()
    known: Collection[str] | None = ()
    _fields: Mapping[str, Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = (self.text, self.labels, self.label, self.id, "prompt", "stage", "role", *self.slices)
        object.__setattr__(self, "_fields", {name: Field(name) for name in names})

    @property
    def columns(self) -> tuple[str, ...]:
        """The first keys of all fields: what has to be read of a table."""
        return tuple(dict.fromkeys(key for name, each in self._fields.items() for key in (name, each.steps[0])))

    def text_of(self, value: object) -> str:
        """Return a record's text. Raises Missing where there is none."""
        return self._fields[self.text].text(value)

    def prompt_of(self, value: object) -> str:
        """Return what its text answers; empty where it does not say."""
        found = self._optional("prompt", value)
        if not isinstance(found, str | None):
            raise Missing("expected a string at `prompt`, or nothing")
        return found or ""

    def id_of(self, value: object) -> str:
        """Return a record's own id as JSON; empty where it has none."""
        return "" if self._optional(self.id, value) is None else self._fields[self.id].id(value).decode()

    def stage_of(self, value: object) -> Stage | None:
        """Return which way its text travels, where it says so."""
        found = self._optional("stage", value)
        if found is not None and found not in list(Stage):
            raise Missing("expected input or output at `stage`, got something else")
        return Stage(found) if found else None

    def role_of(self, value: object) -> Role | None:
        """Return whose words its text is, where it says so."""
        found = self._optional("role", value)
        if found is not None and found not in list(Role):
            raise Missing(f"expected one of {', '.join(Role)} at `role`, got something else")
        return Role(found) if found else None

    def slices_of(self, value: object) -> tuple[str, ...]:
        """Return the parts that it belongs to, one for each field of `slices`; empty where it does not say."""
        return tuple(self._slice(name, value) for name in self.slices)

    def labels_of(self, value: object) -> dict[str, int]:
        """Return what is known about it: 1 or 0 by category.

        Raises:
            Missing: For what is no label, or a category that nobody knows.
        """
        found = self._optional(self.labels, value)
        if found is None and not self.category:
            raise Missing(self._no_labels(value))
        if not isinstance(found, Mapping | None):
            raise Missing(f"expected at `{self.labels}` an object with 1 or 0 by category, got something else")
        labels = {}
        for name, label in (found or {}).items():
            if label is not None:
                self.check_name(str(name), f"`{self.labels}`")
                labels[str(name)] = _label(label, f"{self.labels}.{shown(str(name))}")
        single = self._optional(self.label, value) if self.category else None
        if single is not None:
            number = _label(single, self.label)
            if labels.setdefault(self.category, number) != number:
                raise Missing(f"expected the same at `{self.label}` and `{self.labels}.{self.category}`, got 0 and 1")
        return labels

    def check_name(self, name: str, where: str) -> None:
        """Raise Missing where a label has a name that no category has."""
        if self.known is None or name == ANY or name in self.known or categories.is_known(name):
            return
        nearest = categories.nearest(name, self.known)
        meant = f"did you mean {nearest!r}? " if nearest else ""
        way_out = "a category of your own has to be one that the detector or the policy reports"
        raise Missing(f"expected the name of a category at {where}, got '{shown(name)}' ({meant}{way_out})")

    def _optional(self, name: str, value: object) -> Any:  # noqa: ANN401
        return self._fields[name].value(value)

    def _slice(self, name: str, value: object) -> str:
        found = self._optional(name, value)
        if found is None:
            return ""
        if isinstance(found, msgspec.Raw):
            found = bytes(found).decode()
        if not isinstance(found, str | int | float):
            raise Missing(f"expected a word or a number at `{name}` to slice by, got something else")
        if len(str(found)) > LONGEST_SLICE:
            raise Missing(f"expected at most {LONGEST_SLICE} characters at `{name}` to slice by, got {len(str(found)):,}")
        return "".join(letter if letter.isprintable() else " " for letter in str(found))

    def _no_labels(self, value: object) -> str:
        single = self._optional(self.label, value) is not None
        way_out = f"; what `{self.label}` is about is said by --category" if single else ""
        return f"expected at `{self.labels}` an object with 1 or 0 by category, got nothing{way_out}"


def shown(name: str) -> str:
    """Return a label's name as messages show it: one that is no name of a category may be anything."""
    return name if len(name) <= LONGEST_SLICE and all(letter.isalnum() or letter in "/_-." for letter in name) else "…"


def _label(value: object, where: str) -> int:
    if isinstance(value, msgspec.Raw):
        value = {b"0.0": 0, b"1.0": 1}.get(bytes(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in (0, 1):
        raise Missing(f"expected 0 or 1 at `{where}`, got something else; leave it out where nobody knows")
    return int(value)
