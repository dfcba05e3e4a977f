"""Small rules and small models: language, topic, gibberish, invisible text, links, code."""

from __future__ import annotations

from guard.detectors.catalogue.late import fixed, late
from guard.policy.kinds import Kind, Option

_TOPICS = "each with `name` and `words`, `phrases` or `patterns` (RE2 syntax), optionally `score`"

KINDS: tuple[Kind, ...] = (
    Kind(
        use="topic",
        summary="what a text is about, by words: denied topics, or none of those allowed",
        make=late("guard.detectors.rules.topic", "make"),
        categories=late("guard.detectors.rules.topic", "categories_of"),
        check=late("guard.detectors.rules.topic", "check"),
        options={
            "denied": Option("list", f"topics to find: {_TOPICS}"),
            "allowed": Option("list", f"topics of which a text must touch one: {_TOPICS}; judges whole texts"),
            "least": Option("integer", "words that a text has at least before it can be off topic; 8 where absent", minimum=1),
        },
    ),
    Kind(
        use="language",
        summary="text in a language that is not allowed",
        make=late("guard.detectors.rules.language", "make"),
        categories=fixed(("language",)),
        check=late("guard.detectors.rules.language", "check"),
        reach="window",
        extra="language",
        modules=("py3langid",),
        licence="BSD-3-Clause",
        options={
            "allowed": Option("strings", "ISO 639 codes, such as `en`", required=True),
            "least": Option("integer", "letters that a stretch has at least; 20 where absent", minimum=4, maximum=400),
        },
    ),
    Kind(
        use="gibberish",
        summary="keyboard mashing, random letters, endless repetition, machine-made suffixes",
        make=late("guard.detectors.rules.gibberish", "make"),
        categories=fixed(("gibberish",)),
        reach="window",
    ),
    Kind(
        use="invisible",
        summary="characters that nobody sees and that spell something, or that turn a text round",
        make=late("guard.detectors.rules.invisible", "make"),
        categories=fixed(("obfuscation",)),
    ),
    Kind(
        use="url",
        summary="links: denied domains, look-alikes, data and script URLs, data carried away",
        make=late("guard.detectors.rules.url", "make"),
        categories=late("guard.detectors.rules.url", "categories_of"),
        check=late("guard.detectors.rules.url", "check"),
        options={
            "denied": Option("strings", "domains that are found, with their subdomains"),
            "allowed": Option("strings", "domains that may be named and sent data; with it, every other is denied"),
            "brands": Option("strings", "domains of your own that others may pose as, besides well-known ones"),
        },
    ),
    Kind(
        use="code",
        summary="commands and queries that destroy or break in: shell, SQL",
        make=late("guard.detectors.rules.code", "make"),
        categories=late("guard.detectors.rules.code", "categories_of"),
        check=late("guard.detectors.rules.code", "check"),
        options={"languages": Option("strings", "`shell` and `sql`; both where absent")},
    ),
)
