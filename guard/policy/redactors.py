"""Turn a rule's `redact` into a `Redactor`, and check what no single field of it tells."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from guard.errors import Problem
from guard.policy.merge import members, word
from guard.policy.model import Redactor
from guard.policy.node import Invalid, Node
from guard.policy.schema import ONLY_WITH_REDACTOR
from guard.policy.shapes import listed

PARAMS: Mapping[str, tuple[str, ...]] = {
    "mask": ("masking_char", "chars_to_mask", "from_end"),
    "replace": ("new_value",),
    "redact": (),
    "hash": ("hash_type",),
    "encrypt": (),
}
"""The operators of Presidio's anonymizer that make a text unreadable, each with its parameters."""

KEYED = ("encrypt", "hash")
"""Those of them that take a key."""

ENCRYPTION_KEYS = (16, 24, 32)
"""Bytes that a key of `encrypt` may have: AES of 128, 192 or 256 bits."""

SHORTEST_SALT = 16
"""Bytes that a key of `hash` must have at least."""


def redactor(given: Mapping[str, Any]) -> Redactor:
    """Return what a checked `redact` says."""
    return Redactor(
        kind=given.get("with", "label"),
        keep=given.get("keep", 0),
        label=given.get("label", ""),
        operator=given.get("operator", ""),
        params=tuple(sorted(given.get("params", {}).items())),
        key_env=given.get("key_env", ""),
    )


def check_redactor(node: Node | None, problems: list[Problem]) -> None:
    """Add to `problems` what the keys of a `redact` say against each other, and what this machine lacks for it."""
    fields = members(node)
    kind = word(fields, "with") or "label"
    for name, only in ONLY_WITH_REDACTOR.items():
        if name in fields and kind != only:
            problems.append(fields[name].problem(f"`{name}` only with `{only}`", f"`{kind}`"))
    if node is not None and kind == "fake" and find_spec("faker") is None:
        hint = "pip install 'tenet-guard[fake]'"
        problems.append(fields["with"].problem("a redactor whose packages are installed", hint=hint))
    if node is None or kind != "presidio":
        return
    if find_spec("presidio_anonymizer") is None:
        hint = "pip install 'tenet-guard[presidio]'"
        problems.append(fields["with"].problem("a redactor whose packages are installed", hint=hint))
    if "operator" not in fields:
        problems.append(node.problem("the key `operator` with `presidio`", "none", listed(PARAMS)))
    operator = word(fields, "operator")
    if operator in PARAMS:
        _check_params(fields, operator, problems)
        _check_key(node, fields, operator, problems)


def _check_params(fields: Mapping[str, Node], operator: str, problems: list[Problem]) -> None:
    known = PARAMS[operator]
    expected = f"a parameter of `{operator}` ({', '.join(known)})" if known else f"no parameters with `{operator}`"
    given = fields.get("params")
    for name in members(given):
        if name not in known and given is not None:
            problems.append(given.keys.get(name, given).problem(expected, f"`{name}`"))


def _check_key(node: Node, fields: Mapping[str, Node], operator: str, problems: list[Problem]) -> None:
    """Check the key without ever showing it."""
    if operator not in KEYED:
        if "key_env" in fields:
            problems.append(fields["key_env"].problem("`key_env` only with `encrypt` or `hash`", f"`{operator}`"))
        return
    if "key_env" not in fields:
        if operator == "encrypt":
            hint = "the name of an environment variable with a key of 16, 24 or 32 bytes"
            problems.append(node.problem("the key `key_env` with `encrypt`", "none", hint))
        return
    if fields["key_env"].value is Invalid.INVALID:
        return
    size = len(os.environ.get(word(fields, "key_env"), "").encode())
    if operator == "encrypt" and size not in ENCRYPTION_KEYS:
        expected = f"an environment variable with a key of {listed(map(str, ENCRYPTION_KEYS))} bytes"
        problems.append(fields["key_env"].problem(expected, _sized(fields, size)))
    if operator == "hash" and size < SHORTEST_SALT:
        expected = f"an environment variable with a key of at least {SHORTEST_SALT} bytes"
        problems.append(fields["key_env"].problem(expected, _sized(fields, size)))


def _sized(fields: Mapping[str, Node], size: int) -> str:
    return f"{fields['key_env'].shown}, " + (f"which has {size}" if size else "which is not set")
