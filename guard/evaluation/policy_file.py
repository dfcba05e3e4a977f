"""A policy file whose thresholds are set: checked before it is replaced, and replaced at once or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from guard.errors import PolicyError, TenetError
from guard.evaluation.policy_edit import extending, with_thresholds
from guard.policy.digest import canonical
from guard.policy.kinds import Kind
from guard.policy.lint import Level, lint
from guard.policy.load import loads, shipped
from guard.policy.model import Policy


class PolicyFile:
    """Where a policy's new thresholds go: into its own file, or into a new one.

    Attributes:
        target: The file that is written.
    """

    def __init__(self, policy: str, out: Path | None, *, overwrite: bool = False) -> None:
        """Read the file as it is now.

        Args:
            policy: A shipped policy's name, or a path.
            out: A file to write instead; a shipped policy is extended there, any other is copied with its new thresholds.
            overwrite: Whether `out` may exist.

        Raises:
            TenetError: Where it is plain already that the target cannot be written.
        """
        self._base = policy if policy in shipped() else ""
        if self._base and out is None:
            raise TenetError(f"--policy {policy}: a shipped policy is not edited; name a file that extends it by --out FILE.yaml")
        source = shipped()[policy] if self._base else Path(policy)
        self._before = _read(source)
        self.target = Path(os.path.realpath(out or source))
        self._in_place = out is None
        if out is not None and out.exists() and not overwrite:
            raise TenetError(f"--out {out}: exists already; replace it with --overwrite, or name another file")
        _check_writable(self.target)

    def edited(self, policy: Policy, thresholds: Mapping[str, str], kinds: Mapping[str, Kind]) -> tuple[bytes, Policy]:
        """Return the file with new thresholds, and the policy that it then is.

        Args:
            policy: As it was loaded.
            thresholds: Numbers as they are to be written, by rule.
            kinds: Those it was loaded with.

        Raises:
            TenetError: Where the file would then say anything else besides, or lint would find an error in it that was not there.
        """
        text, mark = self._text()
        try:
            text = extending(self._base, thresholds) if self._base else with_thresholds(text, thresholds)
            changed = loads(text, kinds, self.target.stem, self.target.parent)
        except (PolicyError, ValueError) as error:
            raise self._unexpected(str(error)) from error
        rules = [replace(rule, threshold=float(thresholds.get(rule.id, rule.threshold))) for rule in policy.rules]
        if canonical(changed, {}) != canonical(replace(policy, rules=tuple(rules)), {}):
            raise self._unexpected("more than thresholds would change")
        known = {str(remark) for remark in lint(policy, kinds)}
        for remark in lint(changed, kinds):
            if remark.level is Level.ERROR and str(remark) not in known:
                raise self._unexpected(str(remark))
        return mark + text.encode(), changed

    def write(self, data: bytes) -> None:
        """Replace the target at once, and keep its mode.

        Raises:
            TenetError: Where it was changed since it was read, or cannot be written.
        """
        try:
            if not self._in_place:
                _replace(self.target, data)
                return
            with _alone(self.target):
                if _read(self.target) != self._before:
                    raise TenetError(f"{self.target}: was changed while its thresholds were chosen; run the command again")
                _replace(self.target, data)
        except OSError as error:
            raise TenetError(f"{self.target}: cannot be written: {error.strerror}") from error

    def _text(self) -> tuple[str, bytes]:
        """Return the text, and the mark of byte order before it."""
        text = self._before.decode("utf-8-sig")
        return text, self._before[: len(self._before) - len(text.encode())]

    def _unexpected(self, reason: str) -> TenetError:
        way_out = (
            "set the thresholds by hand" if self._in_place else "name an --out beside the policy, as paths in it are relative"
        )
        return TenetError(f"{self.target}: expected to change nothing but thresholds, but: {reason} ({way_out})")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TenetError(f"{path}: expected a policy file, got: {(error.strerror or str(error)).lower()}") from error


def _check_writable(target: Path) -> None:
    if not target.parent.is_dir():
        raise TenetError(f"{target.parent}: expected a folder to write to, found none")
    if target.exists():
        if not target.is_file():
            raise TenetError(f"{target}: expected a file, found something else")
        if not target.stat().st_mode & _ANY_WRITE or not os.access(target, os.W_OK):
            raise TenetError(f"{target}: is read-only; allow writing to it, or name another file by --out")
    if not os.access(target.parent, os.W_OK):
        raise TenetError(f"{target.parent}: expected a folder to write to, it is read-only")


def _replace(target: Path, data: bytes) -> None:
    """Write beside the target and rename, so that whoever reads it sees the old file or the new one, even after a crash."""
    beside = target.with_name(f".{target.name}.{os.urandom(4).hex()}.new")
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(file, "wb") as fresh:
            if target.exists():
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
    """Give a file the owner and the mode of another, so that the service that reads it still may."""
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
