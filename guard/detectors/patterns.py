"""The detector `patterns`: a policy's own patterns and word lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Any

from guard.detectors.scanning import Pattern, PatternScanner
from guard.detectors.scanning import check as check_pattern
from guard.detectors.wordlists import word_patterns
from guard.policy.kinds import Mistake, Scores
from guard.text import NAMES, folded

VERSION = "patterns-1"
CATEGORY = "custom"
"""The category of what names none."""

_VIEWS = ("raw", "canonical")
_KEYS = ("pattern", "category", "score", "views", "group")
_HINTS = {
    "(?=": "RE2 has no look-ahead: match what follows too, and name the wanted part with `group`",
    "(?!": "RE2 has no negative look-ahead: match more, and let an `allow` rule override",
    "(?<=": "RE2 has no look-behind: match what stands before too, and name the wanted part with `group`",
    "(?<!": "RE2 has no negative look-behind: begin with (?:^|[^…]), and name the wanted part with `group`",
    "(?>": "RE2 needs no atomic groups, for it never backtracks: write (?:",
    "(?P=": "RE2 has no backreferences",
    r"\Z": r"RE2 writes the end of the text \z",
    **{rf"\{digit}": "RE2 has no backreferences" for digit in range(1, 10)},
}


def make(name: str, options: Mapping[str, Any]) -> PatternScanner:
    """Return a scanner for the patterns and words of `options`.

    Raises:
        ValueError: Where `check` would find a mistake.
    """
    words = [*_words_of(options)]
    version = VERSION
    if "words_file" in options:
        version += "-" + sha256("\n".join(words).encode("utf-8", "replace")).hexdigest()[:16]
    own = [_pattern(entry, options) for entry in options.get("patterns", ())]
    for pattern in own:
        check_pattern(pattern)
    found = word_patterns(words, options.get("category", CATEGORY), float(options.get("score", 1.0)))
    return PatternScanner(name, [*own, *found], version)


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the categories that patterns and words of `options` report."""
    default = options.get("category", CATEGORY)
    names = [entry.get("category", default) for entry in options.get("patterns", ()) if isinstance(entry, Mapping)]
    if options.get("words") or "words_file" in options:
        names.append(default)
    return tuple(dict.fromkeys(names))


def scores_of(options: Mapping[str, Any]) -> Scores:
    """Return the lowest and the highest score that patterns and words of `options` report."""
    scores = [float(entry.get("score", 1.0)) for entry in options.get("patterns", ()) if isinstance(entry, Mapping)]
    if options.get("words") or "words_file" in options:
        scores.append(float(options.get("score", 1.0)))
    return Scores(min(scores, default=0.0), max(scores, default=1.0))


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in patterns and word lists."""
    if not options.get("patterns") and not options.get("words") and "words_file" not in options:
        return [Mistake((), "`patterns`, `words` or `words_file`", "none of them")]
    mistakes: list[Mistake] = []
    for index, entry in enumerate(options.get("patterns", ())):
        mistakes += _mistakes_in(entry, ("patterns", index))
    for index, word in enumerate(options.get("words", ())):
        if not isinstance(word, str) or not folded(word).strip():
            mistakes.append(Mistake(("words", index), "a word or phrase", repr(word)))
    return mistakes or [*_mistakes_in_file(options)]


def _pattern(entry: Mapping[str, Any], options: Mapping[str, Any]) -> Pattern:
    return Pattern(
        entry["pattern"],
        entry.get("category", options.get("category", CATEGORY)),
        float(entry.get("score", 1.0)),
        entry.get("group", 0),
        tuple(entry.get("views", _VIEWS)),
    )


def _words_of(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words; in a file one stands on each line, and a line that begins with # is a comment."""
    yield from options.get("words", ())
    if "words_file" in options:
        for line in Path(options["words_file"]).read_text(encoding="utf-8-sig").splitlines():
            if line.strip() and not line.startswith("#"):
                yield line.strip()


def _mistakes_in(entry: Any, path: tuple[str | int, ...]) -> Iterator[Mistake]:  # noqa: ANN401
    if not isinstance(entry, Mapping):
        yield Mistake(path, "a mapping with `pattern` and `category`", repr(entry))
        return
    for key in entry:
        if key not in _KEYS:
            near = get_close_matches(str(key), _KEYS, n=1)
            yield Mistake((*path, key), "one of " + ", ".join(_KEYS), repr(key), f"did you mean `{near[0]}`?" if near else "")
    sound = True
    for key, (expected, is_sound) in _EXPECTED.items():
        if key in entry and not is_sound(entry[key]):
            sound = False
            yield Mistake((*path, key), expected, repr(entry[key]))
    if "pattern" not in entry:
        yield Mistake((*path, "pattern"), "a pattern in RE2's syntax", "none")
    elif sound:
        yield from _mistakes_in_expression(entry, path)


def _mistakes_in_expression(entry: Mapping[str, Any], path: tuple[str | int, ...]) -> Iterator[Mistake]:
    try:
        check_pattern(_pattern(entry, {}))
    except ValueError as error:
        hint = next((hint for sign, hint in _HINTS.items() if sign in entry["pattern"]), "")
        yield Mistake((*path, "pattern"), "a pattern in RE2's syntax", f"{entry['pattern']!r}: {error}", hint)


def _mistakes_in_file(options: Mapping[str, Any]) -> Iterator[Mistake]:
    if "words_file" not in options:
        return
    try:
        words = [*_words_of({"words_file": options["words_file"]})]
    except (OSError, UnicodeDecodeError) as error:
        yield Mistake(("words_file",), "a readable text file in UTF-8", f"{options['words_file']}: {error}")
        return
    if not any(folded(word).strip() for word in words):
        yield Mistake(("words_file",), "at least one word", f"none in {options['words_file']}")


def _is_number(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_index(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_views(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, Sequence) and not isinstance(value, str) and bool(value) and all(view in NAMES for view in value)


def _is_name(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, str) and bool(value.strip())


_EXPECTED = {
    "pattern": ("a pattern in RE2's syntax", _is_name),
    "category": ("a category", _is_name),
    "score": ("a number in [0, 1]", _is_number),
    "views": ("a list of " + ", ".join(NAMES), _are_views),
    "group": ("the number of a group, 0 for the whole match", _is_index),
}
