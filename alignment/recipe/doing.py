"""Do what a recipe says, step by step, each into a folder that is named by all that went into it.

A step whose inputs and settings are what they were is not done again; one that was cut short goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from alignment.recipe.model import CRITIQUE, DataSettings, Recipe
from alignment.recipe.together import first, wait
from alignment.records_of_steps import FILE, StepRecord, read_record
from alignment.rewards.settings import ModelReward, StepReward
from alignment.training.settings import ModelSettings, Online, Step, name_of
from guard.errors import TenetError

if TYPE_CHECKING:
    from alignment.evaluation.result import Evaluation
    from alignment.rewards.base import Reward

Tell = Callable[[str], None]
EVALUATION = "evaluation"
"""The folder in a run's that `align evaluate` writes."""
_KEY_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Done:
    """A training step that was done.

    Attributes:
        key: Digest of all that went into it.
        again: Whether it had been done before.
    """

    name: str
    folder: Path
    key: str
    record: StepRecord
    again: bool

    @property
    def model(self) -> ModelSettings:
        """How its product is loaded."""
        return msgspec.convert(self.record.model, ModelSettings)


class Doing:
    """The run of one recipe in one folder."""

    def __init__(self, recipe: Recipe, out: Path, tell: Tell) -> None:
        """Take a recipe and the folder for all that comes of it."""
        self.recipe = recipe
        self.out = out
        self._tell = tell
        self._policy = ""
        self._only_done = False

    def data(self, name: str) -> tuple[Path, str]:
        """Return the folder of a set of records, made where it is not there yet, and its key.

        Raises:
            TenetError: Where it cannot be made.
            ChecksFailed: Where it is not as good as its limits ask for.
        """
        if name.startswith(CRITIQUE):
            folder, key = self.critique()
            return folder / name.removeprefix(CRITIQUE), key
        settings = self.recipe.data.get(name)
        if settings is None:
            return Path(name), digest_of_folder(Path(name))
        from alignment.data.folder import check_out
        from alignment.data.limits import Limits, read_limits
        from alignment.data.preparing import Asked, prepare
        from alignment.data.splitting import Shares

        key = _key("data", settings, self.recipe.seed, *(digest_of_folder(Path(source)) for source in settings.sources))
        folder = self.out / "data" / f"{name}-{key[:_KEY_DIGITS]}"
        if first() and not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            check_out(folder, overwrite=False)
            self._tell(f"data {name}")
            shares = Shares(settings.validation, settings.held_out, self.recipe.seed)
            limits = read_limits(Path(settings.limits)) if settings.limits else Limits()
            sources = tuple(Path(source) for source in settings.sources)
            prepare(Asked(sources, settings.kind, folder, shares, limits, licence=settings.licence, redact=settings.redact))
        wait()
        return folder, key

    def critique(self) -> tuple[Path, str]:
        """Return the folder with what the critique made of the model's answers, made where it is not there yet, and its key."""
        from alignment.critique.making import Wanted, make

        settings = self.recipe.critique
        assert settings is not None  # noqa: S101 - a recipe that names its data has it
        files = [digest_of_folder(Path(prompts)) for prompts in settings.prompts]
        key = _key("critique", settings, self._baseline_digest, self.policy_digest, *files)
        folder = self.out / f"critique-{key[:_KEY_DIGITS]}"
        if first() and not (folder / FILE).is_file():
            self._tell("critique")
            self.out.mkdir(parents=True, exist_ok=True)
            make(Wanted(settings, self.recipe.model, self.recipe.policy, folder), self._tell)
        wait()
        return folder, key

    def train(self, only: str = "") -> list[Done]:
        """Do the training steps in order, each on what the one before made; return them.

        Args:
            only: The name of the step after which it ends; all of them where empty.

        Raises:
            TenetError: Where a step cannot be done; what was done before stays.
        """
        names = [name_of(step) for step in self.recipe.steps]
        if only and only not in names:
            raise TenetError(f"--step: expected one of {', '.join(names)}, got {only}")
        model, key = self.recipe.model, ""
        found: list[Done] = []
        for step in self.recipe.steps:
            folder, data_key = self.data(step.data)
            rewarded = isinstance(step, Online)
            step = self._with_rewards(step, found)
            key = _key(
                "step", step, self.recipe.seed, key or self._baseline_digest, data_key, self.policy_digest if rewarded else ""
            )
            found.append(self._step(step, model, folder, key))
            if step.__struct_config__.tag != "reward":  # a reward model is not what is aligned
                model = found[-1].model
            if name_of(step) == only:
                break
        return found

    def evaluate(self) -> Evaluation:
        """Compare what the steps made with the model they began with, and return what was found; answers are kept.

        Raises:
            TenetError: Where a step is not done, or the evaluation cannot be.
        """
        from alignment.evaluation.comparing import Compared, compare
        from alignment.evaluation.subjects import LocalModel

        settings = self.recipe.evaluation
        if settings is None:
            raise TenetError(f"{self.recipe.name}: expected `evaluation:` in the recipe, found none")
        steps = [each for each in self.candidate() if each.record.kind != "reward"]
        folders = [str(folder) for step in self.recipe.steps if (folder := self.data(step.data)[0]).is_dir()]
        settings = msgspec.structs.replace(settings, trained_on=(*settings.trained_on, *dict.fromkeys(folders)))
        models = Compared(LocalModel(self.recipe.model, "baseline"), LocalModel(steps[-1].model, "candidate"), self.recipe.policy)
        return compare(models, settings, self.out / EVALUATION, self._tell)

    def evaluation(self) -> Evaluation:
        """Return what `align evaluate` found of this run. Raises TenetError where it has not run."""
        from alignment.evaluation.result import read_evaluation

        return read_evaluation(self.out / EVALUATION)

    def candidate(self) -> tuple[Done, ...]:
        """Return all training steps, done before. Raises TenetError where one is not done as the recipe says now."""
        self._only_done = True
        try:
            return tuple(self.train())
        finally:
            self._only_done = False

    @cached_property
    def _baseline_digest(self) -> str:
        from alignment.models.loading import digest_of

        return digest_of(self.recipe.model)

    @property
    def policy_digest(self) -> str:
        """The digest of the recipe's policy with its detectors."""
        if not self._policy:
            from guard.engine import Guard

            self._policy = Guard(self.recipe.policy).policy.digest
        return self._policy

    def _rewards(self, step: Online) -> list[Reward]:
        from alignment.rewards.build import build, watched

        refusals = step.stop_early is not None and step.stop_early.refusals is not None
        return [*build(step.rewards, self.recipe.policy), *watched(step.watch, self.recipe.policy, refusals=refusals)]

    def _with_rewards(self, step: Step, done: Sequence[Done]) -> Step:
        """Return a step in which reward models of earlier steps are named by their folders."""
        if not isinstance(step, Online):
            return step
        folders = {each.name: str(each.folder) for each in done}
        rewards = tuple(
            ModelReward(path=folders[each.step], weight=each.weight) if isinstance(each, StepReward) else each
            for each in step.rewards
        )
        return msgspec.structs.replace(step, rewards=rewards)

    def _step(self, step: Step, model: ModelSettings, data: Path, key: str) -> Done:
        from alignment.training.running import run

        folder = self.out / "steps" / f"{name_of(step)}-{key[:_KEY_DIGITS]}"
        if (folder / FILE).is_file():
            if not self._only_done:
                self._tell(f"step {name_of(step)}: done before")
            return Done(name_of(step), folder, key, read_record(folder), True)
        if self._only_done:
            raise TenetError(
                f"{self.out}: expected the step {name_of(step)} as the recipe says, found none (run `align train` first)"
            )
        self._tell(f"step {name_of(step)}: {step.__struct_config__.tag} on {data.name}")
        rewards = self._rewards(step) if isinstance(step, Online) else []
        inputs = {"key": key, **({"policy": self.policy_digest} if rewards else {})}
        record = run(
            step, model=model, data=data, out=folder, seed=self.recipe.seed, rewards=rewards, inputs=inputs, tell=self._tell
        )
        wait()  # for the product to be written, before another process reads it
        return Done(name_of(step), folder, key, record, False)


def digest_of_folder(path: Path) -> str:
    """Return the SHA-256 of a file, or of the files in a folder and their names."""
    digest = hashlib.sha256()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(f"{file.relative_to(path) if path.is_dir() else file.name}\0".encode())
        try:
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        except OSError as error:
            raise TenetError(f"{file}: cannot be read: {error.strerror or type(error).__name__}") from error
    return digest.hexdigest()


def _key(*parts: Any) -> str:  # noqa: ANN401
    plain = [_settings(part) if isinstance(part, msgspec.Struct) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _settings(part: msgspec.Struct) -> Mapping[str, Any]:
    """Return settings without the paths of data, which are told by what stands in them."""
    plain: dict[str, Any] = msgspec.to_builtins(part)
    return {
        name: value
        for name, value in plain.items()
        if name not in (("sources",) if isinstance(part, DataSettings) else ("data",))
    }
