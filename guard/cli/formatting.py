"""`guard policy fmt`: policy files in their canonical layout."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from guard.authoring.formatting import formatted
from guard.authoring.replacing import replace_file
from guard.cli.authoring import policy_path
from guard.detectors.registry import kinds
from guard.errors import PolicyError, TenetError
from guard.policy.load import shipped
from guard.policy.yaml_source import MAX_BYTES


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be done: `check` tells only, `diff` shows only; without either files are written."""

    check: bool
    diff: bool


def format_files(files: Sequence[str], asked: Asked) -> bool:
    """Format each file; return whether one cannot be read as YAML or, where only a check is asked for, would change.

    Raises:
        TenetError: Where a file cannot be read or written at all.
    """
    found = False
    for name in files:
        try:
            changed = _format_input(asked) if name == "-" else _format_file(name, asked)
        except PolicyError as error:
            print(error, file=sys.stderr)
            found = True
        else:
            found |= changed and asked.check
    return found


def _format_input(asked: Asked) -> bool:
    before = sys.stdin.buffer.read(MAX_BYTES + 1)
    after = formatted(before, "<stdin>", kinds())
    if asked.diff:
        _show_difference("<stdin>", before, after)
    elif asked.check:
        _say("<stdin>", changed=after != before)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(after)
    return after != before


def _format_file(name: str, asked: Asked) -> bool:
    path = policy_path(name)
    if name in shipped() and not (asked.check or asked.diff):
        raise TenetError(
            f"{name}: a shipped policy is not edited; copy {path} and format the copy, or ask with --check or --diff"
        )
    with path.open("rb") as file:
        before = file.read(MAX_BYTES + 1)
    after = formatted(before, name, kinds(), path.parent)
    if asked.diff:
        _show_difference(name, before, after)
    elif asked.check:
        _say(name, changed=after != before)
    elif after != before:
        replace_file(path, before, after)
        print(f"formatted {name}")
    return after != before


def _say(name: str, *, changed: bool) -> None:
    if changed:
        print(f"would format {name}")


def _show_difference(name: str, before: bytes, after: bytes) -> None:
    for line in _difference(name, before, after):
        print(line)


def _difference(name: str, before: bytes, after: bytes) -> Iterator[str]:
    old, new = (data.decode("utf-8-sig").splitlines() for data in (before, after))
    yield from difflib.unified_diff(old, new, name, f"{name} (formatted)", lineterm="")
    if old == new and before != after:
        yield f"{name}: line ends differ"
