"""Set thresholds in the text of a policy file; every other character stays: comments, order, quotes, anchors, line ends. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from guard.evaluation.policy_places import Place, places, walk


class Edit(NamedTuple):
    """Characters that are replaced; none of them for an insertion."""

    start: int
    end: int
    instead: str


def with_thresholds(text: str, thresholds: Mapping[str, str]) -> str:
    """Return the policy with these thresholds; a number that is right already stays as it is written.

    A rule that stands in the text gets its `threshold` replaced or added; so does an `override` of an inherited one. For other
    rules, an override is added at the end of `rules`.

    Args:
        text: A policy that loads.
        thresholds: Numbers as they are to be written, by rule.

    Raises:
        ValueError: Where the rules are no list that stands where `rules:` does.
    """
    root = places(text)
    rules = root.get("rules")
    if rules is not None and rules.kind != "sequence":
        raise ValueError("the rules stand elsewhere")
    entries = {rule: _entry(rules.items if rules else (), rule) for rule in thresholds}
    edits: list[Edit] = []
    values: dict[int, Place] = {}
    for rule, entry in entries.items():
        value = entry.get("threshold") if entry else None
        if value and not _reads_as(value, thresholds[rule]):
            values[value.start] = value
            edits.append(Edit(value.start, value.end, thresholds[rule]))
        elif entry and not value:
            edits.append(_added_key(text, entry, thresholds[rule]))
    edits += _moved_anchors(text, root, values)
    new = {rule: written for rule, written in thresholds.items() if entries[rule] is None}
    if new:
        edits.append(_added_overrides(text, root, rules, new))
    return _applied(text, edits)


def extending(base: str, thresholds: Mapping[str, str]) -> str:
    """Return a policy that is `base`, a shipped policy's name, but for these thresholds."""
    return f"version: 1\nextends: {base}\n" + "\n".join(["rules:", *_overrides(thresholds, "  ", "\n")]) + "\n"


def _entry(items: Iterable[Place], rule: str) -> Place | None:
    """Return where a rule's threshold is said, or may be: of several overrides, the last one that has a say in it."""
    naming = [item for item in items if any(name and name.word == rule for name in (item.get("id"), item.get("override")))]
    saying = [item for item in naming if item.get("threshold")]
    return next(reversed(saying or naming), None)


def _reads_as(value: Place, written: str) -> bool:
    """Return whether a number stands there already, however many zeros it has."""
    return value.word.replace(".", "", 1).isdecimal() and float(value.word) == float(written)


def _added_key(text: str, entry: Place, written: str) -> Edit:
    """Return the edit that adds `threshold` after the category, or another key whose value surely ends where it seems to."""
    name = '"threshold"' if entry.members[0][0].quoted else "threshold"
    ending = {key.word: value for key, value in entry.members if value.exact}
    after = next(ending[key] for key in _BEFORE if key in ending)
    if entry.exact:
        return Edit(after.end, after.end, f", {name}: {written}")
    end = _line_end(text, after.end)
    return Edit(end, end, f"{_newline(text)}{' ' * entry.members[0][0].column}{name}: {written}")


_BEFORE = ("category", "action", "detect", "id", "override")
"""Keys after which a threshold may stand, best first; `id` and `override` are always plain words."""


def _moved_anchors(text: str, root: Place, replaced: Mapping[int, Place]) -> list[Edit]:
    """Return the edits that give an anchor, whose number is replaced, to the next value that is to stay that number."""
    edits = []
    in_order = list(walk(root))
    for index, place in enumerate(in_order):
        if place.start not in replaced or not place.anchor:
            continue
        for later in in_order[index + 1 :]:
            if later.anchor == place.anchor:
                break
            if later.alias == place.anchor and later.start not in replaced:
                edits.append(Edit(later.start, later.end, text[place.start : place.end]))
                break
    return edits


def _added_overrides(text: str, root: Place, rules: Place | None, new: Mapping[str, str]) -> Edit:
    quoted = root.members[0][0].quoted
    newline = _newline(text)
    if rules is None and root.exact:
        name = '"rules"' if quoted else "rules"
        end = root.members[-1][1].end
        return Edit(end, end, f", {name}: [{_in_flow(new, quoted=quoted)}]")
    if rules is None:
        before = "" if text[: root.end].endswith("\n") else newline
        margin = " " * root.members[0][0].column
        lines = [f"{margin}rules:", *_overrides(new, f"{margin}  ", newline)]
        return Edit(root.end, root.end, before + newline.join(lines) + newline)
    if rules.exact:
        end = rules.items[-1].end if rules.items else rules.start + text[rules.start :].index("[") + 1
        return Edit(end, end, (", " if rules.items else "") + _in_flow(new, quoted=quoted))
    end = _last_line_end(text, rules)
    return Edit(end, end, newline + newline.join(_overrides(new, " " * rules.column, newline)))


def _overrides(thresholds: Mapping[str, str], margin: str, newline: str) -> list[str]:
    return [f"{margin}- override: {_plain(rule)}{newline}{margin}  threshold: {written}" for rule, written in thresholds.items()]


def _in_flow(thresholds: Mapping[str, str], *, quoted: bool) -> str:
    if quoted:
        return ", ".join(f'{{"override": "{rule}", "threshold": {written}}}' for rule, written in thresholds.items())
    return ", ".join(f"{{override: {_plain(rule)}, threshold: {written}}}" for rule, written in thresholds.items())


def _plain(rule: str) -> str:
    """Return an id as YAML reads it as a text: in quotes where it could be a number, a truth value or null."""
    return rule if rule[0].isalpha() and rule.lower() not in ("true", "false", "null") else f'"{rule}"'


def _last_line_end(text: str, rules: Place) -> int:
    """Return where the last line of a list in block style ends; what is indented less than it belongs to what follows."""
    lines = text[: rules.end].split("\n")
    if not lines[-1].strip():
        lines.pop()
    while len(lines) > 1 and _belongs_to_what_follows(lines[-1], rules.column):
        lines.pop()
    return len("\n".join(lines).rstrip("\r"))


def _belongs_to_what_follows(line: str, column: int) -> bool:
    bare = line.strip()
    return not bare or (bare.startswith("#") and len(line) - len(line.lstrip()) < max(column, 1))


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    if end < 0:
        return len(text)
    return end - 1 if text[end - 1] == "\r" else end


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _applied(text: str, edits: Iterable[Edit]) -> str:
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.instead + text[edit.end :]
    return text
