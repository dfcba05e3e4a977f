"""A folder of promoted models: every version with its lineage, one of them in production, and the way back."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from alignment.promotion.gate import Verdict
from guard.errors import TenetError

LINEAGE = "lineage.json"
_PRODUCTION = "production.json"
_LOCK = ".lock"


class Lineage(Struct, frozen=True, kw_only=True):
    """Where a version came from, and why it was promoted.

    Attributes:
        baseline: Digest of the model it was compared with.
        candidate: Digest of the model itself, before it was merged.
        steps: Records of the training steps, as JSON values.
        gate: What became of each condition.
        made: Date and time, UTC.
    """

    name: str
    version: str
    recipe: str
    policy: str
    baseline: str
    candidate: str
    steps: tuple[dict[str, Any], ...]
    gate: tuple[Verdict, ...]
    notice: str = ""
    made: str = ""


class Change(Struct, frozen=True, kw_only=True):
    """One time that production changed."""

    version: str
    when: str
    how: Literal["promoted", "rolled back"]


class Production(Struct, frozen=True, kw_only=True):
    """Which version is served, and the ones before it, the latest last."""

    history: tuple[Change, ...] = ()

    @property
    def version(self) -> str:
        """The version that is served; empty where none is."""
        return self.history[-1].version if self.history else ""


class Registry:
    """The versions of all models in one folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made when something is promoted."""
        self.folder = folder

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, the oldest first."""
        return sorted(path.name for path in (self.folder / name).glob("v*") if (path / LINEAGE).is_file())

    def names(self) -> list[str]:
        """Return the models that have a version."""
        return sorted(path.name for path in self.folder.glob("*") if path.is_dir() and self.versions(path.name))

    def production(self, name: str) -> Production:
        """Return which version of a model is in production."""
        file = self.folder / name / _PRODUCTION
        if not file.is_file():
            return Production()
        try:
            return msgspec.json.decode(file.read_bytes(), type=Production)
        except msgspec.DecodeError as error:
            raise TenetError(f"{file}: expected what a promotion wrote, got {error}") from error

    def path(self, name: str, version: str = "") -> Path:
        """Return the folder of a version, or of the one in production. Raises TenetError where there is none."""
        wanted = version or self.production(name).version
        if not wanted or wanted not in self.versions(name):
            known = ", ".join(self.versions(name)) or "none"
            raise TenetError(f"{self.folder}: expected a version of {name}{f' {wanted}' if wanted else ''}, found {known}")
        return self.folder / name / wanted

    def lineage(self, name: str, version: str = "") -> Lineage:
        """Return where a version came from."""
        return msgspec.json.decode((self.path(name, version) / LINEAGE).read_bytes(), type=Lineage)

    @contextmanager
    def adding(self, name: str) -> Iterator[tuple[str, Path]]:
        """Give the next version and a folder to fill; it is there whole when all went well, and not at all otherwise."""
        home = self.folder / name
        home.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".adding-", dir=home))
        try:
            with self._locked(name):
                version = f"v{1 + max((int(each[1:]) for each in self.versions(name)), default=0):04}"
                yield version, staging
                os.replace(staging, home / version)
        except OSError as error:
            raise TenetError(f"{home}: cannot be written: {error.strerror or type(error).__name__}") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def promote(self, name: str, version: str) -> None:
        """Put a version into production."""
        self.path(name, version)
        with self._locked(name):
            self._serve(name, Change(version=version, when=_now(), how="promoted"))

    def roll_back(self, name: str) -> str:
        """Put the version into production that was there before this one, and return it. Raises TenetError where none was."""
        with self._locked(name):
            served: list[str] = []
            for change in self.production(name).history:
                if change.how == "promoted":
                    served.append(change.version)
                else:
                    served = served[: served.index(change.version) + 1]
            if len(served) < 2:
                raise TenetError(f"{self.folder}: expected an earlier version of {name} to go back to, found none")
            self._serve(name, Change(version=served[-2], when=_now(), how="rolled back"))
            return served[-2]

    def _serve(self, name: str, change: Change) -> None:
        found = Production(history=(*self.production(name).history, change))
        file = self.folder / name / _PRODUCTION
        beside = file.with_name(f".{_PRODUCTION}")
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
        os.replace(beside, file)

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        home = self.folder / name
        if not home.is_dir():
            raise TenetError(f"{self.folder}: expected a model {name}, found {', '.join(self.names()) or 'none'}")
        with (home / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def write_lineage(folder: Path, lineage: Lineage) -> None:
    """Write a version's lineage."""
    (folder / LINEAGE).write_bytes(msgspec.json.format(msgspec.json.encode(lineage), indent=2) + b"\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
