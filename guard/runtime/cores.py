"""How many cores this process may really use: a container's limit is often far below the machine's count.

A pool of threads sized by the machine is throttled by the kernel for most of each period, and every barrier waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_MOUNT = "sys/fs/cgroup"


def available_cores(root: Path = Path("/")) -> int:
    """Return how many threads can compute at once: the affinity mask or the cgroups' quota, whichever is less; at least 1.

    A quota is rounded down: what is left over is the event loop's, and threads above the quota would be stopped together.

    Args:
        root: Where `/proc` and `/sys` are found.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([allowed, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the limits, in cores, of this process's cgroups and of all that contain them."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            for mount in (root / _MOUNT, root / _MOUNT / "unified"):
                for folder in _upwards(mount, path):
                    yield from _ratio(*_read(folder / "cpu.max").split()[:2])
        elif "cpu" in controllers.split(","):
            for mount in {root / _MOUNT / name for name in ("cpu", controllers)}:
                for folder in _upwards(mount, path):
                    yield from _ratio(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """Yield the folder of a cgroup and of those above it; inside a container only the mount itself may exist."""
    parts = [part for part in path.strip().split("/") if part and part != ".."]
    for depth in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:depth])


def _ratio(quota: str = "", period: str = "") -> Iterator[float]:
    """Yield quota over period, in microseconds as the kernel writes them; nothing for `max`, `-1` and what is not there."""
    if quota.strip().isdigit() and period.strip().isdigit() and int(period):
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
