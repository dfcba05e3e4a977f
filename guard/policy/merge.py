"""Merge a policy with those that it extends: fields with their places, no meaning yet.

Files are merged one after the other, bases first, each once. A file may add; it changes an inherited rule or detector only where
it says so, and never one that is locked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from guard.errors import Problem
from guard.policy.node import Invalid, Node, quoted
from guard.policy.schema import ONLY_WITH_ACTIONS
from guard.policy.shapes import did_you_mean

Fields = dict[str, Node]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One file's part of a policy.

    Attributes:
        key: What tells it from other files.
        directory: What relative paths in it are relative to.
        inherits: The keys of the files that it extends or includes, directly or not.
        included: Whether it is a pack, so that what it says of the policy as a whole does not count.
    """

    key: str
    directory: Path
    document: Node
    inherits: frozenset[str] = frozenset()
    included: bool = False

    @property
    def fields(self) -> Fields:
        """The keys of the document."""
        return members(self.document)


@dataclass(slots=True)
class Draft:
    """A rule, detector or principle as merged so far.

    Attributes:
        layer: The file that brought it in; its defaults hold.
        node: Where it was brought in.
        keys: Where the key of each field stands.
        paths_from: For each field that a later file changed: the directory of that file.
    """

    id: str
    layer: Layer
    node: Node
    fields: Fields
    keys: dict[str, Node]
    paths_from: dict[str, Path] = field(default_factory=dict)

    def directory_of(self, name: str) -> Path:
        """Return what a path in the field `name` is relative to."""
        return self.paths_from.get(name, self.layer.directory)


@dataclass(slots=True)
class Merged:
    """All files of a policy as one."""

    principles: dict[str, Draft] = field(default_factory=dict)
    detectors: dict[str, Draft] = field(default_factory=dict)
    rules: dict[str, Draft] = field(default_factory=dict)
    settings: dict[str, Fields] = field(default_factory=dict)
    mapped: dict[str, Node] = field(default_factory=dict)
    categories: list[Node] = field(default_factory=list)
    helplines: Fields = field(default_factory=dict)
    messages: list[Node] = field(default_factory=list)
    constitution: Node | None = None
    disabled: set[str] = field(default_factory=set)


def merge(layers: list[Layer], problems: list[Problem]) -> Merged:
    """Return the layers as one; whatever may not be merged is added to `problems`.

    Args:
        layers: Checked documents, bases before what extends them.
        problems: Grows.
    """
    merged = Merged()
    for layer in layers:
        _add_principles(merged, layer, problems)
        _add_detectors(merged, layer, problems)
        for node in items(layer.fields.get("rules")):
            _add_rule(merged, layer, node, problems)
        for section in ("defaults", "routes", "limits", "store"):
            if not layer.included:
                merged.settings.setdefault(section, {}).update(members(layer.fields.get(section)))
        _add_mapped(merged, layer, problems)
        merged.categories.extend(items(layer.fields.get("categories")))
        merged.messages.extend(node for key, node in members(layer.fields.get("defaults")).items() if key == "message")
        if "constitution" in layer.fields and not layer.included:
            merged.constitution = layer.fields["constitution"]
        merged.helplines.update(_by_locale(layer.fields.get("helplines")))
    return merged


def members(node: Node | None) -> Fields:
    """Return the keys and values of a mapping; none where there is no mapping."""
    return node.value if node is not None and isinstance(node.value, dict) else {}


def items(node: Node | None) -> list[Node]:
    """Return the items of a list; none where there is no list."""
    return node.value if node is not None and isinstance(node.value, list) else []


def word(fields: Mapping[str, Node], key: str) -> str:
    """Return the text under `key`; empty where there is none."""
    value = fields[key].value if key in fields else ""
    return value if isinstance(value, str) else ""


def is_true(fields: Mapping[str, Node], key: str) -> bool:
    """Return whether the truth value under `key` is there and true."""
    return key in fields and fields[key].value is True


