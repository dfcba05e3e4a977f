"""What an evaluation found: the values of evaluation.json, which reports and gates read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from guard.errors import TenetError

FORMAT = "tenet-evaluation/1"
FILE = "evaluation.json"

Aspect = Literal["safety", "over_refusal", "helpfulness", "language", "speed"]


class Bounds(Struct, frozen=True, kw_only=True):
    """An interval; both ends included."""

    low: float
    high: float


class Signs(Struct, frozen=True, kw_only=True):
    """The exact sign test on prompts whose figure differs (for one answer of yes or no each: McNemar's exact test).

    Attributes:
        higher: Prompts whose figure is higher with the candidate.
        lower: Prompts whose figure is lower with the candidate.
        p: Two-sided: how likely so uneven a count would be if neither direction were likelier.
        p_higher: One-sided, small where the candidate's figure is higher.
        p_lower: One-sided, small where the candidate's figure is lower.
    """

    higher: int
    lower: int
    p: float
    p_higher: float
    p_lower: float


class Difference(Struct, frozen=True, kw_only=True):
    """The candidate's figure less the baseline's, on the same prompts.

    Attributes:
        interval: Two-sided, at the evaluation's level, by resampling prompts. None where too few prompts tell it.
        at_least: One-sided bound: the difference is at least this, at the evaluation's level.
        at_most: One-sided bound: the difference is at most this, at the evaluation's level.
        signs: None where the figure is not one of single prompts.
    """

    value: float
    interval: Bounds | None = None
    at_least: float | None = None
    at_most: float | None = None
    signs: Signs | None = None


class Measure(Struct, frozen=True, kw_only=True):
    """One figure of both models.

    Attributes:
        name: Such as `compliance`; see `docs/align-evaluate.md`.
        part: The category, rule or action it is about; empty where it is about all.
        aspect: What it says something about.
        better: Which direction is good; empty where neither is.
        unit: `rate` for shares in [0, 1]; else `tokens`, `seconds`, `nats`, `score` …
        evaluator: Name of who judged; empty where nothing is judged.
        independent: Whether the evaluator took no part in labels and rewards.
        prompts: Those that it was measured on, each with both models.
        answers: Of each model.
        baseline: None where it cannot be told; `reason` says why.
        spread: Standard deviation of the difference over prompts; `needed` asks for it.
        needed: Prompts that it would take to tell the difference to within the margin of the settings, at their level.
        reason: Why something cannot be told; empty where all is.
    """

    name: str
    aspect: Aspect
    meaning: str
    part: str = ""
    better: Literal["lower", "higher", ""] = ""
    unit: str = "rate"
    evaluator: str = ""
    independent: bool = True
    prompts: int = 0
    answers: int = 0
    baseline: float | None = None
    candidate: float | None = None
    baseline_interval: Bounds | None = None
    candidate_interval: Bounds | None = None
    difference: Difference | None = None
    spread: float | None = None
    needed: int | None = None
    reason: str = ""

    @property
    def key(self) -> str:
        """The name by which a gate asks for it: `name`, or `name/part`."""
        return f"{self.name}/{self.part}" if self.part else self.name


class Subject(Struct, frozen=True, kw_only=True):
    """One of both models.

    Attributes:
        name: As it was given.
        digest: SHA-256 of its weights and tokenizer; of its address and name where it is behind a server.
        kind: `folder`, `adapter` or `server`.
    """

    name: str
    digest: str
    kind: str


class Judge(Struct, frozen=True, kw_only=True):
    """Who judged something.

    Attributes:
        judges: `harm`, `refusal`, `better`, `policy` or `toxicity`.
        made_from: Data sets and detectors that it was made from; empty where it was made from none.
        overlap: What of that also made labels or rewards.
        independent: Whether it took no part in them, as far as is declared.
    """

    name: str
    judges: str
    version: str
    made_from: tuple[str, ...] = ()
    overlap: tuple[str, ...] = ()
    independent: bool = True


class PromptSet(Struct, frozen=True, kw_only=True):
    """The prompts of one set.

    Attributes:
        digest: SHA-256 of the prompts that were used.
        left_out: Reasons, with how many prompts each left out.
    """

    name: str
    prompts: int
    digest: str
    sources: dict[str, int] = {}
    left_out: dict[str, int] = {}


class Sample(Struct, frozen=True, kw_only=True):
    """One prompt with an answer of each model, to be read side by side. Holds texts: keep it where the data may be."""

    set: str
    category: str
    prompt: str
    baseline: str
    candidate: str
    baseline_refused: bool | None = None
    candidate_refused: bool | None = None
    baseline_harm: float | None = None
    candidate_harm: float | None = None
    baseline_action: str = ""
    candidate_action: str = ""


class Evaluation(Struct, frozen=True, kw_only=True):
    """Everything that one evaluation found.

    Attributes:
        notice: What has to be said before anything else, such as that the proof is circular; empty where nothing has.
        policy: Digest of the policy in force; empty where none was.
        level: Of every interval and bound.
        warnings: What weakens it, in sentences.
        seconds: That it took in all, runs that were ended before this one not counted.
    """

    notice: str
    circular: Literal["refused", "accepted"]
    baseline: Subject
    candidate: Subject
    measures: tuple[Measure, ...]
    judges: tuple[Judge, ...]
    prompts: tuple[PromptSet, ...]
    level: float
    policy: str = ""
    policy_name: str = ""
    settings: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
    versions: dict[str, str] = {}
    made: str = ""
    seconds: float = 0.0
    format: str = FORMAT

    def measure(self, key: str) -> Measure | None:
        """Return the measure of this key; None where it was not measured."""
        return next((each for each in self.measures if each.key == key), None)


def read_evaluation(path: Path) -> Evaluation:
    """Return what an evaluation found.

    Args:
        path: The file, or the folder that `align evaluate` wrote.

    Raises:
        TenetError: Where it is not one.
    """
    file = path / FILE if path.is_dir() else path
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Evaluation)
    except (OSError, msgspec.DecodeError) as error:
        raise TenetError(f"{file}: expected an evaluation that `align evaluate` wrote, got {error}") from error
    if found.format != FORMAT:
        raise TenetError(f"{file}: expected the format {FORMAT}, got {found.format}; evaluate again with this version")
    return found
