"""`make`: from prompts to demonstrations and pairs, in a folder that goes on where it was when it is asked again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from alignment.critique import card as cards
from alignment.critique.answering import Answers, Source, answered
from alignment.critique.by_model import judge_by_model, principles_of
from alignment.critique.by_policy import judge_by_policy
from alignment.critique.critic import Critic
from alignment.critique.gathered import Gathered
from alignment.critique.journal import Journal, journal_in
from alignment.critique.judging import PolicyJudge
from alignment.critique.prompts import Prompts, read_prompts
from alignment.critique.settings import CritiqueSettings, problems
from alignment.critique.telling import Say, telling
from alignment.critique.writing import CARD, write
from alignment.data.limits import Limits, read_limits
from alignment.models.generators import LocalGenerator, RemoteGenerator
from alignment.models.loading import check, digest_of, load
from alignment.records_of_steps import FILE, StepRecord, read_record, versions, write_record
from alignment.training.settings import ModelSettings
from guard.errors import TenetError
from guard.store.exporting.files import require_parquet

MEASURED = Limits(
    left_out=None,
    duplicates=None,
    empty_sets=None,
    length_bias=None,
    source_dominance=None,
    triggers=None,
    personal_data=None,
    minority=None,
)
"""What a policy says again and again is a rare phrase that always has the same outcome: measured, and no fault of the data."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted.

    Attributes:
        model: That answers the prompts.
        policy: A shipped policy's name, or a path.
        out: The folder; the answers in it are used again as far as they still fit.
        overwrite: Whether sets that were made with other settings are replaced.
    """

    settings: CritiqueSettings
    model: ModelSettings
    policy: str
    out: Path
    overwrite: bool = False


def make(wanted: Wanted, say: Say = lambda _line: None) -> dict[str, Any]:
    """Write demonstrations and pairs, and return the card.

    Raises:
        TenetError: Where something cannot be used, or nothing came of it: before the long work begins wherever it can be known
            then. What was answered is in the folder's journal, and not asked again.
    """
    began = time.monotonic()
    settings = wanted.settings
    limits = _checked(wanted)
    judge = PolicyJudge(wanted.policy)
    if settings.critic != "policy":
        principles_of(judge, settings.principles)
    prompts = read_prompts(settings.prompts, settings.most, settings.system)
    if settings.benign_share and not any(prompt.origin.benign for prompt in prompts.all):
        raise TenetError(
            "benign_share: expected prompts that are labelled as benign (`benign: true`, or labels that are all 0), found none: "
            "add some, as a model that only sees refusals learns to refuse everything, or set benign_share to 0"
        )
    own = _local(wanted.model)
    inputs = {"model": own.name.removeprefix("model "), "policy": judge.policy.digest, "data": prompts.digest}
    done = _done(wanted, inputs)
    if done is not None:
        say(f"{wanted.out}: made already, with the same settings")
        return done
    wanted.out.mkdir(exist_ok=True)
    with journal_in(wanted.out) as journal:
        (wanted.out / FILE).unlink(missing_ok=True)
        found = Gathered(judge.policy.digest)
        answers = _answers(own, prompts, settings, journal, found, say)
        name = _criticised(own, judge, prompts, answers, wanted, journal, found, say)
        found.left_out.update(prompts.left_out)
        found.balance(settings.benign_share, settings.answers.seed)
        made = sum(map(len, answers.of))
        card = cards.card_of(found, prompts, answers=made, model=own.name, critic=name, settings=settings, policy=judge.policy)
        write(wanted.out, found, settings, limits, card)
        record = StepRecord(
            kind="critique",
            name="critique",
            settings=plain(settings),
            inputs=inputs,
            figures=_figures(card),
            notes=tuple(found.notes),
            versions=versions(),
            seed=settings.answers.seed,
            seconds=round(time.monotonic() - began, 1),
        )
        write_record(wanted.out, record)
    return card


def _checked(wanted: Wanted) -> Limits:
    """Return the limits of the data, when all that can be known beforehand is as it should be."""
    settings = wanted.settings
    found = [f"{path}: expected {expected}, got {got}" for path, expected, got in problems(settings)]
    if not settings.prompts:
        found.append("prompts: expected files of prompts, got none")
    if found:
        raise TenetError("\n".join(found))
    require_parquet()
    check(wanted.model)
    if settings.critic == "model" and settings.model is not None:
        check(settings.model)
    out = wanted.out
    if not out.absolute().parent.is_dir():
        raise TenetError(f"{out}: expected a folder to make it in, found no {out.parent} (make that first)")
    if out.exists() and not out.is_dir():
        raise TenetError(f"{out}: expected a folder, or nothing, found something else there (name another)")
    return read_limits(Path(settings.limits)) if settings.limits else MEASURED


def _done(wanted: Wanted, inputs: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the card of what was made already of the same inputs; None where it has to be made."""
    if not (wanted.out / FILE).exists() or wanted.overwrite:
        return None
    record = read_record(wanted.out)
    if record.inputs == inputs and record.settings == plain(wanted.settings):
        card: dict[str, Any] = msgspec.json.decode((wanted.out / CARD).read_bytes())
        return card
    changed = [name for name, digest in inputs.items() if record.inputs.get(name) != digest] or ["settings"]
    raise TenetError(
        f"{wanted.out}: expected nothing made yet, found sets of another {' and '.join(changed)} "
        "(name another folder, or say --overwrite: answers that still fit are kept)"
    )


