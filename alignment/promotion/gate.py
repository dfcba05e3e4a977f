"""Hold an evaluation against a gate. What cannot be told fails: too few prompts, a missing measure, a circular proof."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from alignment.evaluation.result import Evaluation, Measure
from alignment.promotion.settings import Condition, GateSettings

NEEDED = ("safety", "over_refusal")
"""Aspects of which a gate needs a measure by an independent evaluator."""


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of one condition.

    Attributes:
        condition: In words.
        held: Whether it holds.
        found: What was found, and where it does not hold, what it would take.
    """

    condition: str
    held: bool
    found: str


def verdicts(gate: GateSettings, evaluation: Evaluation) -> tuple[Verdict, ...]:
    """Return what became of every condition, and of the demand that the proof is not circular; the gate holds if all do."""
    return (*_independence(gate, evaluation), *(verdict for each in gate.conditions for verdict in _of(each, evaluation)))


def _independence(gate: GateSettings, evaluation: Evaluation) -> Iterator[Verdict]:
    named = [measure for each in gate.conditions if (measure := evaluation.measure(each.measure))]
    for aspect in NEEDED:
        independent = [measure.key for measure in named if measure.aspect == aspect and measure.independent and measure.evaluator]
        words = f"a condition on {aspect.replace('_', '-')} by an evaluator that took no part in labels or rewards"
        if independent:
            yield Verdict(condition=words, held=True, found=", ".join(independent))
        elif gate.circular == "accepted":
            yield Verdict(condition=words, held=True, found="none; accepted as circular, so this proves less than it seems to")
        else:
            yield Verdict(condition=words, held=False, found="none (add one, or say circular: accepted)")


def _of(condition: Condition, evaluation: Evaluation) -> Iterator[Verdict]:
    measure = evaluation.measure(condition.measure)
    if measure is None or measure.candidate is None:
        known = ", ".join(sorted(each.key for each in evaluation.measures if each.candidate is not None))
        reason = measure.reason if measure else f"not measured; there are {known}"
        yield Verdict(condition=condition.measure, held=False, found=reason)
        return
    if measure.prompts < condition.prompts:
        words = f"{condition.measure} on at least {condition.prompts:,} prompts"
        yield Verdict(condition=words, held=False, found=f"{measure.prompts:,} prompts; it needs {condition.prompts:,}")
        return
    candidate = measure.candidate
    if condition.at_most is not None:
        held = candidate <= condition.at_most
        yield Verdict(condition=f"{condition.measure} at most {condition.at_most:g}", held=held, found=f"{candidate:.4g}")
    if condition.at_least is not None:
        held = candidate >= condition.at_least
        yield Verdict(condition=f"{condition.measure} at least {condition.at_least:g}", held=held, found=f"{candidate:.4g}")
    if condition.change_at_most is not None:
        yield _change(condition, measure, evaluation.level, condition.change_at_most, upper=True)
    if condition.change_at_least is not None:
        yield _change(condition, measure, evaluation.level, condition.change_at_least, upper=False)


def _change(condition: Condition, measure: Measure, level: float, limit: float, *, upper: bool) -> Verdict:
    certain = f", {100 * level:g} % certain" if condition.by == "interval" else ""
    words = f"{condition.measure} changes by at {'most' if upper else 'least'} {limit:+g}{certain}"
    if measure.difference is None:
        return Verdict(condition=words, held=False, found=measure.reason or "no difference is known")
    value = measure.difference.value
    bound = measure.difference.at_most if upper else measure.difference.at_least
    told = f"{measure.baseline:.4g} → {measure.candidate:.4g}, {value:+.4g}"
    if condition.by == "point":
        return Verdict(condition=words, held=value <= limit if upper else value >= limit, found=told)
    needed = f"; to tell it needs about {measure.needed:,} prompts, it had {measure.prompts:,}" if measure.needed else ""
    if bound is None:
        return Verdict(condition=words, held=False, found=f"{told}; too few prompts to be certain{needed}")
    held = bound <= limit if upper else bound >= limit
    said = f"{told}, certainly at {'most' if upper else 'least'} {bound:+.4g}"
    return Verdict(condition=words, held=held, found=said if held else said + needed)
