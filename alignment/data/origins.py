"""Where a row comes from, and what is known about it beside its texts."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alignment.data.messages import Unfit
from alignment.data.rows import Malformed, named
from alignment.records import SPLITS, Origin
from guard.formats.fields import is_identifier

_GROUPS = ("subject", "conversation", "conversation_id", "group")
_HASHED = re.compile(r"g:(subject|conversation|group):[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Stated:
    """What holds for all rows of a file that do not say otherwise."""

    source: str
    licence: str = ""
    policy: str = ""
    split: str = ""


def origin_of(row: Mapping[str, Any], stated: Stated) -> Origin:
    """Return where a row comes from; its id is empty where it has none.

    Raises:
        Malformed: Where a field is not what it should be.
        Unfit: Where its weight is 0.
    """
    categories, benign = _categories(row)
    return Origin(
        id=_identifier(row.get("id")),
        source=_word(row, "source") or stated.source,
        licence=_word(row, "licence") or _word(row, "license") or stated.licence,
        weight=_weight(row.get("weight")),
        policy=_word(row, "policy") or _word(row, "policy_digest") or stated.policy,
        groups=tuple(sorted({name for key in _GROUPS for name in _groups(row, key)})),
        categories=categories,
        benign=benign,
        look_alike=_truth(row, "look_alike") is True,
        split=_split(row) or stated.split,
    )


def number_of(value: object, path: str) -> float:
    """Return a finite number. Raises Malformed where it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise Malformed(path, "a number", "a text") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(path, "a number", named(value))
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Malformed(path, "a finite number", "one that is not")
    return number


def truth_of(value: object, path: str) -> bool:
    """Return true or false, in the ways in which tables write them. Raises Malformed for anything else."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    found = known.get(value.strip().lower()) if isinstance(value, str) else value
    if isinstance(found, bool):
        return found
    if isinstance(found, int | float) and found in (0, 1):
        return bool(found)
    raise Malformed(path, "true or false", named(value))


def _identifier(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Malformed("id", "a text or a number", named(value))
    text = str(value)
    if is_identifier(text):
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]  # it may be somebody's words


def _word(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 200:
        raise Malformed(key, "a text of at most 200 characters", named(value))
    return value.strip()


def _weight(value: object) -> float:
    weight = 1.0 if value is None else number_of(value, "weight")
    if weight < 0:
        raise Malformed("weight", "a number from 0", "a negative one")
    if weight == 0:
        raise Unfit("no-weight")
    return weight


def _split(row: Mapping[str, Any]) -> str:
    value = row.get("split")
    return value if isinstance(value, str) and value in SPLITS else ""


def _groups(row: Mapping[str, Any], key: str) -> list[str]:
    """Return digests, so that no name of a person leaves; those that are digests already stay as they are."""
    value = row.get(key)
    if value is None or value == "":
        return []
    names = value.split(",") if key == "group" and isinstance(value, str) else value if isinstance(value, list) else [value]
    kind = "conversation" if key == "conversation_id" else key
    found = []
    for name in names:
        if isinstance(name, Mapping | list):
            return []  # `conversation` is the messages themselves in some files
        text = str(name)
        stands_for = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
        ready = key == "group" and _HASHED.fullmatch(text) is not None
        found.append(text if ready else f"g:{kind}:{hashlib.sha256(stands_for).hexdigest()[:16]}")
    return found


def _truth(row: Mapping[str, Any], key: str) -> bool | None:
    value = row.get(key)
    return None if value is None or value == "" else truth_of(value, key)


def _categories(row: Mapping[str, Any]) -> tuple[tuple[str, ...], bool | None]:
    """Return the categories of harm, and whether there are none for certain."""
    benign = _truth(row, "benign")
    labels, listed = row.get("labels"), row.get("categories")
    if isinstance(labels, Mapping):
        known = {str(name): truth_of(value, f"labels.{name}") for name, value in labels.items() if value is not None}
        found = tuple(sorted(name for name, value in known.items() if value))
        return found, False if found else True if known else benign
    if listed is None:
        listed = row.get("category")
    if isinstance(listed, str):
        listed = [name for name in listed.split(",") if name]
    if listed is None:
        return (), benign
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise Malformed("categories", "a list of categories", named(listed))
    return tuple(sorted(set(listed))), False if listed else benign
