"""Write down what a benchmark found: a JSON file and a table beside it, under `benchmarks/results`."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

FOLDER = Path(__file__).resolve().parent / "results"
"""Where results are kept."""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; every column but the first is set to the right."""
    rules = [":--", *["--:"] * (len(columns) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (columns, rules, *rows))


def environment() -> str:
    """Return one sentence about the machine."""
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return f"{machine}; other work runs beside, so read the ratios."


def write(name: str, values: Any, text: str) -> None:
    """Write `values` to `NAME.json` and `text` to `NAME.md`, and print the text."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(values), indent=2) + b"\n")
    (FOLDER / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)
