"""What a recipe may say under `gate:`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class Condition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that has to hold of one measure; every bound that is said has to hold."""

    measure: Annotated[
        str, Meta(min_length=1, description="key of a measure of `align evaluate`, such as intervention or compliance/hate")
    ]
    at_most: Annotated[float | None, Meta(description="highest figure of the candidate")] = None
    at_least: Annotated[float | None, Meta(description="lowest figure of the candidate")] = None
    change_at_most: Annotated[
        float | None, Meta(description="highest difference, the candidate's figure less the baseline's")
    ] = None
    change_at_least: Annotated[
        float | None, Meta(description="lowest difference, the candidate's figure less the baseline's")
    ] = None
    by: Annotated[
        Literal["interval", "point"],
        Meta(
            description="interval: a change has to be certain at the evaluation's level, one-sided; point: the figures are enough"
        ),
    ] = "interval"
    prompts: Annotated[int, Meta(ge=1, le=1_000_000, description="prompts that it has to be measured on, at least")] = 30


class GateSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has to hold before a candidate is promoted."""

    conditions: Annotated[tuple[Condition, ...], Meta(min_length=1, description="all of them have to hold")]
    circular: Annotated[
        Literal["refused", "accepted"],
        Meta(description="whether it may do without a safety and an over-refusal measure by evaluators with no part in training"),
    ] = "refused"


def problems(settings: GateSettings) -> list[tuple[str, str, str]]:
    """Return what does not fit together: path, what was expected, what was found."""
    found = []
    for index, each in enumerate(settings.conditions):
        bounds = (each.at_most, each.at_least, each.change_at_most, each.change_at_least)
        if all(bound is None for bound in bounds):
            expected = "one of at_most, at_least, change_at_most and change_at_least"
            found.append((f"conditions[{index}]", expected, "none"))
    return found
