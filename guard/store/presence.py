"""Who writes to a store, and what may be missing in it: writers sign with every commit, and sign off when all is written.

A writer that went without signing off (a crash, a killed process) is found by the next one that starts, which records a gap.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from guard.store import schema
from guard.store.connecting import writing
from guard.store.identity import new_id, now

SILENCE = 120.0
"""Seconds without a sign of life after which a writer on another machine counts as gone."""
_WRITERS, _GAPS = schema.writers, schema.gaps


class Presence:
    """One writer's row among the writers of a store."""

    def __init__(self, engine: Engine) -> None:
        self.id = new_id("wr")
        self.here = False
        """Whether it has registered, and looked for those that are gone."""
        self.on_gap: Callable[[Connection, dict[str, Any]], None] = _ignore
        """Told of each gap as it is recorded, in the same transaction."""
        self._engine = engine

    def arrive(self) -> None:
        """Register, and record a gap for each writer that is gone without having signed off."""
        with writing(self._engine) as connection:
            self._register(connection)
            rows = connection.execute(select(_WRITERS).where(_WRITERS.c.ended.is_(None), _WRITERS.c.id != self.id)).all()
            for row in rows:
                if not _lives(row):
                    self._note_crash(connection, row)
        self.here = True

    def sign(self, connection: Connection, accepted: int, written: int) -> None:
        """Say in a transaction how many records were taken in, and how many are written with it."""
        if not self.here:
            self._register(connection)
        connection.execute(
            update(_WRITERS).where(_WRITERS.c.id == self.id).values(accepted=accepted, written=written, seen=now(), ended=None)
        )

    def leave(self) -> None:
        """Sign off: everything that was taken in is written."""
        with writing(self._engine) as connection:
            connection.execute(update(_WRITERS).where(_WRITERS.c.id == self.id).values(seen=now(), ended=now()))

    def note_shed(self, connection: Connection, lost: int, since: int, until: int) -> None:
        """Record that rows were dropped, because the queue was full."""
        self._note(connection, self.id, "shed", lost, since, until, complete=True)

    def _register(self, connection: Connection) -> None:
        at = now()
        row = {"id": self.id, "place": _place(), "process": os.getpid(), "process_started": _started(os.getpid())}
        if connection.execute(select(_WRITERS.c.id).where(_WRITERS.c.id == self.id)).scalar() is None:
            connection.execute(insert(_WRITERS), {**row, "version": _version(), "created": at, "seen": at})

    def _note_crash(self, connection: Connection, row: Row[Any]) -> None:
        ended = update(_WRITERS).where(_WRITERS.c.id == row.id, _WRITERS.c.ended.is_(None)).values(ended=now())
        if connection.execute(ended).rowcount:
            self._note(connection, row.id, "crash", max(0, row.accepted - row.written), row.seen, now(), complete=False)

    def _note(self, connection: Connection, writer: str, kind: str, lost: int, since: int, until: int, *, complete: bool) -> None:
        gap = {"id": new_id("gap"), "writer": writer, "kind": kind, "lost": lost, "complete": complete}
        connection.execute(insert(_GAPS), {**gap, "since": since, "until": until, "created": now()})
        self.on_gap(connection, gap)


def _ignore(_connection: Connection, _gap: dict[str, Any]) -> None:
    """Tell nobody."""


def _lives(row: Row[Any]) -> bool:
    """Return whether a writer may still be there: its process, on this machine, or a recent sign of life from another."""
    if row.place == _place():
        return bool(row.process_started) and _started(row.process) == row.process_started
    return bool(time.time() - row.seen / 1_000_000 < SILENCE)


def _place() -> str:
    """Return what tells this machine, since it was started, and this space of process numbers from others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _started(process: int) -> str:
    """Return when a process was started, in ticks of its machine; a word where that cannot be told; empty where it is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        return "unknown"
    return "unknown"


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tenet-guard")
    except PackageNotFoundError:
        return ""
