"""What this machine has and does: free memory, and how fast it multiplies and reads."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

_SECONDS = 0.2
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""What a container may use and uses, by version 2 and 1 of the kernel's control groups."""


def free_memory() -> int:
    """Return the bytes that are free: of the GPU where there is one, else of the machine or the container."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    return min([_free_of_machine(), *(limit - used for limit, used in _limits())])


@cache
def operations_a_second(hidden: int) -> float:
    """Return how many multiplications and additions (as two) it does in a second on matrices of a model's size."""
    import torch

    gpu = torch.cuda.is_available()
    rows, width = (8192, 4096) if gpu else (256, min(max(hidden, 64), 2048))
    device, dtype = ("cuda", torch.bfloat16) if gpu else ("cpu", torch.float32)
    left, right = torch.ones(rows, width, device=device, dtype=dtype), torch.ones(width, width, device=device, dtype=dtype)
    return 2 * rows * width * width * _rate(lambda: left @ right)


@cache
def bytes_a_second() -> float:
    """Return how many bytes it reads in a second, by which a model's speed of sampling is bound."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    numbers = torch.ones(1 << (26 if device == "cuda" else 23), device=device)
    return numbers.nbytes * _rate(lambda: numbers.sum())


def _rate(work: Callable[[], object]) -> float:
    """Return how often something can be done in a second: by the fastest time, as others may be at work here."""
    import torch

    def once() -> float:
        began = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - began

    once()  # the first one warms up
    ends, fastest = time.perf_counter() + _SECONDS, once()
    while time.perf_counter() < ends:
        fastest = min(fastest, once())
    return 1 / fastest


def _free_of_machine() -> int:
    import psutil  # type: ignore[import-untyped]  # it ships no types

    return int(psutil.virtual_memory().available)


def _limits() -> list[tuple[int, int]]:
    found = []
    for limit, used in _CGROUPS:
        try:
            found.append((int(Path(limit).read_text()), int(Path(used).read_text())))
        except (OSError, ValueError):  # there is no such group, or no limit: "max"
            continue
    return found
