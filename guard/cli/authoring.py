"""What the commands of `guard policy` have in common: which file a name stands for."""

from __future__ import annotations

from pathlib import Path

from guard.errors import TenetError
from guard.policy.including import packs
from guard.policy.load import shipped


def policy_path(name: str) -> Path:
    """Return the file that a name stands for. Raises TenetError where it cannot be read."""
    path = Path(name) if "/" in name or name.endswith(".yaml") else {**packs(), **shipped()}.get(name)
    if path is None:
        known = ", ".join(shipped()) + (f"; or a pack: {', '.join(packs())}" if packs() else "")
        raise TenetError(f"{name!r}: expected a path, or a shipped policy: {known}")
    if not path.is_file():
        raise TenetError(f"{name}: expected a policy file, found {'a folder' if path.is_dir() else 'nothing'} there")
    return path