def _add_principles(merged: Merged, layer: Layer, problems: list[Problem]) -> None:
    for node in items(layer.fields.get("principles")):
        name = word(members(node), "id")
        if name in merged.principles and _shared(merged.principles[name], layer, node):
            continue
        if name in merged.principles:
            problems.append(_again(members(node)["id"], name, merged.principles[name], "give it another id"))
        elif name:
            merged.principles[name] = Draft(name, layer, node, members(node), dict(node.keys))


def _add_detectors(merged: Merged, layer: Layer, problems: list[Problem]) -> None:
    for name, node in members(layer.fields.get("detectors")).items():
        fields = members(node)
        known = merged.detectors.get(name)
        if is_true(fields, "override"):
            _override_detector(merged, layer, name, node, problems)
        elif known is not None and _shared(known, layer, node):
            continue
        elif known is not None:
            hint = "give it another name, or say `override: true`" if _inherited(known, layer) else "give it another name"
            problems.append(_again(node, name, known, hint))
        else:
            merged.detectors[name] = Draft(name, layer, node, dict(fields), dict(node.keys))


def _shared(known: Draft, layer: Layer, node: Node) -> bool:
    """Return whether a detector or a principle stands there already in the same words, one of the two in a pack."""
    if not (layer.included or known.layer.included):
        return False
    first = {name: each.plain for name, each in known.fields.items()}
    relative = layer.directory != known.layer.directory and any(
        isinstance(value, str) and ("/" in value or "." in value) for value in first.values()
    )
    return first == node.plain and (not relative or "id" in first)


def _override_detector(merged: Merged, layer: Layer, name: str, node: Node, problems: list[Problem]) -> None:
    known = merged.detectors.get(name)
    if known is None or not _inherited(known, layer):
        names = [other for other, draft in merged.detectors.items() if _inherited(draft, layer)]
        problems.append(node.problem("the name of an inherited detector", quoted(name), did_you_mean(name, names)))
        return
    locking = [rule for rule in merged.rules.values() if is_true(rule.fields, "locked") and name in _detectors(rule)]
    if any(_inherited(rule, layer) for rule in locking):
        got = f"an override, though the locked rule {quoted(locking[0].id)} reads it"
        problems.append(node.problem("a detector that no locked rule reads", got, "declare another detector"))
        return
    changes = {key: value for key, value in members(node).items() if key != "override"}
    if "use" in changes and word(changes, "use") != word(known.fields, "use"):
        known.fields = {}
    known.fields = {**known.fields, **changes}
    known.keys.update(node.keys)
    known.paths_from.update(dict.fromkeys(changes, layer.directory))


def _detectors(draft: Draft) -> set[str]:
    """Return the names of all detectors that a rule reads, in its clauses too."""
    found: set[str] = set()
    open_nodes = list(draft.fields.items())
    while open_nodes:
        key, node = open_nodes.pop()
        if key == "detect":
            found |= {str(each.value) for each in items(node)}
        elif key in ("any", "all", "of"):
            open_nodes += [each for clause in items(node) for each in members(clause).items()]
        elif key in ("not", "sum"):
            open_nodes += members(node).items()
    return found


def _names(draft: Draft, key: str) -> list[str]:
    return [str(node.value) for node in items(draft.fields.get(key))]


def _add_rule(merged: Merged, layer: Layer, node: Node, problems: list[Problem]) -> None:
    fields = members(node)
    roles = [key for key in ("id", "override", "disable") if key in fields]
    if len(roles) != 1:
        if node.value is not Invalid.INVALID:
            got = " and ".join(f"`{key}`" for key in roles) or "none"
            problems.append(
                node.problem("one of the keys `id`, `override` and `disable`", got, "each rule needs an id of its own")
            )
        return
    name = word(fields, roles[0])
    if name:
        _TAKE[roles[0]](merged, layer, node, name, problems)


def _new_rule(merged: Merged, layer: Layer, node: Node, name: str, problems: list[Problem]) -> None:
    known = merged.rules.get(name)
    if known is None:
        merged.rules[name] = Draft(name, layer, node, dict(members(node)), dict(node.keys))
        return
    hint = f"give it another id, or say `override: {name}`" if _inherited(known, layer) else "give it another id"
    problems.append(_again(members(node)["id"], name, known, hint))


