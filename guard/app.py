"""Put the parts of a server together: the guard, what it guards, and the routes of Tenet's own."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guard import asgi
from guard.asgi import App, Receive, Scope, Send
from guard.attribution import Attribution
from guard.choosing import Policies
from guard.engine import Guard
from guard.errors import BadMessage, DetectorError, StoreError, TenetError
from guard.formats import moderations
from guard.formats.openai_errors import error_body
from guard.middleware import GuardMiddleware
from guard.moderation import moderate, thresholds
from guard.perspective import Perspective
from guard.policy.model import Policy
from guard.ports import RecentDecisions
from guard.trials.trials import Trials

if TYPE_CHECKING:
    from guard.access import Access
    from guard.feedback.taking import FeedbackIn
    from guard.store.store import Store

_EXCHANGES = "/guard/exchanges/"
_RELOAD = "/guard/policy/reload"


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of the last wish for another policy.

    Attributes:
        taken: Whether it is in force.
        digest: Of the policy that is in force now.
        reason: Why it was not taken.
    """

    taken: bool
    digest: str
    reason: str = ""


class GuardApp:
    """The ASGI app that `guard serve` serves: an upstream behind the guard, `/v1/moderations`, and the state of things."""

    def __init__(
        self,
        guard: Guard | Policies,
        upstream: App,
        recent: RecentDecisions,
        store: Store | None = None,
        *,
        access: Access | None = None,
        attribution: Attribution = Attribution(),  # noqa: B008 - a value
        feedback: FeedbackIn | None = None,
    ) -> None:
        """Put `guard` in front of `upstream`; routes that no format knows are rejected unless the policy says otherwise.

        Args:
            guard: One for all requests, or what tells which guard a request gets.
            store: Where exchanges are looked for that are not among the recent ones.
            access: Who may do what; everybody everything, where not said.
            attribution: How it is told whom an exchange is about.
            feedback: What takes feedback; what the store says, with all as usual, where not said.
        """
        if feedback is None and store is not None:
            from guard.feedback.taking import FeedbackIn

            feedback = FeedbackIn(store, recent)
        self._feedback = feedback.route if feedback is not None else None
        self._access = access
        self._store = store
        self._upstream = upstream
        self._guarded = GuardMiddleware(
            upstream,
            guard=guard if isinstance(guard, Guard) else None,
            policies=guard if isinstance(guard, Policies) else None,
            unknown="reject",
            attribution=attribution,
            tokens=feedback.tokens if feedback is not None else None,
            asked=feedback.signals.asked if feedback is not None else None,
        )
        self._recent = recent
        self.reloaded: Reloaded | None = None
        self.reload: Callable[[], Reloaded] | None = None
        self._perspective = Perspective(feedback.suggestions() if feedback is not None else None)

    @property
    def policy(self) -> Policy:
        """The policy that is in force; of several, the default."""
        return self._guarded.guard.policy

    @property
    def digest(self) -> str:
        """The digest of what is in force: of the policy, or of all policies with who gets which."""
        return self.policy.digest if self._guarded.policies is None else self._guarded.policies.digest

    @property
    def trials(self) -> Trials:
        """What is on trial beside the policy in force."""
        return self._guarded.trials

    def swap(self, guard: Guard | Policies) -> None:
        """Put another guard, or others, in place of what is in force, without dropping an exchange."""
        self._guarded.swap(guard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._upstream(scope, receive, send)
            return
        admitted = scope if self._access is None else await self._access.admit(scope, receive, send)
        if admitted is not None:
            await self._serve(admitted, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = (scope.get("method"), scope["path"])
        if route == ("POST", "/v1/moderations"):
            await self._moderate(scope, receive, send)
        elif self._feedback is not None and self._feedback.answers(scope.get("method", ""), scope["path"]):
            await self._feedback(scope, receive, send)
        elif self._perspective.answers(scope.get("method", ""), scope["path"]):
            await self._perspective(scope, receive, send, self._guarded.guard_for)
        elif route in (("GET", "/healthz"), ("GET", "/readyz")):
            await asgi.send_answer(send, 200, _json(self._state()))
        elif route == ("POST", _RELOAD) and self.reload is not None:
            await self._reload(self.reload, asgi.caller_of(scope).tenant, send)
        elif scope.get("method") == "GET" and scope["path"].startswith(_EXCHANGES):
            await self._exchange(scope["path"].removeprefix(_EXCHANGES), asgi.caller_of(scope).tenant, send)
        else:
            await self._guarded(scope, receive, send)

    def _state(self) -> dict[str, str]:
        """Return how it is: serving, and whether a newer policy was turned down (the log says why)."""
        refused = self.reloaded is not None and not self.reloaded.taken
        several = {"policies": self.digest} if self._guarded.policies is not None else {}
        return {"status": "ok", "policy": self.policy.digest, **several, **({"newer_policy": "refused"} if refused else {})}

    async def _reload(self, reload: Callable[[], Reloaded], tenant: str, send: Send) -> None:
        if tenant and self._guarded.policies is not None:  # what is wrong with other tenants' policies is not for this one
            message = "the policies here are of several tenants: only a key without a tenant may load them again"
            await asgi.send_answer(send, 403, error_body(message, status=403, code="insufficient_role"))
            return
        done = await asyncio.to_thread(reload)
        if done.taken:
            await asgi.send_answer(send, 200, _json({"policy": done.digest}))
        else:
            await asgi.send_answer(send, 409, error_body(done.reason, status=409, code="policy_refused"))

    async def _moderate(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = asgi.headers_of(scope)
        try:
            guard = self._guarded.guard_for(scope)
            limits = guard.policy.limits
            body = await asgi.read_json(scope, receive, headers, limits.body)
            request = moderations.read_request(body, limits.depth)
            scores = await moderate(guard, request.texts)
        except asgi.Disconnected:
            return
        except BadMessage as error:
            await asgi.send_answer(send, error.status, error_body(str(error), status=error.status, code=error.code))
        except DetectorError as error:
            await asgi.send_answer(send, 503, error_body(str(error), status=503, code="detector_failed"))
        else:
            await asgi.send_answer(send, 200, moderations.answer(request, scores, thresholds(guard)))

    async def _exchange(self, exchange_id: str, tenant: str, send: Send) -> None:
        recent = self._recent.find(exchange_id, tenant)
        try:
            stages = {stage: decision.as_dict() for stage, decision in recent.items()} if recent else None
            if stages is None and self._store is not None:
                stages = await asyncio.to_thread(self._store.exchanges.decisions, tenant, exchange_id)
        except StoreError as error:
            await asgi.send_answer(send, 503, error_body(str(error), status=503, code="store_unavailable"))
            return
        if stages is None:
            body = error_body("this exchange is not known (any more)", status=404, code="unknown_exchange")
            await asgi.send_answer(send, 404, body)
            return
        await asgi.send_answer(send, 200, _json({"id": exchange_id, "decisions": stages}))


def load_app(name: str) -> App:
    """Return the ASGI app that `module:attribute` names.

    Raises:
        TenetError: Where it cannot be imported, or is not callable.
    """
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        raise TenetError(f"--app: expected module:attribute, got {name!r}")
    try:
        app: Any = importlib.import_module(module)
        for part in attribute.split("."):
            app = getattr(app, part)
    except (ImportError, AttributeError) as error:
        raise TenetError(f"--app: cannot load {name!r}: {error}") from error
    if not callable(app):
        raise TenetError(f"--app: expected an ASGI app, got a {type(app).__name__} at {name!r}")
    return app  # type: ignore[no-any-return]  # whatever is callable may be an ASGI app


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()
