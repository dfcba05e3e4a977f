"""Replace a file at once or not at all, whoever reads it, writes it or pulls the plug meanwhile."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from guard.errors import TenetError


def replace_file(path: Path, before: bytes, data: bytes) -> None:
    """Write `data` in place of what a file holds, and keep its owner and its mode; a link stays one.

    Args:
        path: A file that exists.
        before: What it held when it was read.
        data: What it is to hold.

    Raises:
        TenetError: Where it was changed since it was read, or cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        if not target.stat().st_mode & _ANY_WRITE or not os.access(target, os.W_OK):
            raise TenetError(f"{path}: expected a file that may be written, it is read-only; nothing was changed")
        with _alone(target):
            now = target.read_bytes()
            if now == data:
                return
            if now != before:
                raise TenetError(f"{path}: was changed meanwhile; run the command again")
            _replace(target, data)
    except OSError as error:
        raise TenetError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from error


def _replace(target: Path, data: bytes) -> None:
    """Write beside the target and rename, so that whoever reads it sees the old file or the new one, even after a crash."""
    beside = target.with_name(f".{target.name}.{os.urandom(4).hex()}.new")
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "wb") as fresh:
            _make_alike(fresh.fileno(), target.stat())
            fresh.write(data)
            fresh.flush()
            os.fsync(fresh.fileno())
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _make_alike(file: int, old: os.stat_result) -> None:
    with contextlib.suppress(PermissionError):
        os.fchown(file, old.st_uid, old.st_gid)
    os.fchmod(file, stat.S_IMODE(old.st_mode))


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the target while it is replaced; another that waits for it will find that it was changed."""
    import fcntl

    with target.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


_ANY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
