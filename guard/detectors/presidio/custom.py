"""Recognizers of a policy's own, in the shape that Presidio's YAML has, and what can be wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from guard.policy.kinds import Mistake
from guard.policy.node import quoted
from guard.policy.shapes import did_you_mean

ENTITY = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,63}")
LANGUAGE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class Custom:
    """A recognizer of the policy's own.

    Attributes:
        languages: Each with its context words; empty for all languages of the detector, which then share `context`.
        patterns: Name, expression (syntax of the package `regex`) and score of each.
    """

    name: str
    entity: str
    languages: tuple[tuple[str, tuple[str, ...]], ...] = ()
    context: tuple[str, ...] = ()
    patterns: tuple[tuple[str, str, float], ...] = ()
    deny_list: tuple[str, ...] = ()
    deny_list_score: float = 1.0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Custom:
        """Return what a checked mapping says."""
        context = tuple(given.get("context", ()))
        entity = _entity(given)
        return cls(
            name=given.get("name", f"{entity} of the policy"),
            entity=entity,
            languages=tuple((code, words or context) for code, words in _languages(given)),
            context=context,
            patterns=tuple((one["name"], one["regex"], float(one["score"])) for one in given.get("patterns", ())),
            deny_list=tuple(given.get("deny_list", ())),
            deny_list_score=float(given.get("deny_list_score", 1.0)),
        )


def customs(given: Sequence[Mapping[str, Any]]) -> tuple[Custom, ...]:
    """Return the checked recognizers of a list that are not switched off."""
    return tuple(Custom.of(one) for one in given if one.get("enabled", True))


def mistakes(given: object, languages: Sequence[str]) -> Iterator[Mistake]:
    """Yield what is wrong with a list of recognizers; paths start at the list.

    Args:
        given: Plain values, as YAML has them.
        languages: Those of the detector.
    """
    if not isinstance(given, list):
        yield Mistake((), "a list of recognizers", _shown(given))
        return
    for index, one in enumerate(given):
        found = _of_recognizer(one, languages) if isinstance(one, dict) else [Mistake((), "a mapping", _shown(one))]
        for mistake in found:
            yield mistake._replace(path=(index, *mistake.path))


def _of_recognizer(one: Mapping[str, Any], languages: Sequence[str]) -> Iterator[Mistake]:
    yield from _of_keys(one, _KEYS)
    if one.get("type") == "predefined":
        yield Mistake(("type",), "`custom`", '"predefined"', "name what it finds in the detector's `entities`")
        return
    if "supported_entity" not in one and "supported_entities" not in one:
        yield Mistake((), "the key `supported_entity`", "none", "the name of what it finds, such as TICKET")
    elif not _entity(one):
        yield Mistake(("supported_entities",), "a list of one entity", "another", "write a recognizer for each")
    if not one.get("patterns") and not one.get("deny_list"):
        yield Mistake((), "the key `patterns` or `deny_list`", "none")
    for index, pattern in enumerate(_list(one.get("patterns"))):
        for mistake in _of_pattern(pattern):
            yield mistake._replace(path=("patterns", index, *mistake.path))
    for code, _ in _languages(one):
        if code not in languages:
            key = "supported_language" if "supported_language" in one else "supported_languages"
            yield Mistake((key,), f"some of the detector's languages ({', '.join(languages)})", _shown(code))


def _of_pattern(pattern: object) -> Iterator[Mistake]:
    if not isinstance(pattern, dict):
        yield Mistake((), "a mapping with `name`, `regex` and `score`", _shown(pattern))
        return
    yield from _of_keys(pattern, _PATTERN_KEYS)
    for key in _PATTERN_KEYS:
        if key not in pattern:
            yield Mistake((), f"the key `{key}`", "none")
    regex = pattern.get("regex")
    reason = _unreadable(regex) if isinstance(regex, str) else ""
    if reason:
        yield Mistake(("regex",), "a regular expression", _shown(regex), reason)


def _of_keys(given: Mapping[str, Any], known: Mapping[str, tuple[str, Callable[[Any], bool]]]) -> Iterator[Mistake]:
    for key, value in given.items():
        if key not in known:
            yield Mistake((key,), "a known key", _shown(key), did_you_mean(str(key), known) or f"known here: {', '.join(known)}")
            continue
        expected, fits = known[key]
        if not fits(value):
            yield Mistake((key,), expected, _shown(value))


def _unreadable(expression: str) -> str:
    """Return why an expression does not compile; nothing where it does, or where Presidio is not installed anyway."""
    if find_spec("regex") is None:
        return ""
    import regex

    try:
        regex.compile(expression)
    except regex.error as error:
        return str(error)
    return ""


def _entity(given: Mapping[str, Any]) -> str:
    """Return the one entity that a recognizer names, or nothing."""
    named = [given["supported_entity"]] if "supported_entity" in given else _list(given.get("supported_entities"))
    return str(named[0]) if len(named) == 1 else ""


def _languages(given: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    named = [given["supported_language"]] if "supported_language" in given else _list(given.get("supported_languages"))
    return [
        (str(one.get("language")), tuple(_list(one.get("context")))) if isinstance(one, dict) else (str(one), ()) for one in named
    ]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value.strip()) > 0 and len(value) <= 10_000


def _is_score(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_is_text, value))


def _is_entity(value: object) -> bool:
    return isinstance(value, str) and ENTITY.fullmatch(value) is not None


def _is_language(value: object) -> bool:
    return isinstance(value, str) and LANGUAGE.fullmatch(value) is not None


def _is_language_with_context(value: object) -> bool:
    if not isinstance(value, dict):
        return _is_language(value)
    context = value.get("context")
    return (
        value.keys() <= {"language", "context"} and _is_language(value.get("language")) and (not context or _are_texts(context))
    )


_NAME = ("a text", _is_text)
_KEYS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "name": _NAME,
    "type": ("`custom`", lambda value: value in ("custom", "predefined")),
    "enabled": ("true or false", lambda value: isinstance(value, bool)),
    "supported_language": ("a language's code, such as `en`", _is_language),
    "supported_languages": (
        "a list of languages' codes",
        lambda value: isinstance(value, list) and len(value) > 0 and all(map(_is_language_with_context, value)),
    ),
    "supported_entity": ("a name of letters, digits and `_`", _is_entity),
    "supported_entities": ("a list of names", lambda value: isinstance(value, list) and all(map(_is_entity, value))),
    "patterns": ("a list of patterns", lambda value: isinstance(value, list)),
    "deny_list": ("a list of texts", _are_texts),
    "deny_list_score": ("a number in [0, 1]", _is_score),
    "context": ("a list of words", _are_texts),
    "country_code": _NAME,
    "version": _NAME,
}
_PATTERN_KEYS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "name": _NAME,
    "regex": ("a regular expression", _is_text),
    "score": ("a number in [0, 1]", _is_score),
}


def _shown(value: object) -> str:
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else quoted(value)