def _override_rule(merged: Merged, layer: Layer, node: Node, name: str, problems: list[Problem]) -> None:
    known = _changeable(merged, layer, members(node)["override"], name, problems)
    if known is not None:
        changes = {key: value for key, value in members(node).items() if key != "override"}
        replaced = {key for group in _ALTERNATIVES if not group.isdisjoint(changes) for key in group}
        replaced |= {key for key, actions in ONLY_WITH_ACTIONS.items() if word(changes, "action") not in ("", *actions)}
        replaced |= _READINGS - _DETECTING if not _DETECTING.isdisjoint(changes) else set()
        replaced |= _READINGS if not (_READINGS - _DETECTING).isdisjoint(changes) else set()
        known.fields = {**{key: value for key, value in known.fields.items() if key not in replaced}, **changes}
        known.keys.update(node.keys)


_DETECTING = frozenset({"detect", "category"})
_READINGS = _DETECTING | {"any", "all", "sum"}
_ALTERNATIVES = (frozenset({"threshold", "severity"}),)
"""Keys of a rule that stand in place of each other: who overrides one of them drops the others."""


def _disable_rule(merged: Merged, layer: Layer, node: Node, name: str, problems: list[Problem]) -> None:
    fields = members(node)
    known = _changeable(merged, layer, fields["disable"], name, problems)
    if "reason" not in fields:
        problems.append(node.problem("the key `reason`", "none", "say why the rule is switched off"))
    for key in fields.keys() - {"disable", "reason"}:
        problems.append(fields[key].problem("nothing but a reason beside `disable`", f"`{key}`", f"use `override: {name}`"))
    if known is not None:
        del merged.rules[name]
        merged.disabled.add(name)


_TAKE: Mapping[str, Callable[[Merged, Layer, Node, str, list[Problem]], None]] = {
    "id": _new_rule,
    "override": _override_rule,
    "disable": _disable_rule,
}


def _changeable(merged: Merged, layer: Layer, node: Node, name: str, problems: list[Problem]) -> Draft | None:
    """Return the inherited rule that a layer may change, or None after saying why it may not."""
    known = merged.rules.get(name)
    if known is None or not _inherited(known, layer):
        inherited = [other for other, draft in merged.rules.items() if _inherited(draft, layer)]
        hint = did_you_mean(name, inherited) or (f"inherited: {', '.join(inherited)}" if inherited else "nothing is inherited")
        problems.append(node.problem("the id of an inherited rule", hint=hint))
        return None
    if is_true(known.fields, "locked"):
        problems.append(node.problem("a rule that is not locked", f"{quoted(name)}, locked in {known.layer.document.where}"))
        return None
    for target in _names(known, "overrides"):
        if target in merged.rules and is_true(merged.rules[target].fields, "locked"):
            problems.append(
                node.problem("a rule that is not locked", f"{quoted(name)}, an exception to the locked {quoted(target)}")
            )
            return None
    return known


def _by_locale(node: Node | None) -> Fields:
    """Return texts by locale; a bare one is for all that have none."""
    return {"default": node} if node is not None and isinstance(node.value, str) else members(node)


def _inherited(draft: Draft, layer: Layer) -> bool:
    return draft.layer.key in layer.inherits


def _again(node: Node, name: str, first: Draft, hint: str) -> Problem:
    place = f"{first.node.where}:{first.node.line}"
    return node.problem("a name used once", f"{quoted(name)}, which stands at {place} too", hint)


def _add_mapped(merged: Merged, layer: Layer, problems: list[Problem]) -> None:
    own: set[str] = set()
    for node in items(members(layer.fields.get("routes")).get("mapped")):
        path = word(members(node), "path")
        route = f"{word(members(node), 'method') or 'POST'} {path}"
        if path and route in own:
            problems.append(node.problem("each route once", quoted(route)))
        own.add(route)
        merged.mapped[route] = node


def without_invalid(fields: Fields) -> Iterator[tuple[str, Node]]:
    """Yield the fields in which no mistake was found."""
    for name, node in fields.items():
        if node.value is Invalid.INVALID:
            continue
        if isinstance(node.value, list):
            yield name, replace(node, value=[item for item in node.value if item.value is not Invalid.INVALID])
        else:
            yield name, node
