"""What was worked out already, kept in a file of JSON lines by a digest of all that it depends on.

A line is written whole or, where the process was killed, is the last one and cut off; it is dropped then, and worked out again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from guard.errors import TenetError


def key_of(*parts: Any) -> str:  # noqa: ANN401 - plain JSON values
    """Return 32 hexadecimal digits that stand for JSON values."""
    said = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Kept:
    """The lines of one file, by key. One process writes it at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file, made where there is none.

        Raises:
            TenetError: Where another process has it open, or it is not such a file.
        """
        self._path = path
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise TenetError(f"{path}: another evaluation is writing it; wait for its end, or name another --out") from None
        self._lines = self._read()

    def __enter__(self) -> Kept:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file."""
        self._file.close()

    def __contains__(self, key: str) -> bool:
        """Whether something is kept under this key."""
        return key in self._lines

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return what is kept under this key."""
        return self._lines[key]

    def __len__(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    def add(self, lines: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Keep values under their keys; they are on the disk when this returns. A key that is there already stays as it is."""
        new = [(key, dict(value)) for key, value in lines if key not in self._lines]
        text = "".join(json.dumps({"key": key, **value}, ensure_ascii=True) + "\n" for key, value in new)
        self._file.write(text.encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._lines.update(new)

    def _read(self) -> dict[str, dict[str, Any]]:
        self._file.seek(0)
        found: dict[str, dict[str, Any]] = {}
        whole = 0
        for number, line in enumerate(self._file, 1):
            try:
                value = json.loads(line)
                key = value.pop("key")
            except (ValueError, KeyError, AttributeError, TypeError):
                if line.endswith(b"\n"):
                    raise TenetError(
                        f"{self._path}:{number}: expected a line that an evaluation wrote, got something else (remove the file)"
                    ) from None
                break
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            found[key] = value
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)
        return found
