"""`GuardMiddleware`: the guard around any ASGI app. Pure ASGI, so that streams, cancellation and background tasks stay whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from guard import asgi
from guard.asgi import App, Message, Receive, Scope, Send
from guard.attribution import Attribution
from guard.engine import Guard
from guard.errors import UpstreamError
from guard.feedback_tokens import FeedbackTokens
from guard.formats import registry
from guard.formats.openai_errors import error_body
from guard.guarded_exchange import Asked, GuardedExchange
from guard.policy.model import Policy, Routes
from guard.trials.trials import Trials


@dataclass(frozen=True, slots=True)
class _InForce:
    """A guard, and what its policy says of routes.

    Attributes:
        unknown: What happens on routes that no format knows.
        speculating: The routes on which the upstream may start before the input is judged.
    """

    guard: Guard
    routes: Routes
    unknown: str
    speculating: Routes | None


class GuardMiddleware:
    """Guards the generation routes of an ASGI app, and passes the others or rejects them, as the policy's `routes` say.

    `Starlette(middleware=[Middleware(GuardMiddleware, policy="default")])`, the same under FastAPI, or
    `GuardMiddleware(app, policy="default")` around a bare ASGI callable.
    """

    def __init__(
        self,
        app: App,
        policy: str | Path | Policy = "default",
        *,
        guard: Guard | None = None,
        unknown: str = "pass",
        attribution: Attribution = Attribution(),  # noqa: B008 - a value
        tokens: FeedbackTokens | None = None,
        asked: Asked | None = None,
    ) -> None:
        """Prepare the guard.

        Args:
            policy: A shipped policy's name, a path, or a loaded policy; not read where `guard` is given.
            guard: A guard to share with others.
            unknown: What happens on routes that no format knows, where the policy does not say: `pass` or `reject`.
            attribution: How it is told whom an exchange is about. Who is calling is what the scope says (`guard.asgi.CALLER`).
            tokens: Makes the tokens with which clients may speak about their exchanges.
            asked: Told of each request to the generator; never waits.
        """
        self.app = app
        self._attribution = attribution
        self._tokens = tokens
        self._asked = asked
        self._otherwise = unknown
        self.trials = Trials()
        """What is on trial beside the guard in force."""
        self.swap(guard or Guard(policy))

    @property
    def guard(self) -> Guard:
        """The guard in force."""
        return self._in_force.guard

    def swap(self, guard: Guard) -> None:
        """Put another guard in place of this one. Exchanges that are under way keep the one they began with."""
        guard.prepare()
        routes = guard.policy.routes
        speculating = replace(routes, allow=routes.speculate) if routes.speculate else None
        self._in_force = _InForce(guard, routes, routes.unknown or self._otherwise, speculating)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        in_force = self._in_force  # taken once, as another guard may come at any moment
        if scope["type"] != "http":
            await self._other(in_force, scope, receive, send)
            return
        method, whole = scope["method"], scope["path"]
        path = whole.removeprefix(scope.get("root_path", ""))
        depth = in_force.guard.policy.limits.depth
        wire = registry.for_route(method, path, in_force.routes, depth)
        if wire is None and path != whole:  # mounted below a part of the route that tells its format
            wire = registry.for_route(method, whole, in_force.routes, depth)
        if wire is not None:
            speculative = in_force.speculating is not None and registry.is_free(method, whole, in_force.speculating)
            exchange = GuardedExchange(
                *(self.app, in_force.guard, wire, scope, receive, send),
                speculative=speculative,
                attribution=self._attribution,
                tokens=self._tokens,
                asked=self._asked,
                trials=self.trials,
            )
            await exchange.run()
        elif in_force.unknown == "pass" or registry.is_free(method, path, in_force.routes):
            await self._pass(scope, receive, send)
        else:
            message = f"{method} {path} is not guarded by this policy, so it is not served; see `routes` in the policy"
            await asgi.send_answer(send, 404, error_body(message, status=404, code="unknown_route"))

    async def _other(self, in_force: _InForce, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and in_force.unknown == "reject":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "not guarded by this policy"})
            return
        await self.app(scope, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except UpstreamError as error:
            if started:
                raise
            await asgi.send_answer(send, error.status, error_body(str(error), status=error.status, code="upstream_error"))
