"""Build the rewards of a step from what its recipe says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from alignment.rewards.base import Reward
from alignment.rewards.measured import LengthScorer, RepetitionScorer
from alignment.rewards.policy import PolicyScorer
from alignment.rewards.settings import (
    JudgeReward,
    LengthReward,
    ModelReward,
    PolicyReward,
    RepetitionReward,
    RewardSettings,
    StepReward,
)
from guard.errors import TenetError


def build(settings: Sequence[RewardSettings], policy: str) -> list[Reward]:
    """Return the rewards, each under its kind.

    Args:
        policy: Name or path of the recipe's policy.

    Raises:
        TenetError: Where one cannot be had: a policy with mistakes or missing packages, a folder that is no reward model.
    """
    return [_reward(each, policy) for each in settings]


def watched(settings: Sequence[RewardSettings], policy: str, *, refusals: bool) -> list[Reward]:
    """Return rewards that are measured and do not count.

    Args:
        refusals: Whether the share of answers that refuse is measured, too.
    """
    found = [replace(each, name=f"watch_{each.name}", weight=0.0) for each in build(settings, policy)]
    if refusals:
        from alignment.evaluation.refusal import Refusals

        refuses = Refusals()
        described = "watched: the share of answers that refuse"
        found.append(
            Reward("watch_refusals", 0.0, lambda _prompts, answers: [float(each) for each in refuses.refused(answers)], described)
        )
    return found


def _reward(settings: RewardSettings, policy: str) -> Reward:
    match settings:
        case StepReward():
            raise TenetError(
                f"rewards: the step {settings.step} is known within a recipe only (name its folder: kind model, path)"
            )
        case PolicyReward():
            if not policy:
                raise TenetError("rewards: expected a policy in the recipe, as a reward of the kind policy reads it; got none")
            scorer = PolicyScorer(policy, settings)
            found = scorer.guard.policy
            return Reward("policy", settings.weight, scorer, f"reward policy: {found.name}, digest {found.digest}")
        case ModelReward():
            from alignment.rewards.model import ModelScorer

            return Reward("model", settings.weight, ModelScorer(settings), f"reward model: {settings.path}")
        case JudgeReward():
            if not policy:
                raise TenetError("rewards: expected a policy in the recipe, as a judge is asked about its principles; got none")
            from alignment.rewards.judge import JudgeScorer

            asked = f"reward judge: {settings.model}, about {', '.join(settings.principles) or 'every principle'}"
            return Reward("judge", settings.weight, JudgeScorer(policy, settings), asked)
        case LengthReward():
            said = f"reward length: {settings.least} to {settings.most} characters"
            return Reward("length", settings.weight, LengthScorer(settings), said)
        case RepetitionReward():
            return Reward("repetition", settings.weight, RepetitionScorer(settings), f"reward repetition: {settings.words} words")
