"""What a result says beside its figures: what weakens it, and answers to read side by side."""

from __future__ import annotations

from collections.abc import Sequence

from alignment.evaluation.judged import Both
from alignment.evaluation.judging import Judge
from alignment.evaluation.measuring import Judges
from alignment.evaluation.prompts import Prompts
from alignment.evaluation.result import Measure, Sample
from alignment.records import spoken

_SHOWN = 2000
"""Characters of a text that are shown."""


def warnings_of(prompts: Prompts, measures: Sequence[Measure], judges: Judges, *, same_model: bool) -> list[str]:
    """Return what weakens an evaluation, in sentences."""
    found = ["baseline and candidate are the same model"] if same_model else []
    for each in prompts.described():
        if others := {reason: count for reason, count in each.left_out.items() if reason != "more-than-asked"}:
            found.append(f"{each.name}: left out {', '.join(f'{count:,} {reason}' for reason, count in others.items())}")
    for measure in measures:
        if not measure.part and measure.needed and measure.prompts < measure.needed and measure.evaluator:
            found.append(
                f"{measure.key}: {measure.prompts:,} prompts; about {measure.needed:,} would tell it to within the margin"
            )
    unclear = {
        judge.name: judge.unclear for judge in (*judges.harm, judges.chooser) if isinstance(judge, Judge) and judge.unclear
    }
    found += [f"{name}: {count:,} verdicts could not be read" for name, count in unclear.items()]
    return found


def samples_of(both: Both, judges: Judges, most: int) -> list[Sample]:
    """Return some prompts with both first answers, those on which the models differ most first."""
    places = sorted(range(len(both.asks)), key=lambda place: _alike(both, place))
    return [_sample(both, place, judges) for place in places[:most]]


def _alike(both: Both, place: int) -> tuple[int, int, int]:
    one, other = both.baseline, both.candidate
    acts = one.decisions[place][0].action != other.decisions[place][0].action if one.decisions else False
    same = one.answers[place][0].text == other.answers[place][0].text
    return (-int(one.refused[place][0] != other.refused[place][0]) - int(acts), int(same), place)


def _sample(both: Both, place: int, judges: Judges) -> Sample:
    ask = both.asks[place]
    sides = (both.baseline, both.candidate)
    harm = [side.harm[judges.harm[0].name][place][0] if side.harm else None for side in sides]
    actions = [side.decisions[place][0].action.word if side.decisions else "" for side in sides]
    return Sample(
        set=ask.set,
        category=ask.category,
        prompt=spoken(ask.messages)[:_SHOWN],
        baseline=sides[0].answers[place][0].text[:_SHOWN],
        candidate=sides[1].answers[place][0].text[:_SHOWN],
        baseline_refused=bool(sides[0].refused[place][0]),
        candidate_refused=bool(sides[1].refused[place][0]),
        baseline_harm=harm[0],
        candidate_harm=harm[1],
        baseline_action=actions[0],
        candidate_action=actions[1],
    )
