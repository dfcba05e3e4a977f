"""The detector `topic`: what a text is about, told by words that a policy lists.

A denied topic is found where one of its words stands, however it is spelled. With allowed topics, a text that has enough words
and touches none of them is off topic, which only its end can tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guard.detectors.rules.words import has_words
from guard.detectors.scanning import Pattern, PatternScanner
from guard.detectors.scanning import check as check_pattern
from guard.detectors.wordlists import word_patterns
from guard.policy.kinds import Mistake
from guard.text import folded
from guard.values import Detector, Finding, Item, Needs, Runs, WholeReach

VERSION = "topic-1"
OFF = "topic"
"""The category of a text that touches no allowed topic."""

_INLINE = 1 << 16
_LEAST = 8
_KEYS = ("name", "words", "phrases", "patterns", "score")
_VIEWS = ("raw", "canonical")


def make(name: str, options: Mapping[str, Any]) -> Detector:
    """Return a scanner for the denied topics; with allowed ones a detector that judges whole texts.

    Raises:
        ValueError: Where `check` would find a mistake.
    """
    denied = [pattern for topic in options.get("denied", ()) for pattern in _patterns(topic)]
    scanner = PatternScanner(name, denied, VERSION) if denied else None
    if not options.get("allowed"):
        if scanner is None:
            raise ValueError("expected `denied` or `allowed` topics")
        return scanner
    allowed = [pattern for topic in options["allowed"] for pattern in _patterns(topic)]
    return OnTopic(name, PatternScanner(name, allowed, VERSION), scanner, options.get("least", _LEAST))


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return `topic/<name>` for each denied topic, and `topic` where there are allowed ones."""
    denied = [f"{OFF}/{topic['name']}" for topic in options.get("denied", ()) if isinstance(topic, Mapping) and topic.get("name")]
    return tuple(dict.fromkeys([*denied, *([OFF] if options.get("allowed") else [])]))


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in the topics."""
    if not options.get("denied") and not options.get("allowed"):
        return [Mistake((), "`denied` or `allowed` topics", "none of them")]
    return [
        mistake
        for key in ("denied", "allowed")
        for index, topic in enumerate(options.get(key, ()))
        for mistake in _mistakes_in(topic, (key, index))
    ]


class OnTopic:
    """Judges whole texts: whether they touch one of the allowed topics, and none that is denied."""

    version = VERSION
    needs = Needs(reach=WholeReach(), views=("raw", "canonical", "folded"), runs=Runs.INLINE)

    def __init__(self, name: str, allowed: PatternScanner, denied: PatternScanner | None, least: int) -> None:
        """Take what tells the topics.

        Args:
            least: Words that a text has at least before it can be off topic.
        """
        self.name = name
        self.categories = (*(denied.categories if denied else ()), OFF)
        self._allowed = allowed
        self._denied = denied
        self._least = least

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return for each item what is denied in it, and without a span that it touches nothing allowed."""
        denied = self._denied.detect(items) if self._denied else [[] for _ in items]
        on_topic = self._allowed.detect(items)
        return [[*found, *self._off(item, touched)] for item, found, touched in zip(items, denied, on_topic, strict=True)]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same, in a thread where the texts are long."""
        if sum(len(item.text) for item in items) <= _INLINE:
            return self.detect(items)
        return await asyncio.to_thread(self.detect, items)

    def _off(self, item: Item, touched: Sequence[Finding]) -> Iterator[Finding]:
        if not touched and has_words(item.text[item.judged_from :], self._least):
            yield Finding(self.name, OFF, 1.0, None, item.location, item.role)


def _patterns(topic: Mapping[str, Any]) -> Iterator[Pattern]:
    category, score = f"{OFF}/{topic['name']}", float(topic.get("score", 1.0))
    yield from word_patterns([*topic.get("words", ()), *topic.get("phrases", ())], category, score)
    for expression in topic.get("patterns", ()):
        pattern = Pattern(expression, category, score, views=_VIEWS)
        check_pattern(pattern)
        yield pattern


def _mistakes_in(topic: Any, path: tuple[str | int, ...]) -> Iterator[Mistake]:  # noqa: ANN401
    if not isinstance(topic, Mapping):
        yield Mistake(path, "a mapping with `name` and `words`, `phrases` or `patterns`", repr(topic))
        return
    for key in topic:
        if key not in _KEYS:
            yield Mistake((*path, key), "one of " + ", ".join(_KEYS), repr(key))
    name = topic.get("name")
    if not isinstance(name, str) or not name.strip() or "/" in name or "*" in name:
        yield Mistake((*path, "name"), "a name without / and *", repr(name))
    score = topic.get("score", 1)
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        yield Mistake((*path, "score"), "a number in [0, 1]", repr(score))
    if not any(topic.get(key) for key in ("words", "phrases", "patterns")):
        yield Mistake(path, "`words`, `phrases` or `patterns`", "none of them")
    for key in ("words", "phrases", "patterns"):
        yield from _mistakes_in_list(topic.get(key, ()), key, (*path, key))


def _mistakes_in_list(entries: Any, key: str, path: tuple[str | int, ...]) -> Iterator[Mistake]:  # noqa: ANN401
    if isinstance(entries, str) or not isinstance(entries, Sequence):
        yield Mistake(path, "a list", repr(entries))
        return
    for index, entry in enumerate(entries):
        if not isinstance(entry, str) or not (entry.strip() if key == "patterns" else folded(entry).strip()):
            yield Mistake((*path, index), "a pattern" if key == "patterns" else "a word or phrase", repr(entry))
        elif key == "patterns":
            try:
                check_pattern(Pattern(entry, OFF))
            except ValueError as error:
                yield Mistake((*path, index), "a pattern in RE2's syntax", f"{entry!r}: {error}")
