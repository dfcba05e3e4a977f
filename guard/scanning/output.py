"""The results of a scan on their way into a file: at any moment, what was written up to the last checkpoint is good.

Beside OUT stand, while a scan goes on, `OUT.partial` with the results so far and `OUT.checkpoint`, which says how many of its
bytes count. OUT itself appears at once, when all is done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from guard.errors import TenetError
from guard.scanning.checkpoint import Checkpoint, Command, read_checkpoint, sync_folder
from guard.scanning.records import Judged, Position
from guard.scanning.summary import Summary
from guard.scanning.tables import write_table

_CHECKPOINT_SECONDS = 0.25


class Output:
    """Takes results in order. A context manager, so that its file is closed.

    Attributes:
        position: Where the next record begins.
        summary: The counts so far.
        resumed: Whether an earlier run had begun.
    """

    def __init__(self, out: Path, command: Command, *, overwrite: bool, resumes: bool) -> None:
        """Take up what an earlier run of the same command left, or begin.

        Args:
            overwrite: Whether an existing file, or what another command left, may be replaced.
            resumes: Whether the input can be read from its middle.

        Raises:
            TenetError: Where something stands in the way.
        """
        self._out = out
        self._partial = _beside(out, ".partial")
        self._checkpoint = checkpoint_of(out)
        self._command = command
        begun = self._begun(overwrite=overwrite, resumes=resumes)
        self.resumed = begun is not None
        self._done = begun is not None and begun.done
        self._finished = self._done and not self._partial.exists() and out.exists()
        self.position = begun.position if begun else Position()
        self.summary = Summary.from_dict(begun.counts) if begun and begun.counts else Summary()
        self._length = begun.length if begun else 0
        if not self._finished:
            self._open()
        self._written = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._finished:
            self._file.close()

    @property
    def done(self) -> bool:
        """Whether the input had been read to its end before."""
        return self._done

    def write(self, results: Sequence[Judged]) -> None:
        """Add results; once in a while, make them safe."""
        for result in results:
            self._file.write(result.line + b"\n")
            self._length += len(result.line) + 1
            self.summary.add(result.line)
        self.position = results[-1].after
        if time.monotonic() - self._written >= _CHECKPOINT_SECONDS:
            self.save()

    def save(self, *, done: bool = False) -> None:
        """Have all results so far on the disk, and then the checkpoint that counts on them."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._state(done=done).write(self._checkpoint)
        self._written = time.monotonic()

    def finish(self) -> None:
        """Give OUT its contents, all at once, and take away what was only needed to go on."""
        if not self._finished:
            self.save(done=True)
            self._file.close()
            self._publish()
        self._checkpoint.unlink(missing_ok=True)
        sync_folder(self._out.parent)

    def _publish(self) -> None:
        if self._out.suffix != ".parquet":
            self._partial.replace(self._out)
            return
        table = _beside(self._out, ".new")
        write_table(self._partial, table, with_id=bool(self._command.id), with_text=self._command.keep_text)
        with table.open("rb") as written:
            os.fsync(written.fileno())
        table.replace(self._out)
        sync_folder(self._out.parent)
        self._partial.unlink()

    def _state(self, *, done: bool = False) -> Checkpoint:
        return Checkpoint(self._command, self.position, self._length, self.summary.as_dict(), done)

    def _begun(self, *, overwrite: bool, resumes: bool) -> Checkpoint | None:
        """Return where an earlier run stopped, if this one may go on there."""
        try:
            found = self._fitting(resumes)
        except TenetError:
            if not overwrite:
                raise
            found = None
        if self._out.exists() and not overwrite and not (found and found.done):
            raise TenetError(f"{self._out}: exists already; replace it with --overwrite, or name another --out")
        return found

    def _fitting(self, resumes: bool) -> Checkpoint | None:
        found = read_checkpoint(self._checkpoint)
        if found is None:
            if self._partial.exists():
                raise TenetError(f"{self._partial}: exists, and no scan wrote it; replace it with --overwrite")
            return None
        differences = self._command.differences(found.command)
        if differences:
            raise TenetError(
                f"{self._out}: a scan was begun with {', '.join(differences)}; go on with that, or start anew with --overwrite"
            )
        if not resumes:
            raise TenetError(f"{self._out}: a scan was begun, and a pipe cannot be read again; start anew with --overwrite")
        size = self._partial.stat().st_size if self._partial.exists() else 0
        if size < found.length and not (found.done and self._out.exists()):
            raise TenetError(f"{self._partial}: expected {found.length:,} bytes, found {size:,}; start anew with --overwrite")
        return found

    def _open(self) -> None:
        """Cut off what was written after the last checkpoint."""
        if not self.resumed:
            self._partial.unlink(missing_ok=True)
            self._state().write(self._checkpoint)
        self._file = self._partial.open("ab")
        self._file.truncate(self._length)


def checkpoint_of(out: Path) -> Path:
    """Return where the checkpoint of a scan into `out` stands."""
    return _beside(out, ".checkpoint")


def _beside(out: Path, suffix: str) -> Path:
    return out.with_name(out.name + suffix)
