"""`guard policy lint`: what is wrong or doubtful in policy files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from guard.authoring.lint_report import WRITERS
from guard.authoring.linting import MISTAKE, Chosen, Placed, lint_bytes, lint_file
from guard.cli.authoring import policy_path
from guard.detectors.registry import kinds
from guard.errors import TenetError
from guard.policy.remarks import Level
from guard.policy.shapes import listed
from guard.policy.yaml_source import MAX_BYTES

FORMATS = ("text", *WRITERS)


@dataclass(frozen=True, slots=True)
class Asked:
    """How lint is to be run: whether warnings count as errors, and how it reports."""

    chosen: Chosen
    strict: bool
    form: str

    def __post_init__(self) -> None:
        if self.form not in FORMATS:
            raise TenetError(f"--format: expected {listed(FORMATS)}, got {self.form!r}")


def codes(options: Iterable[str]) -> tuple[str, ...]:
    """Return the codes in values of an option, each of which may list several."""
    return tuple(code.strip().upper() for value in options for code in value.split(","))


def lint_files(files: Sequence[str], asked: Asked) -> bool:
    """Report on each policy; return whether there is an error, or a warning where those count.

    Raises:
        TenetError: Where a file cannot be read at all.
    """
    found = [(name, _lint(name, asked.chosen)) for name in files]
    if asked.form == "text":
        for name, remarks in found:
            _show(name, remarks)
    else:
        text = WRITERS[asked.form](list(dict.fromkeys(placed for _, remarks in found for placed in remarks)))
        print(text, end="\n" if text else "")
    bad = (Level.ERROR, Level.WARNING) if asked.strict else (Level.ERROR,)
    return any(placed.remark.level in bad and not placed.excepted for _, remarks in found for placed in remarks)


def _lint(name: str, chosen: Chosen) -> list[Placed]:
    if name == "-":
        return lint_bytes(sys.stdin.buffer.read(MAX_BYTES + 1), "<stdin>", kinds(), chosen)
    return lint_file(name, policy_path(name), kinds(), chosen)


def _show(name: str, remarks: Sequence[Placed]) -> None:
    if any(placed.remark.code == MISTAKE for placed in remarks):
        for placed in remarks:
            print(f"{placed.place}: {placed.remark.said}", file=sys.stderr)
        return
    left = [placed for placed in remarks if not placed.excepted]
    for placed in left:
        print(placed)
    errors = sum(placed.remark.level is Level.ERROR for placed in left)
    warnings = sum(placed.remark.level is Level.WARNING for placed in left)
    excepted = f", {len(remarks) - len(left)} excepted" if len(left) < len(remarks) else ""
    print(f"{name}: {errors} errors, {warnings} warnings{excepted}")
