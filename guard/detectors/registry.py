"""Which detectors there are: those of the base install, and those that other packages offer by the group `tenet.detectors`.

A kind is looked up without importing what it needs; only `make` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from guard import categories
from guard.policy.model import DetectorConfig, Kind, Mistake, Option
from guard.values import Detector

ENTRY_POINT_GROUP = "tenet.detectors"


@cache
def kinds() -> Mapping[str, Kind]:
    """Return every kind of detector by the word that `use:` takes.

    An entry point names a `Kind`; it cannot replace one of Tenet's own.
    """
    found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    return {**{name: point.load() for name, point in found.items()}, **_OWN}


def build(configs: Mapping[str, DetectorConfig], known: Mapping[str, Kind]) -> dict[str, Detector]:
    """Return the detectors of a policy, by name.

    Args:
        configs: As the policy declares them.
        known: What stands behind `use:`.

    Raises:
        MissingExtra: Where one needs packages that are not installed.
    """
    return {name: known[config.use].make(name, config.options) for name, config in configs.items()}


def _late(module: str, function: str) -> Callable[..., Any]:
    """Return `function` of `module`, imported when first called."""

    def call(*arguments: Any) -> Any:  # noqa: ANN401
        return getattr(import_module(module), function)(*arguments)

    return call


def _fixed(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    return lambda _options: tuple(names)


def _known_entities(known: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Mistake]]:
    """Return a check that `entities` names only what the detector can find."""

    def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
        return [
            Mistake(("entities", index), f"one of {', '.join(known)}", f'"{name}"', _meant(name, known))
            for index, name in enumerate(options.get("entities", ()))
            if not any(categories.matches(name, category) for category in known)
        ]

    return check


def _meant(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else ""


_ENTITIES = Option("strings", "the categories to look for; all where absent")

_OWN: dict[str, Kind] = {
    kind.use: kind
    for kind in (
        Kind(
            use="patterns",
            summary="your own patterns (RE2 syntax) and word lists",
            make=_late("guard.detectors.patterns", "make"),
            categories=_late("guard.detectors.patterns", "categories_of"),
            check=_late("guard.detectors.patterns", "check"),
            options={
                "patterns": Option("list", "each with `pattern`, `category`, and optionally `score`, `views`, `group`"),
                "words": Option("list", "words or phrases to find however they are spelled"),
                "words_file": Option("string", "a file with one word a line, relative to the policy", path=True),
                "category": Option("string", "the category of the words"),
                "score": Option("number", "the score of a word", minimum=0, maximum=1),
            },
        ),
        Kind(
            use="pii",
            summary="personal data, validated and not only matched",
            make=_late("guard.detectors.pii", "make"),
            categories=_fixed(categories.PII),
            check=_known_entities(categories.PII),
            options={"entities": _ENTITIES},
        ),
        Kind(
            use="secrets",
            summary="keys, tokens and passwords",
            make=_late("guard.detectors.secrets", "make"),
            categories=_fixed(categories.SECRETS),
            check=_known_entities(categories.SECRETS),
            options={"entities": _ENTITIES},
        ),
        Kind(
            use="injection",
            summary="instruction override, role-play jailbreak, prompt extraction, encoded payloads, chat-template tokens",
            make=_late("guard.detectors.injection", "make"),
            categories=_fixed(("injection", "jailbreak")),
        ),
        Kind(
            use="obfuscation",
            summary="text that hides from detectors: stacked marks, endless or nested encodings",
            make=_late("guard.detectors.obfuscation", "make"),
            categories=_fixed(("obfuscation",)),
        ),
        Kind(
            use="embedded",
            summary="the trained classifier that ships with Tenet",
            make=_late("guard.detectors.embedded", "make"),
            categories=_late("guard.detectors.embedded", "categories_of"),
            spans=False,
            reach="window",
            options={
                "after": Option("integer", "characters after which a window may end at a sentence", minimum=1, maximum=10_000),
                "most": Option("integer", "characters that a window has at most", minimum=40, maximum=10_000),
                "context": Option("integer", "characters before a window that are shown with it", minimum=0, maximum=10_000),
            },
        ),
    )
}
