"""The processes of one run, as `accelerate launch` starts them: what is made once is made by the first, while the others wait."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from guard.errors import TenetError

_LONGEST = timedelta(days=30)
"""How long the others wait for the first; the limits of a training's own exchanges are as short as ever."""
_waiting: Any = None


class LeftAlone(TenetError):
    """Another process of the run has ended, and said why."""


def several() -> bool:
    """Return whether this is one of several processes."""
    return int(os.environ.get("WORLD_SIZE") or 1) > 1


def first() -> bool:
    """Return whether this process is the one that writes and speaks."""
    return (os.environ.get("RANK") or "0") == "0"


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes of the run, each with its own device, and leave them in order."""
    global _waiting  # a process is part of one run
    if not several():
        yield
        return
    import torch
    from accelerate import PartialState  # type: ignore[import-untyped]  # it ships no types

    state = PartialState(cpu=not torch.cuda.is_available())
    _waiting = torch.distributed.new_group(backend="gloo", timeout=_LONGEST)
    try:
        yield
    finally:
        _waiting = None
        state.destroy_process_group()


def wait() -> None:
    """Return when all processes of the run have come here. Raises LeftAlone where one of them has ended."""
    if _waiting is None:
        return
    import torch

    try:
        torch.distributed.barrier(group=_waiting)
    except RuntimeError as error:
        raise LeftAlone("another process of the run has ended; what it said stands above") from error
