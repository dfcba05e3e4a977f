"""Read what a step trains on, and check it before the long work: kind, emptiness, equal answers, lengths."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignment.data.rows import DataError
from alignment.data.sources import CARD
from alignment.training.settings import KINDS, Common, Distil, Online, method_of

Row = Mapping[str, Any]
_COLUMNS = {
    "sft": (("messages",), ("prompt", "completion")),
    "pairs": (("prompt", "chosen", "rejected"),),
    "unpaired": (("prompt", "completion", "label"),),
    "prompts": (("prompt",),),
}
_SHORTEST_ANSWER = 4
"""Tokens that must be left for an answer."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a step trains on.

    Attributes:
        digest: SHA-256 of the training and validation records.
        truncated: How many training records are longer than the step's max_length.
    """

    train: Sequence[Row]
    validation: Sequence[Row]
    digest: str
    truncated: int = 0


def material(step: Common, folder: Path, tokenizer: Any) -> Material:  # noqa: ANN401
    """Return the records of a folder that `align data` wrote, checked for this step.

    Raises:
        DataError: Where they cannot be trained on.
    """
    kind = KINDS[type(step)]
    if not (folder / "train.jsonl").is_file():
        raise DataError(f"{folder}: expected a folder that `align data --kind {kind}` wrote, found no train.jsonl in it")
    train = list(_rows(folder / "train.jsonl", kind))
    if not train:
        raise DataError(f"{folder}: expected records to train on, found none in train.jsonl")
    validation = list(_rows(folder / "validation.jsonl", kind)) if (folder / "validation.jsonl").is_file() else []
    _check_kind(step, folder, kind)
    _check_sides(train, kind, folder)
    truncated = _check_lengths(step, train, kind, folder, tokenizer)
    digest = hashlib.sha256(json.dumps([train, validation], sort_keys=True).encode()).hexdigest()
    return Material(train, validation, digest, truncated)


def _rows(file: Path, kind: str) -> Iterator[Row]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                raise DataError(f"{file}:{number}: expected a JSON object on each line, got something else") from None
            if not isinstance(row, dict):
                raise DataError(f"{file}:{number}: expected a JSON object, got something else")
            columns = next((wanted for wanted in _COLUMNS[kind] if all(row.get(name) is not None for name in wanted)), None)
            if columns is None:
                wanted = " or ".join(", ".join(names) for names in _COLUMNS[kind])
                raise DataError(f"{file}:{number}: expected {wanted}, got {', '.join(sorted(row)) or 'nothing'}")
            margin = ("margin",) if kind == "pairs" and row.get("margin") is not None else ()
            yield {name: row[name] for name in (*columns, *margin)}


def _check_kind(step: Common, folder: Path, kind: str) -> None:
    card = folder / CARD
    said = json.loads(card.read_bytes()).get("kind", kind) if card.is_file() else kind
    if said != kind:
        raise DataError(f"{folder}: {method_of(step)} trains on {kind}, got {said} (make them by `align data --kind {kind}`)")


def _check_sides(rows: Sequence[Row], kind: str, folder: Path) -> None:
    if kind == "pairs":
        equal = sum(row["chosen"] == row["rejected"] for row in rows)
        if equal:
            raise DataError(f"{folder}: expected pairs of different answers, found {equal:,} of {len(rows):,} that are equal")
    if kind == "unpaired":
        good = sum(bool(row["label"]) for row in rows)
        if good in (0, len(rows)):
            side = "good" if good else "bad"
            raise DataError(f"{folder}: expected good and bad answers, found only {side} ones: nothing to tell apart")


def _check_lengths(step: Common, rows: Sequence[Row], kind: str, folder: Path, tokenizer: Any) -> int:  # noqa: ANN401
    room = step.max_length - (step.max_new_tokens if isinstance(step, Online | Distil) else _SHORTEST_ANSWER)
    over = truncated = 0
    for row in rows:
        prompt, rest = _split(row, kind)
        asked = len(_tokens(tokenizer, prompt, ask=True))
        over += asked > room
        truncated += bool(rest) and max(len(_tokens(tokenizer, [*prompt, *answer])) for answer in rest) > step.max_length
    if over:
        raise DataError(
            f"{folder}: {over:,} of {len(rows):,} prompts are longer than the {room:,} tokens that max_length leaves them"
            f" (of {step.max_length:,}; raise max_length, or make the data with `align data --tokenizer --context`)"
        )
    return truncated


def _split(row: Row, kind: str) -> tuple[list[Row], list[list[Row]]]:
    """Return a row's prompt, and its answers."""
    if "messages" in row:
        return list(row["messages"][:-1]), [list(row["messages"][-1:])]
    prompt = _messages(row["prompt"], "user")
    names = {"pairs": ("chosen", "rejected"), "unpaired": ("completion",), "sft": ("completion",)}.get(kind, ())
    return prompt, [_messages(row[name], "assistant") for name in names]


def _messages(value: Any, role: str) -> list[Row]:  # noqa: ANN401
    return [{"role": role, "content": value}] if isinstance(value, str) else list(value)


def _tokens(tokenizer: Any, messages: Sequence[Row], *, ask: bool = False) -> Sequence[int]:  # noqa: ANN401
    ids: Sequence[int] = tokenizer.apply_chat_template(list(messages), add_generation_prompt=ask, return_dict=False)
    return ids
