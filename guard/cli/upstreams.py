"""What `guard serve` puts behind the guard: an API, a model, the demonstration, or an app."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guard.app import load_app
from guard.asgi import App
from guard.errors import TenetError


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """What was asked for.

    Attributes:
        url: Base URL of an API.
        key_env: Environment variable whose value replaces the client's Authorization on its way there.
        demo: Whether it is the generator that Tenet brings along.
        app: `module:attribute` of an ASGI app.
        model: Folder or file of a model, to be served in this process.
        adapters: Folders of LoRA adapters to merge into that.
    """

    url: str = ""
    key_env: str = ""
    demo: bool = False
    app: str = ""
    model: Path | None = None
    adapters: Sequence[Path] = ()

    def check(self) -> None:
        """Raise TenetError unless exactly one was asked for."""
        values = {"--upstream": self.url, "--demo": self.demo, "--app": self.app, "--upstream-model": self.model}
        given = [option for option, value in values.items() if value]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise TenetError(f"expected exactly one of --upstream, --demo, --app and --upstream-model, got {got}")
        if self.adapters and self.model is None:
            raise TenetError("--upstream-adapter: expected --upstream-model with the model that it adapts, got none")

    def make(self) -> App:
        """Return it, ready to be asked. Raises TenetError where it cannot be had."""
        if self.app:
            return load_app(self.app)
        if self.model is not None:
            return _model(self.model, self.adapters)
        return _demo() if self.demo else _proxy(self.url, self.key_env)


def _proxy(url: str, key_env: str) -> App:
    from guard.proxy import Proxy

    return Proxy(url, key_env=key_env)


def _model(folder: Path, adapters: Sequence[Path]) -> App:
    from guard.upstream_model.loading import load
    from guard.upstream_model.server import model_app

    print(f"loading the model {folder}", file=sys.stderr, flush=True)
    return model_app(load(folder, adapters))


def _demo() -> App:
    from guard.demo import demo_app

    return demo_app()
