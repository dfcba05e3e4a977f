"""Turn messages as they are written, in one language or in several, into what a rule carries, with helplines in their places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from guard.errors import Problem
from guard.policy.locales import DEFAULT, Localised, chosen, default_of
from guard.policy.merge import Fields, members
from guard.policy.node import Node
from guard.policy.shapes import did_you_mean
from guard.policy.templates import FIELDS, faults, names, with_helpline


class Message(NamedTuple):
    """A message: the text where no locale fits, and the others; empty where there is only one."""

    text: str = ""
    localised: Localised = ()


def message_of(node: Node | None, helplines: Localised) -> Message:
    """Return a checked message, with the helpline of each locale in its place."""
    texts = _texts(node)
    if not texts:
        return Message()
    if any("helpline" in names(text) for _, text in texts):
        texts = _with_helplines(texts, helplines)
    return Message(default_of(texts), texts if len(texts) > 1 else ())


def check_message(node: Node | None, helplines: Localised, problems: list[Problem]) -> None:
    """Add to `problems` fields that do not exist, and a helpline where the policy gives none."""
    if node is not None and node.value == {}:
        problems.append(node.problem("a text for at least one locale", "none"))
    for each in _nodes(node):
        for fault in faults(each.value) if isinstance(each.value, str) else ():
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            hint = did_you_mean(fault.name, FIELDS) if fault.name else "a brace that is no field's is written twice"
            got = f'"{{{fault.name[:40]}}}"' if fault.name else "a lone brace"
            line, column = _place(each, fault.at)
            problems.append(Problem(each.where, line, column, each.path, f"a field that messages have ({known})", got, hint))
        if isinstance(each.value, str) and "helpline" in names(each.value) and not helplines:
            hint = "say under the policy's `helplines` where to find help"
            problems.append(each.problem("`helplines` in the policy, with `{helpline}`", "none", hint))


def helplines_of(settings: Fields) -> Localised:
    """Return the policy's helplines by locale."""
    return tuple((locale, node.value) for locale, node in settings.items() if isinstance(node.value, str))


def _with_helplines(texts: Localised, helplines: Localised) -> Localised:
    """Return the texts for every locale in which the message or the helpline differs."""
    locales: Mapping[str, None] = dict.fromkeys([*(locale for locale, _ in texts), *(locale for locale, _ in helplines), DEFAULT])
    usual, usual_line = default_of(texts), default_of(helplines)
    return tuple(
        (locale, with_helpline(chosen(texts, locale, (), usual), chosen(helplines, locale, (), usual_line))) for locale in locales
    )


def _texts(node: Node | None) -> Localised:
    if node is None:
        return ()
    if isinstance(node.value, str):
        return ((DEFAULT, node.value),)
    return tuple((locale, each.value) for locale, each in members(node).items() if isinstance(each.value, str))


def _nodes(node: Node | None) -> list[Node]:
    if node is None:
        return []
    return list(members(node).values()) or [node]


def _place(node: Node, offset: int) -> tuple[int, int]:
    """Return line and column of an offset in a text, where the text stands in the file as it reads."""
    if node.text_at is None or not isinstance(node.value, str):
        return node.line, node.column
    before = node.value[:offset]
    if "\n" in before:
        return node.line, node.column
    return node.text_at[0], node.text_at[1] + offset
