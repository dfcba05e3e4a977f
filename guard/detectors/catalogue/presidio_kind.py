"""Presidio, by the word `presidio`."""

from __future__ import annotations

from guard.detectors.catalogue.late import late
from guard.policy.kinds import Kind, Option

KINDS: tuple[Kind, ...] = (
    Kind(
        use="presidio",
        summary="personal data by Microsoft Presidio: its recognizers, context words, and patterns of your own",
        make=late("guard.detectors.presidio.detector", "make"),
        categories=late("guard.detectors.presidio.options", "categories_of"),
        check=late("guard.detectors.presidio.options", "check"),
        reach="spans",
        extra="presidio",
        modules=("presidio_analyzer", "spacy"),
        licence="MIT",
        options={
            "entities": Option("strings", "Presidio's names of what to look for; its default ones where absent"),
            "languages": Option("strings", "codes of the languages that texts may be in; `en` where absent"),
            "model": Option(
                "string", "an installed spaCy model's name, or a folder with one; patterns only where absent", path=True, hub=True
            ),
            "recognizers": Option("list", "recognizers of your own, as Presidio's YAML has them"),
            "recognizers_file": Option("string", "a file of such recognizers, relative to the policy", path=True),
            "categories": Option("mapping", "the categories to report entities as, by the entities' names"),
            "score_threshold": Option("number", "the score below which nothing is reported", minimum=0, maximum=1),
            "allow_list": Option("strings", "texts that are never reported"),
            "context": Option("strings", "words that count as if they stood near every text"),
            "size": Option("integer", "characters of a window", minimum=400, maximum=100_000),
            "overlap": Option("integer", "characters that a window shares with the next", minimum=50, maximum=10_000),
        },
    ),
)
