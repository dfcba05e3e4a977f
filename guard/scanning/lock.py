"""One scan for each output: a lock that the system takes back when its holder dies, however it dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guard.errors import TenetError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which says who holds it.

    Raises:
        TenetError: Where another process holds it.
    """
    held = _acquire(path)
    try:
        os.truncate(held, 0)
        os.write(held, f"{os.getpid()}\n".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(held)


def _acquire(path: Path) -> int:
    import fcntl

    while True:
        try:
            held = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise TenetError(f"{path.parent}: expected a folder to write to, got: {error.strerror}") from error
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(held, 32, 0).decode().strip() or "unknown"
            os.close(held)
            raise TenetError(f"{path.with_suffix('')}: process {holder} is writing it; wait until it has ended") from error
        if _is_still(path, held):
            return held
        os.close(held)  # its last holder took it away before we got it


def _is_still(path: Path, held: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(held))
    except FileNotFoundError:
        return False
