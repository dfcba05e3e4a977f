"""`GuardMiddleware`: the guard around any ASGI app. Pure ASGI, so that streams, cancellation and background tasks stay whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from guard import asgi
from guard.asgi import App, Message, Receive, Scope, Send
from guard.attribution import Attribution
from guard.choosing import Policies
from guard.engine import Guard
from guard.errors import BadMessage, UpstreamError
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
        trials: What is on trial beside it; nothing, where it is not the default of several.
    """

    guard: Guard
    routes: Routes
    unknown: str
    speculating: Routes | None
    trials: Trials | None = None


@dataclass(frozen=True, slots=True)
class _Serving:
    """All that is in force at one time.

    Attributes:
        default: The only guard, or that of requests for which no choice holds.
        policies: What tells which guard a request gets; None where there is only one.
    """

    default: _InForce
    policies: Policies | None
    each: Mapping[Guard, _InForce]

    def of(self, scope: Scope) -> _InForce:
        return self.default if self.policies is None else self.each[self.policies.choose(scope)]


class GuardMiddleware:
    """Guards the generation routes of an ASGI app, and passes the others or rejects them, as the policy's `routes` say.

    `Starlette(middleware=[Middleware(GuardMiddleware, policy="default")])`, the same under FastAPI, or
    `GuardMiddleware(app, policy="default")` around a bare ASGI callable. With `policies`, a file of choices, a request gets the
    policy that is meant for its route, caller or headers.
    """

    def __init__(
        self,
        app: App,
        policy: str | Path | Policy = "default",
        *,
        guard: Guard | None = None,
        policies: Policies | str | Path | None = None,
        unknown: str = "pass",
        attribution: Attribution = Attribution(),  # noqa: B008 - a value
        tokens: FeedbackTokens | None = None,
        asked: Asked | None = None,
    ) -> None:
        """Prepare the guard.

        Args:
            policy: A shipped policy's name, a path, or a loaded policy; not read where `guard` or `policies` is given.
            guard: A guard to share with others.
            policies: A file of choices, or what was loaded from one.
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
        chosen = Policies(policies) if isinstance(policies, str | Path) else policies
        self.swap(chosen or guard or Guard(policy))

    @property
    def guard(self) -> Guard:
        """The guard in force; of several, the default."""
        return self._serving.default.guard

    @property
    def policies(self) -> Policies | None:
        """What tells which guard a request gets; None where there is only one."""
        return self._serving.policies

    def guard_for(self, scope: Scope) -> Guard:
        """Return the guard that a request gets. Raises BadMessage as `Policies.choose`."""
        return self._serving.of(scope).guard

    def swap(self, guard: Guard | Policies) -> None:
        """Put another guard, or others, in place of what is in force. Exchanges that are under way keep what they began with."""
        policies = guard if isinstance(guard, Policies) else None
        guards = (guard,) if isinstance(guard, Guard) else tuple(guard.guards.values())
        for each in guards:
            each.prepare()
        known = {each: self._ready(each) for each in guards}
        default = policies.default if policies is not None else guards[0]
        known[default] = replace(known[default], trials=self.trials)
        self._serving = _Serving(known[default], policies, known)

    def _ready(self, guard: Guard) -> _InForce:
        routes = guard.policy.routes
        speculating = replace(routes, allow=routes.speculate) if routes.speculate else None
        return _InForce(guard, routes, routes.unknown or self._otherwise, speculating)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        serving = self._serving  # taken once, as others may come at any moment
        try:
            in_force = serving.default if scope["type"] == "lifespan" else serving.of(scope)
        except BadMessage as error:
            await self._ambiguous(error, scope, receive, send)
            return
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
                trials=in_force.trials,
            )
            await exchange.run()
        elif in_force.unknown == "pass" or registry.is_free(method, path, in_force.routes):
            await self._pass(scope, receive, send)
        else:
            message = f"{method} {path} is not guarded by this policy, so it is not served; see `routes` in the policy"
            await asgi.send_answer(send, 404, error_body(message, status=404, code="unknown_route"))

    async def _ambiguous(self, error: BadMessage, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a connection of which nobody can tell which policy it is to get."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": str(error)[:100]})
            return
        await asgi.send_answer(send, error.status, error_body(str(error), status=error.status, code=error.code))

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
