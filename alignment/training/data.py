"""What a step trains on, checked before the long work: emptiness, one side alone, equal answers, lengths."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignment.data.rows import DataError
from alignment.training.rows import Row, read
from alignment.training.settings import KINDS, Common, Distil, Online

_SHORTEST_ANSWER = 4
"""Tokens that must be left for an answer."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a step trains on.

    Attributes:
        digest: SHA-256 of the training and validation records.
        truncated: How many training records are longer than the step's max_length.
        lost: Tokens that are cut off them in all.
        tokens: That the training records have in all, as far as they are not cut off.
    """

    train: Sequence[Row]
    validation: Sequence[Row]
    digest: str
    truncated: int = 0
    lost: int = 0
    tokens: int = 0


def material(step: Common, folder: Path, tokenizer: Any) -> Material:  # noqa: ANN401
    """Return the records of a folder that `align data` wrote, checked for this step.

    Raises:
        DataError: Where they cannot be trained on.
    """
    kind = KINDS[type(step)]
    if not (folder / "train.jsonl").is_file():
        raise DataError(f"{folder}: expected a folder that `align data --kind {kind}` wrote, found no train.jsonl in it")
    train = list(read(folder / "train.jsonl", kind))
    if not train:
        raise DataError(f"{folder}: expected records to train on, found none in train.jsonl")
    validation = list(read(folder / "validation.jsonl", kind)) if (folder / "validation.jsonl").is_file() else []
    if kind == "pairs":
        _check_pairs(train, folder)
    if kind == "unpaired":
        _check_sides(train, folder)
    lengths = _lengths(step, train, kind, folder, tokenizer)
    over = [length - step.max_length for length in lengths if length > step.max_length]
    digest = hashlib.sha256(json.dumps([train, validation], sort_keys=True).encode()).hexdigest()
    return Material(train, validation, digest, len(over), sum(over), sum(lengths) - sum(over))


def _check_pairs(rows: Sequence[Row], folder: Path) -> None:
    equal = sum(row["chosen"] == row["rejected"] for row in rows)
    if equal:
        raise DataError(f"{folder}: expected pairs of different answers, found {equal:,} of {len(rows):,} that are equal")
    measured = sum("margin" in row for row in rows)
    if 0 < measured < len(rows):
        raise DataError(f"{folder}: expected a margin for every pair or for none, found one for {measured:,} of {len(rows):,}")


def _check_sides(rows: Sequence[Row], folder: Path) -> None:
    good = sum(row["label"] for row in rows)
    if good in (0, len(rows)):
        side = "good" if good else "bad"
        raise DataError(f"{folder}: expected good and bad answers, found only {side} ones: nothing to tell apart")


def _lengths(step: Common, rows: Sequence[Row], kind: str, folder: Path, tokenizer: Any) -> list[int]:  # noqa: ANN401
    """Return how many tokens each record has with its longest answer."""
    room = step.max_length - (step.max_new_tokens if isinstance(step, Online | Distil) else _SHORTEST_ANSWER)
    over, lengths = 0, []
    for row in rows:
        prompt, answers = _split(row)
        asked = _tokens(tokenizer, prompt, folder, ask=True)
        over += asked > room
        lengths.append(max((_tokens(tokenizer, [*prompt, *answer], folder) for answer in answers), default=asked))
    if over:
        raise DataError(
            f"{folder}: {over:,} of {len(rows):,} prompts are longer than the {room:,} tokens that max_length leaves them"
            f" (of {step.max_length:,}; raise max_length, or make the data with `align data --tokenizer --context`)"
        )
    return lengths


def _split(row: Row) -> tuple[list[Row], list[list[Row]]]:
    """Return a row's prompt, and its answers."""
    if "messages" in row:
        return row["messages"][:-1], [row["messages"][-1:]]
    return row["prompt"], [row[name] for name in ("chosen", "rejected", "completion") if name in row]


def _tokens(tokenizer: Any, messages: Sequence[Row], folder: Path, *, ask: bool = False) -> int:  # noqa: ANN401
    try:
        return len(tokenizer.apply_chat_template(list(messages), add_generation_prompt=ask, return_dict=False))
    except Exception as error:  # a template is a program, and raises what it likes
        roles = ", ".join(dict.fromkeys(message["role"][:20] for message in messages))
        raise DataError(
            f"{folder}: the tokenizer's chat template does not take a conversation of the roles {roles} "
            f"({type(error).__name__}; choose another template, or data without that role)"
        ) from None
