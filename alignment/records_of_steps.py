"""What a step of an alignment run was made of, kept beside its product as step.json."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from guard.errors import TenetError

FILE = "step.json"


class StepRecord(Struct, frozen=True, kw_only=True):
    """One step that was done.

    Attributes:
        kind: The method, or `critique`, `evaluate` …
        settings: As they were, defaults included.
        inputs: SHA-256 of what went in, by what it is: model, data, policy, recipe.
        model: How the product is loaded (`ModelSettings` as JSON values); empty where it is no model.
        figures: What came of it, such as the last loss.
        notes: What a reader has to know, in sentences.
        seconds: That it took, runs that were ended before this one not counted.
    """

    kind: str
    name: str
    settings: dict[str, Any] = {}
    inputs: dict[str, str] = {}
    model: dict[str, Any] = {}
    figures: dict[str, float] = {}
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    seed: int = 0
    seconds: float = 0.0


def write_record(folder: Path, record: StepRecord) -> None:
    """Write a step's record; it is there whole or not at all, and its being there says that the step is done."""
    whole = msgspec.json.format(msgspec.json.encode(record), indent=2)
    beside = folder / f".{FILE}"
    beside.write_bytes(whole + b"\n")
    os.replace(beside, folder / FILE)


def read_record(folder: Path) -> StepRecord:
    """Return the record of a step. Raises TenetError where there is none that can be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=StepRecord)
    except (OSError, msgspec.DecodeError) as error:
        raise TenetError(f"{folder / FILE}: expected the record of a step that was done, got {error}") from error


def versions() -> dict[str, str]:
    """Return the versions of the packages that take part in training."""
    found = {}
    for name in ("tenet-guard", "torch", "transformers", "trl", "peft", "accelerate", "datasets"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
