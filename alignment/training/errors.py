"""What ends a training run before its end; loads neither torch nor transformers."""

from __future__ import annotations

from guard.errors import TenetError


class TrainingError(TenetError):
    """A run that had to end: why, and how to go on."""


class Stopped(TrainingError):
    """A run that was told to stop, and has left a checkpoint.

    Attributes:
        status: Exit status of a command that was ended so: 128 and the signal's number.
    """

    def __init__(self, message: str, *, status: int = 143) -> None:
        self.status = status
        super().__init__(message)
