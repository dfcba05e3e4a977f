"""Whether this process could write a file, or put another in its place: what somebody could who has taken it over."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def writable(path: Path) -> Path | None:
    """Return what lets this process change what is read at `path`: the file, a link or a folder on the way; None for nothing.

    A file that belongs to this process counts, as it could make it writable. On a file system that is mounted read-only nothing
    does.
    """
    for place in dict.fromkeys((Path(os.path.abspath(path)), path.resolve())):
        for each in (place, *place.parents):
            if _changeable(each, inner=each != place):
                return each
            if os.path.ismount(each):
                break  # nobody can put something else in the place of a mount point
    return None


def _changeable(path: Path, *, inner: bool) -> bool:
    try:
        found = os.lstat(path)
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return False
    except OSError:
        return True  # nobody knows, so it does not count as safe
    if found.st_uid == os.geteuid():
        return True
    if stat.S_ISLNK(found.st_mode):
        return False  # a link is changed by its folder alone
    sticky = inner and bool(found.st_mode & stat.S_ISVTX)
    return os.access(path, os.W_OK) and not sticky
