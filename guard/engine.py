"""`Guard`: the one object that runs detect → decide → act, whatever is wrapped and however."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from guard.asking import Answers, ask, ask_sync, pump, pump_sync
from guard.constitution import Request as Asked
from guard.detectors import registry
from guard.detectors.running import Composed, Threaded
from guard.detectors.screening import Screen
from guard.formats.base import Format, Piece, Request, Text
from guard.judging import Judgement, Question, Readers, judgement, may_be_spared, questions, settled
from guard.keeping import COPIED, Judged, Keeping, of_stream
from guard.looking import Looking
from guard.media import Media
from guard.policy.applying import active_rules
from guard.policy.digest import digest, identity
from guard.policy.kinds import Kind
from guard.policy.load import load
from guard.policy.model import DetectorConfig, Policy, Rule
from guard.policy.speculation import rules_against_speculation
from guard.ports import Clock, Ending, Keeper, Memory, Recorder
from guard.relay import MOST_HELD, Relay
from guard.remembering import RecentConversations
from guard.runtime.cache import VerdictCache
from guard.runtime.served import Served
from guard.runtime.trace import Explanation, Outcome, Step, Trace, complete, tracing
from guard.situation import asked_by, situated, with_request
from guard.streaming import ChoiceJudge
from guard.text_stream import TextStream
from guard.values import Action, Decision, Detector, Exchange, Item, Location, Role, Runs, ScanningDetector, Stage


class Guard:
    """A policy with its detectors, ready to judge. Serves any number of exchanges at once and keeps nothing of them."""

    def __init__(
        self,
        policy: str | Path | Policy = "default",
        *,
        recorder: Recorder | None = None,
        kinds: Mapping[str, Kind] | None = None,
        cache: VerdictCache | None = None,
        memory: Memory | None = None,
        clock: Clock = time.time,
        loading: Callable[[DetectorConfig], None] = lambda _config: None,
    ) -> None:
        """Load the policy and build its detectors.

        Args:
            policy: A shipped policy's name, a path, or a loaded policy.
            recorder: Told every decision; a `Keeper` is given texts too, as the policy's `store` says.
            kinds: What may stand behind `use:`; those that are installed, where not said.
            cache: Where verdicts are remembered; in this guard's own memory, where not said.
            memory: Where rules that count look up what came before; in this guard's own, where not said.
            clock: What schedules go by.
            loading: Told of each detector before it is built, which may take a while.

        Raises:
            PolicyError: With every mistake in the policy.
            MissingExtra: Where a detector needs packages that are not installed.
            DetectorError: Where a model cannot be loaded.
        """
        known = registry.kinds() if kinds is None else kinds
        loaded = policy if isinstance(policy, Policy) else load(policy, known)
        self._timeout = loaded.timeout
        self._cache = VerdictCache() if cache is None else cache
        self._word_readers: dict[str, Detector] = {}
        self._kinds = known
        self._identities: dict[str, str] = {}
        self.detectors: dict[str, Detector] = registry.build(loaded.detectors, known, self._with_runtime, loading)
        versions = {name: detector.version for name, detector in self.detectors.items()}
        self.policy = replace(loaded, digest=digest(loaded, versions))
        self._recorder = recorder
        self._keeper = recorder if isinstance(recorder, Keeper) else None
        self._keeping = Keeping(self.policy, self.detectors, known) if self._keeper is not None else None
        self._prepared = False
        self._looking = Looking(loaded.routes.media, self._word_readers)
        self._against_speculation = {rule.id for rule in rules_against_speculation(self.policy)}
        self._unconditional = not any(rule.conditional for rule in self.policy.rules)
        self._revising = {stage for rule in self.policy.rules if rule.action is Action.REVISE for stage in rule.on}
        self._clock = clock
        self._asks = asked_by(self.policy)
        self.memory: Memory = RecentConversations() if memory is None else memory
        self._rules = {stage: tuple(rule for rule in self.policy.rules if stage in rule.on) for stage in Stage}
        self._readers = {stage: Readers(rules, self.detectors) for stage, rules in self._rules.items()}
        self._screen = Screen(self.detectors.values())
        self._all_quick = all(detector.needs.runs is Runs.INLINE for detector in self.detectors.values())
        self._sees_exchange = any(detector.needs.sees == "exchange" for detector in self.detectors.values())
        self._nothing_found = Judgement(Decision(policy=self.policy.digest))

    def prepare(self) -> None:
        """Get ready to judge many messages: takes a moment, and then a message in which nothing is found costs far less."""
        if self._prepared:
            return
        self._prepared = True
        self._screen.compile()
        if self._keeping is not None:
            self._keeping.prepare()
        for detector in (*self.detectors.values(), *self._word_readers.values()):
            if isinstance(detector, ScanningDetector):
                detector.scan(" ", 0, None, final=False, role=Role.USER, location=Location())
            elif isinstance(detector, Composed):
                detector.warm_up()
            elif isinstance(detector, Served) and isinstance(detector.inner, Threaded):
                detector.inner.warm_up()

    def _with_runtime(self, config: DetectorConfig, detector: Detector) -> Detector:
        others = [self._identities[other] for other in self._kinds[config.use].refers(config.options)]
        known_as = self._identities[config.name] = identity(config, detector.version, others)
        if isinstance(detector, Composed):
            return detector.served_by(lambda part: self._with_runtime(config, part))
        if detector.needs.runs is Runs.INLINE:
            return detector
        reader = getattr(detector, "reader", None)
        if reader is not None:  # what it reads is somebody's words, so it goes into no cache that is shared
            words = VerdictCache(_REMEMBERED_READINGS)
            self._word_readers[config.name] = Served(
                reader, config.runtime, timeout=self._timeout, cache=words, identity=known_as
            )
        return Served(detector, config.runtime, timeout=self._timeout, cache=self._cache, identity=known_as)

    def rules(self, stage: Stage, exchange: Exchange) -> Sequence[Rule]:
        """Return the rules that are active for this exchange, in the policy's order."""
        if self._unconditional:
            return self._rules[stage]
        past = self.memory.recall(exchange) if self._asks.past else ()
        return active_rules(self.policy, stage, self._situated(exchange, ()), past)

    def _situated(self, exchange: Exchange, texts: Sequence[Text]) -> Exchange:
        return exchange if self._asks.nothing else situated(exchange, self._asks, texts, self._clock)

    async def check(
        self, text: str, stage: str | Stage = Stage.INPUT, *, role: str | Role | None = None, exchange: Exchange | None = None
    ) -> Decision:
        """Return what the policy says about one text.

        Args:
            stage: `input` or `output`.
            role: Whose words it is; the user's on input and the assistant's on output, where not said.
        """
        stage = Stage(stage)
        return (await self.judge(_single(text, stage, role), stage, exchange or new_exchange())).decision

    def check_sync(
        self, text: str, stage: str | Stage = Stage.INPUT, *, role: str | Role | None = None, exchange: Exchange | None = None
    ) -> Decision:
        """Do the same as `check`, for callers without an event loop."""
        stage = Stage(stage)
        return self.judge_sync(_single(text, stage, role), stage, exchange or new_exchange()).decision

    async def check_image(
        self, data: bytes, stage: str | Stage = Stage.INPUT, *, role: str | Role | None = None, exchange: Exchange | None = None
    ) -> Decision:
        """Return what the policy says about one image, given as the bytes of a PNG, JPEG, GIF, WEBP, BMP or AVIF.

        Raises:
            BadMessage: Where the policy's `routes.media` lets no image through unjudged, and none of its detectors judges images.
        """
        stage = Stage(stage)
        media = (_image(data, stage, role),)
        return self._whole(await self.judge((), stage, exchange or new_exchange(), media))

    def check_image_sync(
        self, data: bytes, stage: str | Stage = Stage.INPUT, *, role: str | Role | None = None, exchange: Exchange | None = None
    ) -> Decision:
        """Do the same as `check_image`, for callers without an event loop."""
        stage = Stage(stage)
        return self._whole(self.judge_sync((), stage, exchange or new_exchange(), (_image(data, stage, role),)))

    def _whole(self, judged: Judgement) -> Decision:
        """Return the decision on an image, which is blocked where a rule would redact something in it."""
        decision = judged.decision
        if not judged.unredactable:
            return decision
        return replace(decision, action=Action.BLOCK, message=decision.message or self.policy.message)

    def explain(self, text: str, stage: str | Stage = Stage.INPUT, *, role: str | Role | None = None) -> Explanation:
        """Return what the policy says about one text, with every detector asked, and what of that would have been spared."""
        stage = Stage(stage)
        texts = _single(text, stage, role)
        with complete() as everything:
            judged = self.judge_sync(texts, stage, new_exchange())
        with tracing() as usual:
            self.judge_sync(texts, stage, new_exchange())
        return Explanation(judged.decision, tuple(everything.steps), usual.not_run)

    async def judge(
        self, texts: Sequence[Text], stage: Stage, exchange: Exchange, media: Sequence[Media] = (), *, recorded: bool = True
    ) -> Judgement:
        """Judge the texts and the images of one complete message.

        Args:
            recorded: Whether the recorder is told; who judges again before it is over says so at the end (`record_judgement`).

        Quick detectors come first. Where they settle the matter, the others are not asked, unless a rule redacts what they find;
        else all of them are asked at the same time. What is written in images is read before, where the policy asks for it.

        Raises:
            BadMessage: Where the policy does not let through an image or a sound that none of its detectors can judge.
        """
        exchange = self._situated(exchange, texts)
        rules = self.rules(stage, exchange)
        unread: list[tuple[Question, Answers]] = []
        if media:
            texts, to_read = await asyncio.to_thread(self._seen, texts, media, rules, stage, exchange)
            read = await asyncio.gather(*(ask(question.detector, question.items, self._timeout) for question in to_read))
            words, unread = self._looking.read(texts, list(zip(to_read, read, strict=True)), self._readers_of(rules, stage))
            texts = [*texts, *words]
        asked = self._questions(texts, rules, stage, exchange)
        if self._all_quick:
            answers = [(question, await ask(question.detector, question.items, self._timeout)) for question in asked]
            return self._judged(texts, rules, answers, stage, exchange, recorded=recorded)
        with tracing() as trace:
            quick, slow = _by_cost(asked)
            answers = [(question, await ask(question.detector, question.items, self._timeout)) for question in quick]
            answers += unread
            left = self._left(texts, rules, answers, slow, trace)
            found = await asyncio.gather(*(ask(question.detector, question.items, self._timeout) for question in left))
            answers += zip(left, found, strict=True)
            return self._judged(texts, rules, answers, stage, exchange, trace.not_run, recorded=recorded)

    def judge_sync(self, texts: Sequence[Text], stage: Stage, exchange: Exchange, media: Sequence[Media] = ()) -> Judgement:
        """Do the same as `judge`, for callers without an event loop; one detector is asked after the other."""
        exchange = self._situated(exchange, texts)
        rules = self.rules(stage, exchange)
        unread: list[tuple[Question, Answers]] = []
        if media:
            texts, to_read = self._seen(texts, media, rules, stage, exchange)
            read = [(question, ask_sync(question.detector, question.items)) for question in to_read]
            words, unread = self._looking.read(texts, read, self._readers_of(rules, stage))
            texts = [*texts, *words]
        with tracing() as trace:
            quick, slow = _by_cost(self._questions(texts, rules, stage, exchange))
            answers = [(question, ask_sync(question.detector, question.items)) for question in quick] + unread
            left = self._left(texts, rules, answers, slow, trace)
            answers += [(question, ask_sync(question.detector, question.items)) for question in left]
            return self._judged(texts, rules, answers, stage, exchange, trace.not_run)

    def _seen(
        self, texts: Sequence[Text], media: Sequence[Media], rules: Sequence[Rule], stage: Stage, exchange: Exchange
    ) -> tuple[Sequence[Text], Sequence[Question]]:
        """Return the texts with the images that are to be judged, decoded, and what has to be asked to read what they say."""
        readers = self._readers_of(rules, stage)
        seen = [*texts, *self._looking.admitted(media, readers)]
        return seen, self._looking.to_read(seen, readers, stage, exchange)

    def _readers_of(self, rules: Sequence[Rule], stage: Stage) -> Readers:
        return self._readers[stage] if self._unconditional else Readers(rules, self.detectors)

    def _left(
        self,
        texts: Sequence[Text],
        rules: Sequence[Rule],
        answers: Sequence[tuple[Question, Answers]],
        slow: Sequence[Question],
        trace: Trace,
    ) -> Sequence[Question]:
        """Return those of the slow questions that still have to be asked after the quick ones were answered."""
        if not slow or trace.complete or not settled(self.policy, rules, texts, answers):
            return slow
        left = []
        for question in slow:
            if may_be_spared(question.detector.name, rules):
                trace.steps.append(Step(question.detector.name, Outcome.NOT_RUN, len(question.items)))
            else:
                left.append(question)
        return left

    def _questions(self, texts: Sequence[Text], rules: Sequence[Rule], stage: Stage, exchange: Exchange) -> Sequence[Question]:
        return questions(texts, self._readers_of(rules, stage), stage, exchange, self._screen)

    def _judged(
        self,
        texts: Sequence[Text],
        rules: Sequence[Rule],
        answers: Sequence[tuple[Question, Answers]],
        stage: Stage,
        exchange: Exchange,
        not_run: tuple[str, ...] = (),
        *,
        recorded: bool = True,
    ) -> Judgement:
        result = judgement(self.policy, rules, texts, answers) if answers or self.policy.counts else self._nothing_found
        if not_run:
            result = replace(result, decision=replace(result.decision, not_run=not_run))
        if not recorded:
            return replace(result, answers=tuple(answers))
        self._told(texts, answers, stage, exchange, result.decision)
        return result

    def record_judgement(self, texts: Sequence[Text], stage: Stage, exchange: Exchange, judged: Judgement) -> None:
        """Tell the recorder, where there is one, what came of a message that was judged without it."""
        self._told(texts, judged.answers, stage, exchange, judged.decision)

    def _told(
        self,
        texts: Sequence[Text],
        answers: Sequence[tuple[Question, Answers]],
        stage: Stage,
        exchange: Exchange,
        decision: Decision,
    ) -> None:
        if self._keeping is None:
            self.record(exchange, stage, decision)
        else:
            self._keep(exchange, stage, decision, self._keeping, Judged(tuple(texts), tuple(answers), decision.failed))

    def revises(self, stage: Stage) -> bool:
        """Return whether some rule of a stage may ask for a text to be rewritten."""
        return stage in self._revising

    def model_behind(self, detector: str) -> Callable[[Asked], Awaitable[str | Mapping[str, Any]]] | None:
        """Return what asks the model behind a detector anything about the constitution; None where it has none."""
        found = self.detectors.get(detector)
        ask_it: Callable[[Asked], Awaitable[str | Mapping[str, Any]]] | None = getattr(
            getattr(found, "inner", found), "ask", None
        )
        return ask_it

    def record(self, exchange: Exchange, stage: Stage, decision: Decision) -> None:
        """Tell the recorder, where there is one."""
        self._remember(exchange, decision)
        if self._recorder is not None:
            self._recorder.record(exchange, stage, decision)

    def record_stream(
        self,
        exchange: Exchange,
        decision: Decision,
        judges: Sequence[tuple[int | None, ChoiceJudge]],
        stage: Stage = Stage.OUTPUT,
    ) -> None:
        """Tell the recorder, where there is one, of a stream that has ended."""
        if self._keeping is None:
            self.record(exchange, stage, decision)
        else:
            self._keep(exchange, stage, decision, self._keeping, of_stream(judges))

    @property
    def settles(self) -> bool:
        """Whether an answer is to wait until the exchange is recorded (`settle`)."""
        return self._keeper is not None and self.policy.store.durability == "commit"

    def admit(self) -> None:
        """Raise StoreUnavailable where an exchange could not be recorded, and the policy lets nothing through without."""
        if self._keeper is not None:
            self._keeper.admit(self.policy.store)

    async def settle(self, exchange: Exchange) -> None:
        """Return when what is known of the exchange is recorded for good. Raises as `admit` does."""
        if self._keeper is not None:
            await self._keeper.settle(exchange, self.policy.store)

    def finish(self, exchange: Exchange, ending: Ending) -> None:
        """Tell the recorder, where it keeps exchanges, that nothing more comes of this one."""
        if self._keeper is not None:
            self._keeper.finish(exchange, ending)

    def _remember(self, exchange: Exchange, decision: Decision) -> None:
        if self._asks.past:
            self.memory.remember(exchange, decision)

    def _keep(self, exchange: Exchange, stage: Stage, decision: Decision, keeping: Keeping, judged: Judged) -> None:
        self._remember(exchange, decision)
        if self._keeper is not None:
            self._keeper.keep(exchange, stage, decision, self.policy.store, lambda: keeping.kept(judged, stage), judged.size)

    def described(self, exchange: Exchange, request: Request) -> Exchange:
        """Return `exchange` with what `request` says; with its texts too, where a detector wants to see them."""
        prompt = self.prompt_of(request.document.texts)
        known = (exchange.method, exchange.route, exchange.headers, request.model, exchange.caller)
        described = Exchange(exchange.id, *known, prompt, exchange.conversation)
        if self._asks.nothing:
            return described
        return self._situated(with_request(described, self._asks, request), request.document.texts)

    def prompt_of(self, texts: Sequence[Text]) -> tuple[Item, ...]:
        """Return the texts of a request as detectors see them that judge an answer with its question; none where none does."""
        if not self._sees_exchange:
            return ()
        return tuple(
            Item(text.joined, Stage.INPUT, text.role, Location(text.pieces[0].pointer, text.choice))
            for text in texts
            if text.pieces
        )

    def judge_of(
        self, exchange: Exchange, choice: int | None = None, stage: Stage = Stage.OUTPUT, *, copied: bool = False
    ) -> ChoiceJudge:
        """Return a judge for one streamed choice.

        Args:
            copied: Whether somebody wants its `copies`, though nothing may be kept of them.
        """
        rules = self.rules(stage, exchange)
        of_texts = {name: detector for name, detector in self.detectors.items() if not detector.needs.media}
        copy = COPIED if copied or (self._keeping is not None and self.policy.store.text != "none") else 0
        if stage in self._revising:
            copy = max(copy, MOST_HELD + 1)
        return ChoiceJudge(self.policy, rules, of_texts, choice=choice, exchange=exchange, stage=stage, copy=copy)

    def relay(self, wire: Format, request: Request, exchange: Exchange, *, copied: bool = False) -> Relay:
        """Return a relay for a streamed answer to `request`; `copied` as for `judge_of`."""
        readers = self._readers_of(self.rules(Stage.OUTPUT, exchange), Stage.OUTPUT)
        return Relay(
            self.policy,
            wire,
            request,
            lambda choice: self.judge_of(exchange, choice, copied=copied),
            lambda medium: self._looking.in_stream(medium, readers),
        )

    def pump(self, relay: Relay, source: AsyncIterator[bytes], heartbeat: bytes) -> AsyncGenerator[bytes]:
        """Drive a relay with the upstream's bytes; yields what the client may see."""
        return pump(relay, source, self.detectors, self.policy.timeout, heartbeat)

    async def guard_stream(
        self, source: AsyncIterator[str], exchange: Exchange, refused: Callable[[Decision], str]
    ) -> AsyncIterator[str]:
        """Yield the pieces of a streamed text that may leave, then what `refused` returns if the policy blocks."""
        stream = TextStream(self.judge_of(exchange))
        async for piece in pump(stream, source, self.detectors, self.policy.timeout):
            yield piece
        decision = self.final(stream.judge.decision)
        self.record_stream(exchange, decision, [(None, stream.judge)])
        if decision.action is Action.BLOCK:
            yield refused(decision)

    def guard_stream_sync(self, source: Iterable[str], exchange: Exchange, refused: Callable[[Decision], str]) -> Iterator[str]:
        """Do the same as `guard_stream`, for callers without an event loop."""
        stream = TextStream(self.judge_of(exchange))
        yield from pump_sync(stream, source, self.detectors)
        decision = self.final(stream.judge.decision)
        self.record_stream(exchange, decision, [(None, stream.judge)])
        if decision.action is Action.BLOCK:
            yield refused(decision)

    def final(self, decision: Decision) -> Decision:
        """Return the decision where nobody rewrites anything: what would have to be rewritten is refused."""
        if decision.action is not Action.REVISE:
            return decision
        return replace(decision, action=Action.BLOCK, message=decision.message or self.policy.message)

    def may_speculate(self, exchange: Exchange) -> bool:
        """Return whether the upstream may start before the input is judged, as no rule shields it."""
        return self._against_speculation.isdisjoint(rule.id for rule in self.rules(Stage.INPUT, exchange))

    def wrap(self, generator: Any, **options: Any) -> Any:  # noqa: ANN401
        """Return `generator` guarded; see `guard.wrapping.wrap_generator`."""
        from guard.wrapping import wrap_generator

        return wrap_generator(self, generator, **options)


