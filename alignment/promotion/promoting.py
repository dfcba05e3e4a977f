"""Promote a candidate: hold its evaluation against the gate, keep the merged model with its lineage, and serve it from now on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from alignment.evaluation.result import Evaluation
from alignment.models.loading import digest_of, load
from alignment.promotion.gate import Verdict, verdicts
from alignment.promotion.registry import Lineage, Registry, write_lineage
from alignment.promotion.settings import GateSettings
from alignment.records_of_steps import StepRecord
from alignment.training.settings import ModelSettings
from guard.errors import TenetError


class Refused(TenetError):
    """A candidate that the gate does not let through.

    Attributes:
        verdicts: What became of every condition.
    """

    def __init__(self, found: Sequence[Verdict]) -> None:
        self.verdicts = tuple(found)
        failed = [f"{each.condition}: {each.found}" for each in found if not each.held]
        super().__init__("the gate refuses it: " + "; ".join(failed))


def promote(
    name: str,
    candidate: ModelSettings,
    *,
    evaluation: Evaluation,
    gate: GateSettings,
    registry: Registry,
    steps: Sequence[StepRecord] = (),
    recipe: str = "",
    tell: Callable[[str], None] = lambda _line: None,
) -> tuple[str, tuple[Verdict, ...]]:
    """Return the version that is now in production, with what the gate found.

    Args:
        name: Of the model in the registry.
        candidate: What was evaluated; its adapters are merged into the weights that are kept.
        recipe: Digest of the recipe.

    Raises:
        Refused: Where a condition does not hold; nothing is kept then.
        TenetError: Where the evaluation is of another model, or the registry cannot be written.
    """
    digest = digest_of(candidate)
    if evaluation.candidate.digest != digest:
        raise TenetError(
            f"expected an evaluation of this candidate ({digest[:12]}…), got one of {evaluation.candidate.digest[:12]}…"
            " (evaluate it again)"
        )
    found = verdicts(gate, evaluation)
    if not all(each.held for each in found):
        raise Refused(found)
    with registry.adding(name) as (version, folder):
        tell(f"merging {name} {version}")
        loaded = load(candidate)
        loaded.model.save_pretrained(str(folder))
        loaded.tokenizer.save_pretrained(str(folder))
        (folder / "evaluation.json").write_bytes(msgspec.json.format(msgspec.json.encode(evaluation), indent=2) + b"\n")
        lineage = Lineage(
            name=name,
            version=version,
            recipe=recipe,
            policy=evaluation.policy,
            baseline=evaluation.baseline.digest,
            candidate=digest,
            steps=tuple(msgspec.to_builtins(step) for step in steps),
            gate=found,
            notice=evaluation.notice,
            made=evaluation.made,
        )
        write_lineage(folder, lineage)
    registry.promote(name, version)
    return version, found
