"""Put changed policies in force while serving: checked and tested first, then swapped; or the old ones stay, and why is said."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from guard.app import GuardApp, Reloaded
from guard.authoring.cases import tests_beside
from guard.authoring.passing import must_pass
from guard.choosing import Policies
from guard.cli.collecting import settle
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.errors import TenetError
from guard.policy.load import load, shipped

_LOOK_AGAIN_SECONDS = 0.5


class Source(Protocol):
    """What a server takes its policies from."""

    def again(self) -> Guard | Policies:
        """Return what the files hold now, after their tests passed. Raises TenetError where it is not to be served."""
        ...

    def files(self) -> Iterable[Path]:
        """Return every file on which that depends, there or not."""
        ...


class OnePolicy:
    """A policy for all requests."""

    def __init__(self, policy: str, make: Callable[[], Guard]) -> None:
        """Take the policy's name, and what builds its guard."""
        self._policy = policy
        self._make = make
        self._sources: Sequence[str] = ()

    def begin(self) -> Guard:
        """Return its guard. Raises TenetError where it can't be built."""
        guard = self._make()
        self._sources = guard.policy.sources
        return guard

    def again(self) -> Guard:
        """Return the guard of what its files hold now, after its tests passed. Raises TenetError where one fails."""
        tests = tests_beside(self._path)
        if tests.is_file():
            must_pass(load(self._policy, kinds()), tests)
        return self.begin()

    def files(self) -> Iterable[Path]:
        """Return the policy, its bases as they are in force, and its tests."""
        return {self._path, tests_beside(self._path), *map(Path, self._sources)}

    @property
    def _path(self) -> Path:
        named = "/" in self._policy or self._policy.endswith(".yaml")
        return Path(self._policy) if named else shipped().get(self._policy, Path(self._policy))


class Reloader:
    """Loads policies again when it is asked to, or when one of their files changes."""

    def __init__(self, source: Source, app: GuardApp) -> None:
        """Take where they come from, and what serves them."""
        self._source = source
        self._app = app
        self._turn = threading.Lock()

    def reload(self) -> Reloaded:
        """Load, test and swap; what cannot be loaded, or fails its own tests, changes nothing. No exchange is dropped."""
        with self._turn:
            try:
                served = self._source.again()
            except TenetError as error:
                print(f"the policy in force stays, as the new one cannot take its place:\n{error}", file=sys.stderr, flush=True)
                done = Reloaded(False, self._app.digest, str(error))
            else:
                self._app.swap(served)
                print(f"{_named(served)}, digest {self._app.digest[:16]}… is in force", file=sys.stderr, flush=True)
                done = Reloaded(True, self._app.digest)
                settle()
            self._app.reloaded = done
            return done

    def in_background(self) -> None:
        """Reload in a thread of its own, as in a signal's handler."""
        threading.Thread(target=self.reload, name="guard-reload", daemon=True).start()

    def watch(self) -> None:
        """Reload whenever a file of the policy changes, from now on."""
        threading.Thread(target=self._watch, name="guard-watch", daemon=True).start()

    def _watch(self) -> None:
        before = self._stamps()
        while True:
            time.sleep(_LOOK_AGAIN_SECONDS)
            now = self._stamps()
            if now != before:
                before = now
                self.reload()

    def _stamps(self) -> dict[Path, tuple[int, int]]:
        """Return size and time of each file that is there."""
        found = {}
        for path in self._source.files():
            try:
                status = path.stat()
            except OSError:
                continue
            found[path] = (status.st_mtime_ns, status.st_size)
        return found


def _named(served: Guard | Policies) -> str:
    return f"policy {served.policy.name}" if isinstance(served, Guard) else f"policies of {served.source}"