def wrap(generator: Any, policy: str | Path | Policy = "default", **options: Any) -> Any:  # noqa: ANN401
    """Return `generator`, a callable or an iterator of text, guarded by `policy`; see `guard.wrapping.wrap_generator`."""
    return Guard(policy).wrap(generator, **options)


def new_exchange(**known: Any) -> Exchange:  # noqa: ANN401
    """Return an exchange with a fresh random id."""
    return Exchange(id=f"ex_{_token()}", **known)


_REMEMBERED_READINGS = 512
_TOKEN_BYTES = 12
_tokens: list[str] = []
"""Random tokens for later exchanges; asking the system for each of them would cost as much as reading a request."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tokens.clear)


def _token() -> str:
    while True:
        try:
            return _tokens.pop()
        except IndexError:
            fresh = os.urandom(_TOKEN_BYTES * 256).hex()
            _tokens.extend(fresh[start : start + 2 * _TOKEN_BYTES] for start in range(0, len(fresh), 2 * _TOKEN_BYTES))


def _by_cost(asked: Sequence[Question]) -> tuple[list[Question], list[Question]]:
    quick: list[Question] = []
    slow: list[Question] = []
    for question in asked:
        (quick if question.detector.needs.runs is Runs.INLINE else slow).append(question)
    return quick, slow


def _image(data: bytes, stage: Stage, role: str | Role | None) -> Media:
    return Media("", _whose(stage, role), "image", data)


def _whose(stage: Stage, role: str | Role | None) -> Role:
    return Role(role) if role else (Role.USER if stage is Stage.INPUT else Role.ASSISTANT)


def _single(text: str, stage: Stage, role: str | Role | None) -> tuple[Text, ...]:
    return (Text((Piece("", text),), _whose(stage, role)),)
