"""The Perspective API's routes on `guard serve`, answered by the embedded classifier: for those whom that API leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from guard import asgi
from guard.asgi import Receive, Scope, Send
from guard.detectors.meaning.sentences import sentences
from guard.engine import Guard
from guard.errors import BadMessage, DetectorError, StoreError
from guard.formats import perspective, perspective_discovery
from guard.formats.perspective import Analysis, Scored, Suggestion
from guard.values import Caller

if TYPE_CHECKING:
    from guard.detectors.embedded import Embedded

ANALYZE, SUGGEST = "/v1alpha1/comments:analyze", "/v1alpha1/comments:suggestscore"
DISCOVERY = "/$discovery/rest"
"""Where Google's client libraries ask which methods there are."""

_UNKEPT = "suggestions need a store: start guard serve with --store"


class Suggestions(Protocol):
    """Keeps what people hold to be the right scores of a comment."""

    async def suggest(self, suggestion: Suggestion, caller: Caller, guard: Guard) -> None:
        """Keep a suggestion; return only when it is safe. Raises StoreError where it cannot be kept.

        Args:
            guard: The one that the caller gets.
        """
        ...


class Perspective:
    """Answers `comments:analyze` and `comments:suggestscore`."""

    def __init__(self, suggestions: Suggestions | None = None) -> None:
        """Prepare; the classifier is loaded by the first request.

        Args:
            suggestions: Where suggested scores go; without it they are refused, not lost.
        """
        self._suggestions = suggestions
        self._classifier: Embedded | None = None

    @staticmethod
    def answers(method: str, path: str) -> bool:
        """Return whether a request is for one of these routes."""
        return (method, path) in (("POST", ANALYZE), ("POST", SUGGEST), ("GET", DISCOVERY))

    async def __call__(self, scope: Scope, receive: Receive, send: Send, guard_for: Callable[[Scope], Guard]) -> None:
        """Answer a request that `answers` says yes to.

        Args:
            guard_for: Returns the guard that a request gets; may raise BadMessage.
        """
        try:
            status, body = 200, await self._answer(scope, receive, guard_for(scope))
        except asgi.Disconnected:
            return
        except BadMessage as error:
            status, body = error.status, perspective.error_answer(error)
        except (DetectorError, StoreError) as error:
            status, body = 503, perspective.error_answer(str(error), 503)
        await asgi.send_answer(send, status, body)

    async def _answer(self, scope: Scope, receive: Receive, guard: Guard) -> bytes:
        limits = guard.policy.limits
        headers = asgi.headers_of(scope)
        if scope["path"] == DISCOVERY:
            return perspective_discovery.document(f"{scope.get('scheme', 'http')}://{headers.get('host', '127.0.0.1')}/")
        body = await asgi.read_json(scope, receive, headers, limits.body)
        if scope["path"] == ANALYZE:
            return await self._analyze(perspective.read_analysis(body, limits.depth))
        suggestion = perspective.read_suggestion(body, limits.depth)
        if self._suggestions is None:
            raise BadMessage(_UNKEPT, status=501, code="UNIMPLEMENTED")
        await self._suggestions.suggest(suggestion, asgi.caller_of(scope), guard)
        return perspective.suggestion_answer(suggestion)

    async def _analyze(self, asked: Analysis) -> bytes:
        parts = sentences(asked.text) if asked.spans else ()
        texts = [asked.text, *(part.text for part in parts)]
        whole, *scores = await asyncio.to_thread(self._scores, texts)
        spans = [Scored(part.start, part.end, of_part) for part, of_part in zip(parts, scores, strict=True)]
        return perspective.analysis_answer(asked, Scored(0, len(asked.text), whole), spans)

    def _scores(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        from guard.detectors import embedded

        if self._classifier is None:
            self._classifier = embedded.make("perspective", {})
        rows = self._classifier.scores(texts).tolist()
        return [dict(zip(self._classifier.categories, row, strict=True)) for row in rows]
