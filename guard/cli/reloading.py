"""Put a changed policy in force while serving: checked and tested first, then swapped; or the old one stays, and why is said."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from guard.app import GuardApp, Reloaded
from guard.authoring.cases import tests_beside
from guard.authoring.passing import must_pass
from guard.cli.collecting import settle
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.errors import TenetError
from guard.policy.load import load, shipped

_LOOK_AGAIN_SECONDS = 0.5


class Reloader:
    """Loads a policy again when it is asked to, or when one of its files changes."""

    def __init__(self, policy: str, app: GuardApp, make: Callable[[], Guard]) -> None:
        """Take the policy's name, what serves it, and what builds its guard."""
        self._policy = policy
        self._app = app
        self._make = make
        self._turn = threading.Lock()

    def reload(self) -> Reloaded:
        """Load, test and swap; what cannot be loaded, or fails its own tests, changes nothing. No exchange is dropped."""
        with self._turn:
            try:
                self._test()
                guard = self._make()
            except TenetError as error:
                print(f"the policy in force stays, as the new one cannot take its place:\n{error}", file=sys.stderr, flush=True)
                done = Reloaded(False, self._app.policy.digest, str(error))
            else:
                self._app.swap(guard)
                print(f"policy {guard.policy.name}, digest {guard.policy.digest[:16]}… is in force", file=sys.stderr, flush=True)
                done = Reloaded(True, guard.policy.digest)
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
        """Return size and time of each file: the policy with its bases as it is in force, and its tests."""
        found = {}
        for path in {self._path, tests_beside(self._path), *map(Path, self._app.policy.sources)}:
            try:
                status = path.stat()
            except OSError:
                continue
            found[path] = (status.st_mtime_ns, status.st_size)
        return found

    @property
    def _path(self) -> Path:
        named = "/" in self._policy or self._policy.endswith(".yaml")
        return Path(self._policy) if named else shipped().get(self._policy, Path(self._policy))

    def _test(self) -> None:
        """Run the tests that stand beside the policy, where there are some. Raises TenetError where one fails."""
        tests = tests_beside(self._path)
        if tests.is_file():
            must_pass(load(self._policy, kinds()), tests)
