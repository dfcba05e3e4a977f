"""Kinds that put other detectors in order, from cheap to dear."""

from __future__ import annotations

from guard.detectors.catalogue.late import late
from guard.policy.kinds import Kind, Option

KINDS: tuple[Kind, ...] = (
    Kind(
        use="cascade",
        summary="other detectors in order, from cheap to dear: each is asked about what the one before it was unsure of",
        make=late("guard.detectors.cascade", "make"),
        categories=lambda _options: (),
        check=late("guard.detectors.cascade", "check"),
        refers=lambda options: tuple(name for name in options["stages"] if isinstance(name, str)),
        reach="window",
        options={
            "stages": Option("strings", "names of detectors, from cheap to dear", required=True),
            "low": Option("number", "scores below this are clear: nothing is there; 0.2 where absent", minimum=0, maximum=1),
            "high": Option("number", "scores above this are clear: it is there; 0.9 where absent", minimum=0, maximum=1),
            "categories": Option("strings", "the categories whose scores count; all where absent"),
            "bands": Option("mapping", "for a stage's name: its own `low`, `high` and `categories`"),
        },
    ),
)
