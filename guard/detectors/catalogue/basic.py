"""The kinds of the base install that need no model of somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from guard import categories
from guard.detectors.catalogue.late import fixed, graded, late
from guard.policy.kinds import Kind, Mistake, Option, Scores

_ENTITIES = Option("strings", "the categories to look for; all where absent")


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


KINDS = (
    Kind(
        use="patterns",
        summary="your own patterns (RE2 syntax) and word lists",
        make=late("guard.detectors.patterns", "make"),
        categories=late("guard.detectors.patterns", "categories_of"),
        scores=late("guard.detectors.patterns", "scores_of"),
        check=late("guard.detectors.patterns", "check"),
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
        make=late("guard.detectors.pii", "make"),
        categories=fixed(categories.PII),
        check=_known_entities(categories.PII),
        options={"entities": _ENTITIES},
    ),
    Kind(
        use="secrets",
        summary="keys, tokens and passwords",
        make=late("guard.detectors.secrets", "make"),
        categories=fixed(categories.SECRETS),
        check=_known_entities(categories.SECRETS),
        options={"entities": _ENTITIES},
    ),
    Kind(
        use="injection",
        summary="instruction override, role-play jailbreak, prompt extraction, encoded payloads, chat-template tokens",
        make=late("guard.detectors.injection", "make"),
        categories=fixed(("injection", "jailbreak")),
    ),
    Kind(
        use="obfuscation",
        summary="text that hides from detectors: stacked marks, endless or nested encodings",
        make=late("guard.detectors.obfuscation", "make"),
        categories=fixed(("obfuscation",)),
        scores=lambda _options: Scores(1.0),
    ),
    Kind(
        use="embedded",
        summary="the trained classifier that ships with Tenet",
        make=late("guard.detectors.embedded", "make"),
        categories=late("guard.detectors.embedded", "categories_of"),
        spans=False,
        reach="window",
        scores=graded(0.01),
        ships=("detectors/models/linear.safetensors",),
        options={
            "after": Option("integer", "characters after which a window may end at a sentence", minimum=1, maximum=10_000),
            "most": Option("integer", "characters that a window has at most", minimum=40, maximum=10_000),
            "context": Option("integer", "characters before a window that are shown with it", minimum=0, maximum=10_000),
        },
    ),
)
