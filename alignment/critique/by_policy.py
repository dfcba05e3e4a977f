"""The policy as the critic: its detectors judge several answers to each prompt; best against worst makes the pair."""

from __future__ import annotations

from collections.abc import Sequence

from alignment.critique.answering import Answers
from alignment.critique.gathered import Gathered
from alignment.critique.judging import Judged, PolicyJudge
from alignment.critique.lessons import Teaching
from alignment.critique.settings import CritiqueSettings
from alignment.records import Prompt
from guard.constitution.answers import is_refusal
from guard.values import Decision


def judge_by_policy(
    judge: PolicyJudge, prompts: Sequence[Prompt], answers: Answers, settings: CritiqueSettings, found: Gathered
) -> None:
    """Add to `found` what the policy makes of prompts and their answers.

    Refusals to benign prompts are told by their opening words (`guard.constitution`), and not by the detector with which
    `align evaluate` measures refusals: what measures the outcome takes no part in what is taught.
    """
    asked = judge.prompts(prompts)
    places = [(index, number) for index, known in enumerate(answers.of) for number in sorted(known)]
    judged = judge.answers([(prompts[index], answers.of[index][number]) for index, number in places])
    by_prompt: list[list[Judged]] = [[] for _ in prompts]
    for (index, _), each in zip(places, judged, strict=True):
        by_prompt[index].append(each)
    for prompt, decision, each_answer in zip(prompts, asked, by_prompt, strict=True):
        _learn(judge, settings, prompt, decision, each_answer, found)


def _learn(
    judge: PolicyJudge, settings: CritiqueSettings, prompt: Prompt, asked: Decision, answers: Sequence[Judged], found: Gathered
) -> None:
    said = [answer for answer in answers if answer.text.strip() and not answer.decision.failed]
    found.left_out["failed"] += sum(bool(answer.decision.failed) for answer in answers)
    if asked.failed or not said:
        found.left_out["no-answer"] += 1
        return
    teaching = Teaching(settings.policy, judge.refusal(prompt))
    lesson = teaching.lesson(prompt.origin.benign, asked, said, [is_refusal(answer.text) for answer in said])
    categories = judge.categories_of(lesson.because)
    found.principles.update(judge.principles_of(lesson.because))
    if lesson.target:
        found.demonstrate(prompt, lesson.target, lesson.kind, categories)
    else:
        found.left_out[lesson.kind] += 1
    if lesson.chosen:
        found.pair(prompt, lesson.chosen, lesson.rejected, lesson.margin, categories)
        found.labels.update(judge.principles_of(lesson.because))
