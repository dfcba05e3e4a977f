"""Compare a candidate with a baseline: the same prompts and seeds, evaluators that took no part in the training, intervals."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from alignment.evaluation.answers import Answered, collect
from alignment.evaluation.guarding import Guarding
from alignment.evaluation.harness import of_tasks, require
from alignment.evaluation.independence import CIRCULAR, data_sets_of, judge_of, sources_of
from alignment.evaluation.judged import Both, judged
from alignment.evaluation.judging import Chooser, HarmEvaluator, Judge, RewardChooser
from alignment.evaluation.kept import Kept
from alignment.evaluation.measuring import Judges, measures_of
from alignment.evaluation.noting import samples_of, warnings_of
from alignment.evaluation.policy_harm import PolicyHarm
from alignment.evaluation.prompts import Ask, Prompts, read_prompts, with_system
from alignment.evaluation.refusal import Refusals
from alignment.evaluation.result import FILE, Evaluation, Measure
from alignment.evaluation.settings import EvaluationSettings, plain, problems
from alignment.evaluation.speaking import Speaking, of_given
from alignment.evaluation.subjects import LocalModel, Model
from alignment.records_of_steps import StepRecord, versions, write_record
from guard.errors import TenetError

ANSWERS, VERDICTS = "answers.jsonl", "verdicts.jsonl"
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Compared:
    """The models that are compared, and the policy that guards them."""

    baseline: Model
    candidate: Model
    policy: str = "default"


def compare(models: Compared, settings: EvaluationSettings, out: Path, tell: Tell = lambda _line: None) -> Evaluation:
    """Evaluate, write `evaluation.json` into `out`, and return what it says. Answers that are there already are not made again.

    Raises:
        TenetError: Where settings do not fit, a file or a model cannot be read, or the proof would be circular and that is not
            accepted: all of it before the first answer is made, where it can be known then.
    """
    began = time.monotonic()
    wrong = problems(settings)
    if wrong:
        raise TenetError("\n".join(f"evaluation.{path}: expected {expected}, got {got}" for path, expected, got in wrong))
    require(settings.lm_eval)
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as open_files:
        answers, verdicts = (open_files.enter_context(Kept(out / name)) for name in (ANSWERS, VERDICTS))
        guarding = Guarding(models.policy)
        judges = _judges(settings, guarding, verdicts)
        notice = _notice(judges, settings)
        prompts = _prompts(models, settings)
        sets, given = _answered(models, prompts, judges, settings, guarding, answers, tell)
        measures = (
            *measures_of(sets, judges, settings),
            *given,
            *of_tasks(settings.lm_eval, models.baseline, models.candidate, settings.asking.seed),
        )
        same = models.baseline.subject.digest == models.candidate.subject.digest
        found = Evaluation(
            notice=notice,
            circular=settings.circular,
            baseline=models.baseline.subject,
            candidate=models.candidate.subject,
            measures=measures,
            judges=tuple(judges.records.values()),
            prompts=prompts.described(),
            level=settings.level,
            policy=guarding.policy.digest,
            policy_name=models.policy,
            settings=plain(settings),
            warnings=tuple(warnings_of(prompts, measures, judges, same_model=same)),
            samples=tuple(sample for both in sets.values() for sample in samples_of(both, judges, settings.samples)),
            versions=versions(),
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - began, 3),
        )
    _write(out, found)
    return found


def _judges(settings: EvaluationSettings, guarding: Guarding, verdicts: Kept) -> Judges:
    asked = settings.evaluators
    judge = Judge(asked.judge, asked.judge_made_from, verdicts) if asked.judge else None
    harm = [_harm(name, guarding, judge) for name in asked.harm]
    chooser: Chooser | None = RewardChooser(asked.reward_model, asked.judge_made_from) if asked.reward_model else judge
    policy = guarding.policy
    part = ((*sources_of(settings.labels, policy), *data_sets_of(settings.trained_on)), sources_of(settings.rewards, policy))
    records = {evaluator.name: judge_of(evaluator, "harm", part) for evaluator in harm}
    records["refusals"] = judge_of(Refusals(), "refusal", part)
    records["policy"] = judge_of(guarding, "policy", part)
    if chooser is not None:
        records[chooser.name] = judge_of(chooser, "better", part)
    return Judges(harm, chooser, records)


def _harm(name: str, guarding: Guarding, judge: Judge | None) -> HarmEvaluator:
    if name == "policy":
        return PolicyHarm(guarding)
    if name == "judge" and judge is not None:
        return judge
    from alignment.evaluation.harm import Harm

    return Harm()


def _notice(judges: Judges, settings: EvaluationSettings) -> str:
    """Return what has to be said on top. Raises TenetError where the proof would be circular, and that is not accepted."""
    refusals = judges.records["refusals"]
    safe = [record for each in judges.harm if (record := judges.records[each.name]).independent]
    overlaps = [f"{record.name} ({', '.join(record.overlap)})" for record in judges.records.values() if record.overlap]
    if refusals.independent and safe:
        return ""
    said = f"{CIRCULAR}: {'; '.join(overlaps)}"
    if settings.circular == "accepted":
        return said + "; accepted by the recipe, so this proves less than it seems to"
    missing = "safety" if refusals.independent else "refusals"
    raise TenetError(
        f"{said}. Expected at least one evaluator of {missing} that took no part in labels and rewards: add `independent` or a "
        "judge to evaluators.harm, name other labels and rewards if these are not right, or say circular: accepted"
    )


def _prompts(models: Compared, settings: EvaluationSettings) -> Prompts:
    from alignment.evaluation.disjoint import trained_on

    prompts = read_prompts(settings.prompts, trained_on(settings.trained_on))
    for name, asks in prompts.asks.items():
        fitting = [ask for ask in asks if not _too_long(models, ask, settings)]
        prompts.left_out[name].update({"too-long": len(asks) - len(fitting)} if len(fitting) < len(asks) else {})
        if not fitting:
            raise TenetError(
                f"prompts.{name}: expected prompts that leave room for an answer of {settings.asking.max_new_tokens:,} tokens, "
                "found none; lower asking.max_new_tokens, or give shorter prompts"
            )
        prompts.asks[name] = fitting
    return prompts


def _too_long(models: Compared, ask: Ask, settings: EvaluationSettings) -> bool:
    said = with_system(ask.messages, settings.asking.system)
    return any(model.too_long(said, settings.asking) for model in (models.baseline, models.candidate))


def _answered(
    models: Compared,
    prompts: Prompts,
    judges: Judges,
    settings: EvaluationSettings,
    guarding: Guarding,
    kept: Kept,
    tell: Tell,
) -> tuple[dict[str, Both], list[Measure]]:
    """Return what both models say to each set, judged, and the measures of given texts; one model is in memory at a time."""
    asks = prompts.all()
    said: list[Mapping[str, list[list[Answered]]]] = []
    spoke: list[Speaking] = []
    for model in (models.baseline, models.candidate):
        found = iter(collect(model, asks, settings.asking, kept, tell))
        said.append({name: [next(found) for _ in some] for name, some in _in_order(prompts).items()})
        spoke.append(Speaking(model, prompts, kept))
        model.close()
    tell("judging")
    sets = {}
    for name, some in _in_order(prompts).items():
        harm = judges.harm if name in ("harmful", "jailbreaks") else ()
        sides = (judged(some, each[name], harm=harm, guarding=guarding) for each in said)
        sets[name] = Both(some, *sides)
    given = of_given(spoke[0], spoke[1], prompts, _same_tokens(models), settings) if prompts.pairs or prompts.neutral else ()
    return sets, list(given)


def _in_order(prompts: Prompts) -> dict[str, list[Ask]]:
    found: dict[str, list[Ask]] = {}
    for ask in prompts.all():
        found.setdefault(ask.set, []).append(ask)
    return found


def _same_tokens(models: Compared) -> bool:
    one, other = models.baseline, models.candidate
    return isinstance(one, LocalModel) and isinstance(other, LocalModel) and one.vocabulary() == other.vocabulary()


def _write(out: Path, found: Evaluation) -> None:
    beside = out / f".{FILE}"
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    os.replace(beside, out / FILE)
    figures = {each.key: each.candidate for each in found.measures if each.candidate is not None and not each.part}
    inputs = {"baseline": found.baseline.digest, "candidate": found.candidate.digest, "policy": found.policy}
    write_record(
        out,
        StepRecord(
            kind="evaluate",
            name="evaluate",
            settings=found.settings,
            inputs=inputs,
            figures=figures,
            notes=tuple(note for note in (found.notice, *found.warnings) if note),
            versions=found.versions,
            seed=int(found.settings["asking"]["seed"]),
            seconds=found.seconds,
        ),
    )
