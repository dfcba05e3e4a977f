"""What a policy says about a Presidio detector: checked, and read, without Presidio."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guard.detectors.presidio.custom import LANGUAGE, Custom, customs, mistakes
from guard.detectors.presidio.entities import BY_MODEL, RECOGNIZERS, category_of, found_unasked
from guard.errors import PolicyError
from guard.policy.kinds import Mistake
from guard.policy.node import Node, quoted
from guard.policy.shapes import did_you_mean
from guard.policy.yaml_source import read_file

_CATEGORY = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9_-]+)?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a detector is to look for.

    Attributes:
        languages: Codes of ISO 639-1.
        model: A spaCy model's name or folder; empty for none.
        named: The entities that the policy names; empty where it leaves the choice to Presidio.
        customs: Recognizers of the policy's own; what they find is always wanted.
    """

    languages: tuple[str, ...]
    model: str
    named: tuple[str, ...]
    customs: tuple[Custom, ...]

    @property
    def entities(self) -> tuple[str, ...]:
        """Everything that it looks for, sorted."""
        chosen = self.named or found_unasked(self.languages, model=bool(self.model))
        return tuple(sorted({*chosen, *(one.entity for one in self.customs)}))

    @property
    def missing(self) -> tuple[str, ...]:
        """What it does not look for because it has no language model."""
        return () if self.model or self.named else BY_MODEL


def wanted(options: Mapping[str, Any]) -> Wanted:
    """Return what checked options ask for."""
    own = [*options.get("recognizers", ()), *_in_file(options)]
    return Wanted(_languages(options), options.get("model", ""), tuple(options.get("entities", ())), customs(own))


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return every category that a detector with these options can report."""
    own = options.get("categories", {})
    return tuple(dict.fromkeys(category_of(entity, own) for entity in wanted(options).entities))


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return what is wrong with options whose types are right."""
    wrong = [*_in_languages(options), *_in_recognizers(options)]
    return wrong or [*_in_entities(options), *_in_categories(options), *_in_windows(options)]


def _languages(options: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(options.get("languages") or ("en",)))


def _in_languages(options: Mapping[str, Any]) -> Iterator[Mistake]:
    for index, code in enumerate(options.get("languages", ())):
        if not LANGUAGE.fullmatch(code):
            yield Mistake(("languages", index), "a language's code, such as `en`", quoted(code))


def _in_recognizers(options: Mapping[str, Any]) -> Iterator[Mistake]:
    languages = _languages(options)
    for mistake in mistakes(options.get("recognizers", []), languages):
        yield mistake._replace(path=("recognizers", *mistake.path))
    if "recognizers_file" not in options:
        return
    try:
        document = _document(options["recognizers_file"])
    except PolicyError as error:
        yield from (_in_place(problem.expected, f"{problem.got} ({problem.where}:{problem.line})") for problem in error.problems)
        return
    top = document.value if isinstance(document.value, dict) else {}
    for key in top.keys() - {"recognizers"}:
        yield _in_place("only the key `recognizers`", f"`{key}` ({document.where}:{document.keys[key].line})")
    listed = top.get("recognizers", document)
    for mistake in mistakes(listed.plain if "recognizers" in top else None, languages):
        place = _followed(listed, mistake.path)
        yield _in_place(mistake.expected, f"{mistake.got} ({place.where}:{place.line}, {place.path or 'top'})", mistake.hint)


def _in_place(expected: str, got: str, hint: str = "") -> Mistake:
    return Mistake(("recognizers_file",), f"in the file, {expected}", got, hint)


def _in_entities(options: Mapping[str, Any]) -> Iterator[Mistake]:
    own = [one.entity for one in wanted(options).customs]
    known = [*RECOGNIZERS, *BY_MODEL, *own]
    for index, entity in enumerate(options.get("entities", ())):
        if entity not in known:
            hint = did_you_mean(entity, known) or f"known: {', '.join(sorted(known))}"
            yield Mistake(("entities", index), "an entity of Presidio's, or of a recognizer here", quoted(entity), hint)
        elif entity in BY_MODEL and entity not in own and not options.get("model"):
            hint = "only a language model finds it: `python -m spacy download en_core_web_sm`, then `model: en_core_web_sm`"
            yield Mistake(("entities", index), "an entity that patterns find, or the key `model`", quoted(entity), hint)


def _in_categories(options: Mapping[str, Any]) -> Iterator[Mistake]:
    found = wanted(options).entities
    for entity, category in options.get("categories", {}).items():
        if entity not in found:
            expected = "an entity that this detector looks for"
            yield Mistake(("categories", entity), expected, quoted(entity), did_you_mean(entity, found))
        if not isinstance(category, str) or not _CATEGORY.fullmatch(category):
            got = quoted(category) if isinstance(category, str | int | float | None) else "no text"
            yield Mistake(("categories", entity), "a category (`group` or `group/kind`, lower case)", got)


def _in_windows(options: Mapping[str, Any]) -> Iterator[Mistake]:
    size, overlap = options.get("size", SIZE), options.get("overlap", OVERLAP)
    if 2 * overlap > size:
        yield Mistake(
            ("overlap",) if "overlap" in options else ("size",), "a window at least twice its overlap", f"{size} and {overlap}"
        )


SIZE = 1000
"""Characters of a window."""

OVERLAP = 320
"""Characters that a window shares with the next: the longest e-mail address there can be (RFC 5321, 4.5.3.1)."""


def _in_file(options: Mapping[str, Any]) -> list[Any]:
    if "recognizers_file" not in options:
        return []
    try:
        document = _document(options["recognizers_file"]).plain
    except PolicyError:
        return []
    return list(document.get("recognizers") or ()) if isinstance(document, dict) else []


def _document(path: str) -> Node:
    return read_file(Path(path), Path(path).name)


def _followed(node: Node, path: Sequence[str | int]) -> Node:
    """Return the value that a path leads to, or the last one on the way."""
    for step in path:
        if isinstance(node.value, dict) and str(step) in node.value:
            node = node.value[str(step)]
        elif isinstance(node.value, list) and isinstance(step, int):
            node = node.value[step]
    return node
