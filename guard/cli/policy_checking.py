"""`guard policy check`: can this policy be used, and what does it do with a text? The short way, for editors and shells."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from guard.cli.authoring import policy_path
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.errors import PolicyError, TenetError
from guard.policy.load import load, loads
from guard.policy.model import Policy
from guard.policy.shapes import excerpt
from guard.policy.yaml_source import MAX_BYTES, read_bytes
from guard.values import Stage

_SHOWN = 60


def check_policy(source: str, tries: Sequence[str], stage: str) -> bool:
    """Say whether a policy can be used, and what it decides on some texts; returns whether it can.

    Args:
        source: A policy's name or path, or `-` for standard input, whose bases are looked for in the working directory.
        tries: Texts to judge.
        stage: Which way they travel.

    Raises:
        TenetError: For a stage that does not exist, or a policy that cannot be read at all.
    """
    if stage not in list(Stage):
        raise TenetError(f"--stage: expected input or output, got {stage!r}")
    try:
        policy = _read(source)
    except PolicyError as error:
        print(error, file=sys.stderr)
        return False
    print(f"{policy.name}: ok, {len(policy.rules)} rules")
    guard = Guard(policy) if tries else None
    for text in tries:
        assert guard is not None  # noqa: S101 - made for them
        decision = guard.check_sync(text, stage)
        by = f" ({', '.join(decision.rules)})" if decision.rules else ""
        print(f"  {decision.action.word:<7}{excerpt(text, _SHOWN)}{by}")
    return True


def _read(source: str) -> Policy:
    if source != "-":
        return load(policy_path(source), kinds())
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    read_bytes(data, "<stdin>")
    return loads(data.decode("utf-8-sig"), kinds(), "<stdin>", Path.cwd())