def plain(settings: CritiqueSettings) -> dict[str, Any]:
    """Return settings as JSON has them."""
    values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings))
    return values


def _local(model: ModelSettings) -> Source:
    name = f"model {digest_of(model)}" + ("" if model.dtype == "auto" and model.quantization == "none" else _variant(model))
    return Source(name, lambda: LocalGenerator(load(model), name))


def _variant(model: ModelSettings) -> str:
    return f" {model.dtype} {model.quantization}"


def _answers(own: Source, prompts: Prompts, settings: CritiqueSettings, journal: Journal, found: Gathered, say: Say) -> Answers:
    asked = [[message.as_dict() for message in prompt.prompt] for prompt in prompts.all]
    answers = answered(own, asked, settings.answers, journal, telling("answers", say))
    found.left_out["too-long"] += len(answers.unfit)
    if not answers.complete:
        made = sum(map(len, answers.of))
        found.notes.append(
            f"The {settings.answers.seconds:g} seconds for answers were over after {made:,} of "
            f"{settings.answers.answers * (len(asked) - len(answers.unfit)):,}; with more of them, those are kept."
        )
    return answers


def _criticised(
    own: Source,
    judge: PolicyJudge,
    prompts: Prompts,
    answers: Answers,
    wanted: Wanted,
    journal: Journal,
    found: Gathered,
    say: Say,
) -> str:
    """Have the answers judged, and return who did."""
    settings = wanted.settings
    answered_ones = [index for index, known in enumerate(answers.of) if known]
    if not answered_ones:
        raise TenetError("\n".join(["expected at least one answer, got none", *found.notes]))
    chosen = [prompts.all[index] for index in answered_ones]
    their = Answers(len(chosen))
    their.of = [answers.of[index] for index in answered_ones]
    if settings.critic == "policy":
        own.release()
        judge_by_policy(judge, chosen, their, settings, found)
        return f"the policy {judge.policy.name}"
    source = own if settings.critic == "self" else _critic(settings)
    if source is not own:
        own.release()
    critic = Critic(source, settings, journal, telling("critic", say))
    judge_by_model(critic, judge, chosen, their, settings, found)
    if critic.counts["late"]:
        found.notes.append(
            f"The {settings.critic_seconds:g} seconds for the critic were over: {critic.counts['late']:,} of "
            f"{critic.counts['asked']:,} questions were not asked; with more of them, the answers so far are kept."
        )
    return source.name


def _critic(settings: CritiqueSettings) -> Source:
    if settings.model is not None and settings.critic == "model":
        return _local(settings.model)
    server = settings.server
    if server is None:
        raise TenetError("server: expected a server, got none")
    generator = RemoteGenerator(server.url, server.model, key_env=server.key_env, timeout=server.timeout)
    return Source(generator.name, lambda: generator)


def _figures(card: Mapping[str, Any]) -> dict[str, float]:
    names = ("prompts", "answers", "pairs", "benign_share", "disagreement")
    return {name: float(card[name]) for name in names if card[name] is not None}
