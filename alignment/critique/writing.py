"""The folder of a critique: two sets as `align data` makes them, and the card of what the critic did."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from alignment.critique import card as cards
from alignment.critique.gathered import Gathered
from alignment.critique.settings import CritiqueSettings
from alignment.data.folder import row_of, write_json
from alignment.data.limits import Limits
from alignment.data.preparing import Asked, prepare
from alignment.data.splitting import Shares
from alignment.records import Kind, Record
from guard.store.exporting.files import write_text

CARD, PAGE = "critique.json", "critique.md"
SETS = {Kind.SFT: "sft", Kind.PAIRS: "pairs"}
"""The folders of what is made, by what they teach."""

_ROWS = "made"
_KNOWN = ("id", "source", "licence", "weight", "policy", "group", "categories", "benign", "look_alike")


def write(out: Path, found: Gathered, settings: CritiqueSettings, limits: Limits, card: dict[str, Any]) -> None:
    """Write the sets that have records, and the card with what became of them.

    Raises:
        ChecksFailed: Where a set is not as good as the limits ask for.
        DataError: Where it cannot be written.
    """
    rows = out / _ROWS
    rows.mkdir(exist_ok=True)
    records: dict[Kind, Sequence[Record]] = {Kind.SFT: found.demonstrations, Kind.PAIRS: found.pairs}
    for kind, name in SETS.items():
        file = rows / f"{name}.jsonl"
        file.write_bytes(b"".join(map(_row, records[kind])))
        if records[kind]:
            shares = Shares(settings.validation, 0.0, settings.answers.seed)
            card["sets"][name] = prepare(Asked((file,), kind, out / name, shares, limits, overwrite=True))["splits"]
        else:
            shutil.rmtree(out / name, ignore_errors=True)  # of an earlier run with other settings
            found.notes.append(f"There is no set `{name}`: nothing came of it.")
    write_json(out / CARD, card)
    write_text(out / PAGE, cards.markdown(card))


def _row(record: Record) -> bytes:
    row = row_of(record, [*record.columns(), *_KNOWN])
    return msgspec.json.encode({**row, "split": record.origin.split}) + b"\n"
