"""What can stand behind `use:` in a policy: kinds of detectors, with their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from guard.values import Detector


class Mistake(NamedTuple):
    """Something wrong in a detector's options; the loader adds file, line and column.

    Attributes:
        path: Where, below the detector: keys and indices.
    """

    path: tuple[str | int, ...]
    expected: str
    got: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a kind of detector.

    Attributes:
        type: `number`, `integer`, `string`, `boolean`, `strings` (a list), `mapping`, `list` or `any`.
        minimum: Lowest number allowed; None where there is no bound.
        path: Whether a string names a file or a folder; it is relative to the policy that says it, absolute once that is loaded.
        hub: With `path`: whether it may be the id of a model on a hub instead; a path then starts with `.`, `/` or `~`.
        principles: Whether its strings are ids of the policy's principles; `make` gets their prose.
    """

    type: str
    summary: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False
    path: bool = False
    hub: bool = False
    principles: bool = False


class Scores(NamedTuple):
    """Which scores a detector's findings may have, as far as that is known.

    Attributes:
        graded: Whether a model measures them, so that every score in between occurs and 1 hardly ever does.
    """

    lowest: float = 0.0
    highest: float = 1.0
    graded: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """What can stand behind `use:` in a policy's detectors.

    Attributes:
        make: Builds a detector from its name in the policy and its checked options (and, where it `refers` to other detectors, a
            mapping of those by name); imports what is heavy.
        categories: What a detector with these options can report; nothing, where it is what the detectors it `refers` to can.
        check: Mistakes in options that no type tells, such as a pattern that does not compile.
        spans: Whether its findings say where; a rule that redacts wants them.
        reach: `pattern`, `spans`, `window` or `whole`; what it costs a stream. `media` for what judges no texts.
        extra: The extra of the distribution that installs what it needs; empty where the base install has it.
        modules: What must be importable; `guard detectors` looks for them without importing.
        ships: Files of its model that come with Tenet, relative to the package `guard`.
        licence: Of the model or library behind it; empty for Tenet's own.
        remote: Whether texts leave this machine.
        refers: Names of other detectors of the policy that its options name; they are handed to `make` as a third argument.
        scores: Which scores its findings may have with these options.
    """

    use: str
    summary: str
    make: Callable[..., Detector]
    categories: Callable[[Mapping[str, Any]], tuple[str, ...]]
    options: Mapping[str, Option] = field(default_factory=dict)
    check: Callable[[Mapping[str, Any]], Sequence[Mistake]] = lambda _options: ()
    spans: bool = True
    reach: str = "pattern"
    extra: str = ""
    modules: tuple[str, ...] = ()
    ships: tuple[str, ...] = ()
    licence: str = ""
    remote: bool = False
    refers: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda _options: ()
    scores: Callable[[Mapping[str, Any]], Scores] = lambda _options: Scores()
