"""One request to a guarded app, and its answer: input judged, upstream called, output judged, whole or as it comes."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from guard import answered, asgi
from guard.asgi import Answer, App, Call, Disconnected, Headers, Message, Receive, Scope, Send
from guard.asking import HEARTBEAT_SECONDS
from guard.attribution import Attribution
from guard.constitution import Request as Asking
from guard.constitution import instructions
from guard.engine import Guard, new_exchange
from guard.errors import BadMessage, StoreUnavailable, UpstreamError
from guard.feedback_tokens import HEADER, FeedbackTokens
from guard.formats.base import Conversing, Document, Format, Piece, Request, Text
from guard.judging import Judgement, joined
from guard.media import Media
from guard.policy.model import StoreSettings
from guard.ports import Ending
from guard.relay import Relay
from guard.revising import Revising, last_words, of_tracks
from guard.settling import Settling
from guard.trials.trials import Trials, Watch
from guard.values import Action, Decision, Exchange, Role, Stage

log = logging.getLogger("guard")

Asked = Callable[[Exchange, Sequence[Text], StoreSettings], None]
"""Is told of a request: whom it is about, its texts, and what the policy says of keeping."""
ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of an answer that is not streamed."""


class GuardedExchange:
    """One request to a guarded app, and its answer."""

    def __init__(
        self,
        app: App,
        guard: Guard,
        wire: Format,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        speculative: bool = False,
        attribution: Attribution = Attribution(),  # noqa: B008 - a value
        tokens: FeedbackTokens | None = None,
        asked: Asked | None = None,
        trials: Trials | None = None,
    ) -> None:
        """Prepare to serve it.

        Args:
            app: What is guarded.
            wire: The format of the route.
            speculative: Whether the app may start before the input is judged, if no rule speaks against it.
            attribution: How it is told whom the exchange is about.
            tokens: Makes the token with which the client may speak about it; where feedback can be kept.
            asked: Told of the request, as soon as it is known whom it is about; never waits.
            trials: Policies that may decide in place of the guard's, or are shown what it judged.
        """
        self._app = app
        self._guard = guard
        self._policy = guard.policy
        self._speculative = speculative
        self._attribution = attribution
        self._tokens = tokens
        self._asked = asked
        self._trials = trials
        self._watch: Watch | None = None
        self._token = b""
        self._wire = wire
        self._scope = scope
        self._receive = receive
        self._settling = Settling(guard, send)
        self._send: Send = self._settling.send
        self._began = time.perf_counter()
        self._judging = 0.0
        self._rewriting = 0.0
        self._rounds = 0
        self._request: Request | None = None
        self._started = False
        self._streamed = False
        self._input = Decision()
        self._exchange = new_exchange(
            method=scope["method"], route=scope["path"], headers=asgi.headers_of(scope), caller=asgi.caller_of(scope)
        )

    async def run(self) -> None:
        """Serve it, whatever comes."""
        try:
            self._guard.admit()
            await self._serve()
        except StoreUnavailable as error:
            await self._unrecorded(error)
        finally:
            self._guard.finish(self._exchange, self._ending())

    async def _serve(self) -> None:
        try:
            headers = self._exchange.headers
            body = await asgi.read_decoded(self._scope, self._receive, headers, self._policy.limits.body)
            self._wire = self._wire.received_as(headers.get("content-type", ""))
            request = self._wire.read_request(body)
            await self._exchange_of(request, asgi.Request(self._scope, self._receive, body))
        except Disconnected:
            return
        except BadMessage as error:
            await self._error(str(error), error.status, error.code)
        except UpstreamError as error:
            await self._error(str(error), error.status, "upstream_error")

    async def _exchange_of(self, request: Request, call: asgi.Request) -> None:
        known = self._attribution.of(self._exchange, request, self._scope["headers"])
        if self._trials is not None:
            self._try(self._trials, known, request)
        self._exchange = self._settling.exchange = self._guard.described(known, request)
        self._request = request
        self._streamed = request.stream
        if self._tokens is not None:
            self._token = self._tokens.of(self._exchange, int(request.extra.get("n", 1))).encode()
        if self._asked is not None:
            self._asked(self._exchange, request.document.texts, self._policy.store)
        try:
            if self._speculative and self._guard.may_speculate(self._exchange):
                await self._speculate(request, call)
                return
            judged = await self._judge(request.document.texts, Stage.INPUT, request.document.media)
            if await self._refused(request, judged):
                return
            body = self._wire.rewrite(request.document, judged.changes) if judged.changes else request.document.raw
            body = self._instructed(body)
            call = asgi.Request(self._scope, self._receive, body)
            scope = asgi.with_body(self._scope, body)
            if request.stream:
                await self._stream(request, call, Call(self._app, call, scope))
            else:
                await self._answer(request, await asgi.call(self._app, call, scope, ANSWER_LIMIT))
        finally:
            call.close()

    def _try(self, trials: Trials, known: Exchange, request: Request) -> None:
        """Let the policy decide that is in force for this exchange, and see who else wants to judge it."""
        deciding = trials.deciding(self._guard, known)
        if deciding is not self._guard:
            deciding.admit()
            self._guard = self._settling.guard = deciding
            self._policy = deciding.policy
        self._watch = trials.watching(deciding, known, request)

    async def _speculate(self, request: Request, call: asgi.Request) -> None:
        """Let the upstream work while the input is judged; nothing leaves before the decision, and a block cancels it."""
        body = self._instructed(request.document.raw)
        call = asgi.Request(self._scope, self._receive, body) if body is not request.document.raw else call
        running = Call(self._app, call, asgi.with_body(self._scope, body))
        try:
            judged = await self._judge(request.document.texts, Stage.INPUT, request.document.media)
            if await self._refused(request, judged):
                return
            await self._stream(request, call, running)
        finally:
            await running.stop()

    async def _judge(self, texts: Sequence[Text], stage: Stage, media: Sequence[Media] = ()) -> Judgement:
        began = time.perf_counter()
        revises = self._guard.revises(stage)
        try:
            judged = await self._guard.judge(texts, stage, self._exchange, media, recorded=not revises)
        except BadMessage as error:
            if stage is Stage.INPUT:
                raise
            raise UpstreamError(f"the upstream's answer cannot be judged: {error}") from error
        self._judging += time.perf_counter() - began
        if self._watch is not None:
            self._watch.message(stage, texts, media, judged.decision)
        if revises:
            judged = await self._revised(texts, stage, judged)
            self._guard.record_judgement(texts, stage, self._exchange, judged)
        if stage is Stage.INPUT:
            self._input = judged.decision
        return judged

    async def _revised(self, texts: Sequence[Text], stage: Stage, judged: Judgement) -> Judgement:
        """Return what is to happen to a message once those of its choices are rewritten that have to be."""
        if judged.all_blocked:
            return judged
        choices, changes = dict(judged.choices), dict(judged.changes)
        for choice, decision in judged.choices.items():
            if decision.action is Action.REVISE:
                own = [text for text in texts if text.choice == choice]
                rewritten = await self._revising().rewritten(own, stage, decision)
                choices[choice] = rewritten.decision
                changes |= rewritten.changes
        if choices == judged.choices:
            return judged
        return replace(judged, decision=self._noted(joined(self._policy, choices)), choices=choices, changes=changes)

    def _revising(self) -> Revising:
        texts = self._request.document.texts if self._request is not None else ()
        return Revising(self._guard, self._exchange, self._ask_upstream, last_words(texts))

    def _noted(self, decision: Decision) -> Decision:
        self._rounds += decision.revision.rounds if decision.revision is not None else 0
        self._rewriting += decision.revision.seconds if decision.revision is not None else 0.0
        return decision

    async def _ask_upstream(self, asked: Asking) -> str:
        """Ask the upstream's own model, on the route and with the key of this exchange."""
        wire, request = self._wire, self._request
        if request is None or not isinstance(wire, Conversing):
            raise UpstreamError("the upstream can't be asked to rewrite its answers in this format; name a model in `revise`")
        body = wire.question(request, [(message.role, message.content) for message in asked.messages])
        call = asgi.Request(self._scope, _silent, body)
        try:
            answer = await asgi.call(self._app, call, asgi.with_body(self._scope, body), ANSWER_LIMIT)
        finally:
            call.close()
        if answer.status != 200:
            raise UpstreamError(f"the upstream answered {answer.status} when it was asked to rewrite")
        return wire.reply(answered.decoded(answer, ANSWER_LIMIT), request)

    def _instructed(self, body: bytes) -> bytes:
        """Return a request with the constitution in it, where the policy says so and the format has a place for it."""
        if self._policy.constitution != "system" or not isinstance(self._wire, Conversing):
            return body
        return self._wire.instructed(body, instructions(self._policy.principles))

    async def _refused(self, request: Request, judged: Judgement) -> bool:
        """Answer with a refusal if the input is blocked; return whether it was."""
        decision = judged.decision
        if decision.action is not Action.BLOCK and not judged.unredactable:
            return False
        if decision.retry_after:
            await self._overloaded(decision)
            return True
        message = decision.message or self._policy.message
        if not request.stream or self._policy.refusal == "error":
            status, body = self._wire.refuse(request, message, self._policy.refusal)
            await asgi.send_answer(self._send, status, body, self._headers(Action.BLOCK))
            return True
        events = [
            self._wire.refuse_stream(request, None, choice, message, self._policy.refusal, started=False)
            for choice in range(int(request.extra.get("n", 1)))
        ]
        events.append(self._wire.end_stream(request, None, usage=request.usage))
        headers = [(b"content-type", self._wire.media_type.encode()), *self._headers(Action.BLOCK)]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"".join(events)})
        return True

    async def _overloaded(self, decision: Decision) -> None:
        """Say that the guard has too much to do, where nothing else stands against the exchange."""
        self._started = True
        body = self._wire.error("the guard is overloaded; try again later", status=503, code="overloaded")
        headers = [*self._headers(Action.BLOCK), (b"retry-after", str(math.ceil(decision.retry_after)).encode())]
        await asgi.send_answer(self._send, 503, body, headers)

    async def _answer(self, request: Request, answer: Answer) -> None:
        """Judge an answer that is not streamed, and send what may leave of it."""
        if 300 <= answer.status < 400:
            answered.check_redirect(answer.headers, self._exchange.headers.get("host", ""))
        if answer.status in (204, 304) or not answer.body:
            await self._send_whole(answer, b"", self._input.action)
            return
        body = answered.decoded(answer, ANSWER_LIMIT)
        kind = answered.media_type(answer.headers)
        self._wire = self._wire.streamed_as(kind)
        if kind == self._wire.media_type:
            await self._whole_stream(request, answer, body)
        elif kind == "application/json" or kind.endswith("+json"):
            answered.check_charset(answer.headers)
            await self._document(request, answer, body)
        elif answer.status >= 400:
            await self._plain_error(answer, body)
        elif (document := self._wire.read_media(body, kind)) is not None:
            await self._judged_document(request, answer, body, document)
        else:
            raise UpstreamError(f"the upstream answered {kind or 'without a Content-Type'}, expected application/json")

    async def _document(self, request: Request, answer: Answer, body: bytes) -> None:
        try:
            document = self._wire.read_answer(body, request)
        except BadMessage as error:
            raise UpstreamError(f"the upstream's answer broke its format: {error}") from error
        await self._judged_document(request, answer, body, document)

    async def _judged_document(self, request: Request, answer: Answer, body: bytes, document: Document) -> None:
        judged = await self._judge(document.texts, Stage.OUTPUT, document.media)
        action = max(self._input.action, judged.decision.action)
        message = judged.decision.message or self._policy.message
        blocked = judged.decision.action is Action.BLOCK
        if judged.decision.retry_after:
            await self._overloaded(judged.decision)
        elif judged.all_blocked or (blocked and (self._policy.refusal == "error" or answer.status >= 400)):
            mode = "error" if answer.status >= 400 else self._policy.refusal
            status, refusal = self._wire.refuse(request, message, mode)
            await asgi.send_answer(self._send, status, refusal, self._headers(Action.BLOCK))
        elif blocked:
            body = self._wire.refuse_choices(document, judged.changes, judged.blocked, message, self._policy.refusal)
            await self._send_whole(answer, body, action)
        else:
            body = self._wire.rewrite(document, judged.changes) if judged.changes else body
            await self._send_whole(answer, body, action)

    async def _whole_stream(self, request: Request, answer: Answer, body: bytes) -> None:
        """Relay a stream that nobody asked for, complete."""
        relay = self._guard.relay(self._wire, request, self._exchange, copied=self._watch is not None)
        chunks = [chunk async for chunk in self._guard.pump(relay, _once(body), b"")]
        if relay.unrevised:
            await self._revise(relay)
            chunks.append(relay.take())
        if relay.rejection is not None:
            await self._reject(request, relay)
            return
        self._record_stream(relay)
        await self._send_whole(answer, b"".join(chunks), max(self._input.action, relay.decision.action))

    async def _plain_error(self, answer: Answer, body: bytes) -> None:
        """Pass on the upstream's error that is not JSON, if its text may leave."""
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise UpstreamError(f"the upstream answered {answer.status}, and not in UTF-8") from error
        judged = await self._judge((Text((Piece("", text),), Role.ASSISTANT),), Stage.OUTPUT)
        blocked = judged.decision.action is Action.BLOCK
        message = judged.decision.message if blocked else judged.changes.get("", text)
        await self._error(message, answer.status, "upstream_error", judged.decision.action)

    async def _stream(self, request: Request, client: asgi.Request, call: Call) -> None:
        """Relay a streamed answer until it ends, or the client goes."""
        work = asyncio.create_task(self._relay(request, call))
        try:
            await asyncio.wait({work, client.gone}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await call.stop()

    async def _relay(self, request: Request, call: Call) -> None:
        await call.head()
        self._wire = self._wire.streamed_as(answered.media_type(call.headers))
        if not 200 <= call.status < 300 or answered.media_type(call.headers) != self._wire.media_type:
            await self._answer(request, Answer(call.status, call.headers, await call.body(ANSWER_LIMIT)))
            return
        if answered.header(call.headers, b"content-encoding") not in ("", "identity"):
            raise UpstreamError("the upstream encoded its stream although `identity` was asked for")
        answered.check_charset(call.headers)
        relay = self._guard.relay(self._wire, request, self._exchange, copied=self._watch is not None)
        headers = answered.kept(call.headers) + self._headers(self._input.action)
        try:
            async with aclosing(self._guard.pump(relay, _until_broken(call, relay), self._wire.heartbeat())) as events:
                async for events_now in events:
                    if not self._started and relay.rejection is not None and not relay.started:
                        await self._reject(request, relay)
                        return
                    if not self._started:
                        await self._send({"type": "http.response.start", "status": call.status, "headers": headers})
                        self._started = True
                    await self._send({"type": "http.response.body", "body": events_now, "more_body": True})
            if relay.unrevised:
                async for events_now in self._rewritten(relay):
                    if not self._started and relay.rejection is not None and not relay.started:
                        await self._reject(request, relay)
                        return
                    if not self._started:
                        head = answered.kept(call.headers) + self._headers(max(self._input.action, relay.decision.action))
                        await self._send({"type": "http.response.start", "status": call.status, "headers": head})
                        self._started = True
                    await self._send({"type": "http.response.body", "body": events_now, "more_body": True})
        except asyncio.CancelledError:  # the client is gone; what it has seen is recorded all the same
            self._record_stream(relay)
            raise
        self._record_stream(relay)
        if not self._started:
            await self._send({"type": "http.response.start", "status": call.status, "headers": headers})
            self._started = True
        await self._send({"type": "http.response.body", "body": self._decision_event(relay)})

    def _record_stream(self, relay: Relay) -> None:
        self._guard.record_stream(self._exchange, relay.decision, relay.judges)
        if self._watch is not None:
            self._watch.stream(relay.judges)

    async def _rewritten(self, relay: Relay) -> AsyncIterator[bytes]:
        """Yield heartbeats while what is held is rewritten, then what may leave."""
        work = asyncio.create_task(self._revise(relay))
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=HEARTBEAT_SECONDS)
                if not work.done() and (beat := self._wire.heartbeat()):
                    yield beat
            await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        yield relay.take()

    async def _revise(self, relay: Relay) -> None:
        """Rewrite the choices of a stream that have to be."""
        for choice, judge in relay.unrevised.items():
            texts = of_tracks(judge.copies)
            rewritten = await self._revising().rewritten(texts, Stage.OUTPUT, judge.decision)
            self._noted(rewritten.decision)
            relay.revise(choice, rewritten.changes, rewritten.refusal, rewritten.decision.revision)

    async def _reject(self, request: Request, relay: Relay) -> None:
        """Answer with an error in place of a stream that is blocked before anything has left."""
        self._record_stream(relay)
        status, body = self._wire.refuse(request, relay.rejection or "", "error")
        self._started = True
        await asgi.send_answer(self._send, status, body, self._headers(Action.BLOCK))

    def _decision_event(self, relay: Relay) -> bytes:
        """Return the stream's final decision as an event, for a client that asked by `x-guard-decision: event`."""
        if self._exchange.headers.get("x-guard-decision") != "event":
            return b""
        return b"event: guard.decision\ndata: " + json.dumps(relay.decision.as_dict()).encode() + b"\n\n"

    async def _send_whole(self, answer: Answer, body: bytes, action: Action) -> None:
        headers = [*answered.kept(answer.headers), *self._headers(action), (b"content-length", str(len(body)).encode())]
        self._started = True
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def _error(self, message: str, status: int, code: str, action: Action = Action.ALLOW) -> None:
        if self._started:
            await self._send({"type": "http.response.body", "body": self._wire.stream_error(message, code=code)})
            return
        self._started = True
        body = self._wire.error(message, status=status, code=code)
        await asgi.send_answer(self._send, status, body, self._headers(max(self._input.action, action)))

    async def _unrecorded(self, error: StoreUnavailable) -> None:
        """Tell the client that nothing is answered, as it could not be recorded."""
        log.warning("an exchange was not answered, as it could not be recorded: %s", error)
        message = "the guard cannot record this exchange; try again later"
        self._started, self._send = self._settling.started, self._settling.unsettled
        await self._error(message, 503, "store_unavailable", Action.BLOCK)

    def _ending(self) -> Ending:
        duration = time.perf_counter() - self._began
        return Ending(self._settling.status, self._streamed, self._judging, duration)

    def _headers(self, action: Action) -> Headers:
        total = (time.perf_counter() - self._began) * 1000
        token = [(HEADER, self._token)] if self._token else []
        rounds = [(b"x-guard-revisions", str(self._rounds).encode())] if self._rounds else []
        rewriting = f"revise;dur={self._rewriting * 1000:.2f}, " if self._rounds else ""
        return [
            (b"x-guard-exchange", self._exchange.id.encode()),
            (b"x-guard-policy", self._policy.digest.encode()),
            (b"x-guard-action", action.word.encode()),
            *token,
            *rounds,
            (b"server-timing", f"guard;dur={self._judging * 1000:.2f}, {rewriting}total;dur={total:.2f}".encode()),
        ]


async def _silent() -> Message:
    """Give an app that asks for more than its request nothing, ever."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets the event")


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _until_broken(call: Call, relay: Relay) -> AsyncIterator[bytes]:
    """Yield the upstream's bytes; if it breaks off, tell the relay, which judges what is held and tells the client."""
    try:
        async for chunk in call.chunks():
            yield chunk
    except asyncio.CancelledError:
        raise
    except Exception as error:
        log.warning("the upstream broke off its stream: %s", type(error).__name__)
        relay.fail("the upstream broke off its stream", "upstream_error")
