"""Find the files of a model, on this machine or on the hub, and say what exactly was found."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from guard.errors import DetectorError, MissingExtra
from guard.policy.detector_options import is_local
from guard.policy.kinds import Mistake

SIDE_FILES = ("config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt", "*.model")
"""What stands beside the weights: configuration and tokenizer."""

COMMIT = re.compile(r"[0-9a-f]{40}")


def check_pinned(options: Mapping[str, Any]) -> list[Mistake]:
    """Return a mistake where a model of the hub may change under the policy."""
    model, revision = options.get("model"), options.get("revision", "")
    if not isinstance(model, str) or is_local(model) or options.get("allow_unpinned"):
        return []
    if COMMIT.fullmatch(revision):
        return []
    hint = "a branch can change under you; or say `allow_unpinned: true`"
    path = ("revision",) if revision else ("model",)
    got = f'"{revision}"' if revision else "a model of the hub without `revision`"
    return [Mistake(path, "the commit of the hub's model, as 40 hexadecimal digits under `revision`", got, hint)]


def folder_of(detector: str, extra: str, options: Mapping[str, Any], weights: Sequence[str]) -> Path:
    """Return the path that `model:` names; a model of the hub is downloaded first, if it is not in the hub's cache.

    Args:
        extra: What installs the hub's client.
        weights: Patterns of the files that hold weights.

    Raises:
        DetectorError: Where there is no such path or model.
    """
    model: str = options["model"]
    if is_local(model):
        path = Path(model).expanduser()
        if not path.exists():
            raise DetectorError(detector, f"model: expected a file or folder, found nothing at {path}")
        return path
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtra(f"the detector '{detector}'", extra) from error
    try:
        return Path(snapshot_download(model, revision=options.get("revision"), allow_patterns=[*SIDE_FILES, *weights]))
    except Exception as error:  # network, cache and hub each raise their own
        reason = f"expected a model of the hub or of its cache, could not get {model} ({type(error).__name__})"
        raise DetectorError(detector, f"model: {reason}; a path begins with `.`, `/` or `~`") from error


def side_files(folder: Path) -> list[Path]:
    """Return the configuration and the files of the tokenizer, sorted."""
    return sorted({path for pattern in SIDE_FILES for path in folder.glob(pattern) if path.is_file()})


def digest_of(files: Iterable[Path]) -> str:
    """Return one SHA-256 over names and contents."""
    total = hashlib.sha256()
    for path in sorted(files):
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def read_json(detector: str, path: Path) -> dict[str, Any]:
    """Return what a JSON file holds.

    Raises:
        DetectorError: Where it is missing, or holds no object.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DetectorError(
            detector, f"model: expected {path} as JSON, found {type(error).__name__}; is the model complete?"
        ) from error
    if not isinstance(found, dict):
        raise DetectorError(detector, f"model: expected an object in {path}, found {type(found).__name__}")
    return found
