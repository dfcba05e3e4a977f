"""Run the tests that stand beside a policy: show the guard what each says, and hold the decision against what it expects."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from guard.asking import pump_sync
from guard.authoring.cases import Case, read_cases
from guard.authoring.pinning import Pins, pinned
from guard.detectors.registry import kinds as installed
from guard.engine import Guard, new_exchange
from guard.formats.base import Piece, Text
from guard.formats.fields import public_pointer
from guard.formats.openai_chat import OpenAIChat
from guard.policy.kinds import Kind
from guard.policy.model import Policy
from guard.runtime.cache import VerdictCache
from guard.text_stream import TextStream
from guard.values import Action, Decision, Exchange, Finding, Role, Stage

MOST_CUTS = 200
"""In how many places a streamed text is cut in two; evenly spread where it is longer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one test.

    Attributes:
        where: `FILE:LINE`.
        failures: One sentence for each expectation that was not met; empty where it passed.
        fired: Ids of the rules that fired.
        active: Ids of the rules that might have fired: their stage and condition held.
        seconds: How long it took.
    """

    name: str
    where: str
    failures: tuple[str, ...]
    fired: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every expectation was met."""
        return not self.failures


class Bench:
    """A policy on which tests are run; verdicts of detectors are remembered, so that a policy may be run in many variants."""

    def __init__(self, policy: Policy, kinds: Mapping[str, Kind] | None = None, cache: VerdictCache | None = None) -> None:
        """Take a policy; its detectors are built when a test first needs them.

        Args:
            kinds: What may stand behind `use:`; those that are installed, where not said.
            cache: Shared with other variants of the policy.
        """
        self.policy = policy
        self._kinds = installed() if kinds is None else kinds
        self.cache = VerdictCache(_REMEMBERED) if cache is None else cache
        self._pins = Pins()
        self._guards: dict[frozenset[str], Guard] = {}

    def variant(self, policy: Policy) -> Bench:
        """Return a bench for a changed policy with the same detectors."""
        return Bench(policy, self._kinds, self.cache)

    def guard(self, scores: Mapping[str, Mapping[str, float]]) -> Guard:
        """Return a guard in which the detectors that `scores` name answer with them."""
        self._pins.scores = scores
        names = frozenset(scores)
        if names not in self._guards:
            known = pinned(self._kinds, names, self._pins) if names else self._kinds
            self._guards[names] = Guard(self.policy, kinds=known, cache=self.cache)
        return self._guards[names]

    def run(self, case: Case) -> Outcome:
        """Run one test; one that is streamed until the first cut at which it fails."""
        start = time.perf_counter()
        guard = self.guard(case.scores)
        exchange = _exchange(case, guard)
        active = tuple(rule.id for rule in guard.rules(case.stage, exchange))
        failures: tuple[str, ...] = ()
        fired: tuple[str, ...] = ()
        for said, decision, released in _judged(case, guard, exchange):
            fired = decision.rules
            failures = tuple(f"{said}{failure}" for failure in _failures(case, guard, decision, released))
            if failures:
                break
        return Outcome(case.name, case.where, failures, fired, active, time.perf_counter() - start)


def run_tests(guard: Guard | Policy, tests: Path) -> list[Outcome]:
    """Run every test of a file, in order.

    Raises:
        PolicyError: Where the file has mistakes, all of them.
    """
    policy = guard.policy if isinstance(guard, Guard) else guard
    bench = Bench(policy)
    return [bench.run(case) for case in read_cases(tests, policy)]


def _exchange(case: Case, guard: Guard) -> Exchange:
    known = case.asked
    exchange = new_exchange(
        method=known.method,
        route=known.route,
        headers=known.headers,
        model=known.model,
        caller=known.caller,
        at=known.at,
        languages=known.languages,
        turn=known.turn,
        tools=known.tools,
        parameters=known.parameters,
    )
    if known.past:
        exchange = replace(exchange, conversation=exchange.id)
        for number, decision in enumerate(known.past):
            guard.memory.remember(replace(exchange, id=f"{exchange.id}-{number}"), decision)
    if case.prompt:
        asked = Text((Piece("/messages/0/content", case.prompt),), Role.USER, turn=0)
        return replace(exchange, prompt=guard.prompt_of([asked]))
    return exchange


def _judged(case: Case, guard: Guard, exchange: Exchange) -> Iterator[tuple[str, Decision, str]]:
    """Yield for each way in which the case is shown: how, as the beginning of a message; the decision; what leaves."""
    if case.stream:
        yield from _streamed(case, guard, exchange)
        return
    if case.given == "image":
        yield "", guard.check_image_sync(Path(case.text).read_bytes(), case.stage, exchange=exchange), ""
        return
    texts = _texts(case)
    judged = guard.judge_sync(texts, case.stage, exchange)
    pieces = (judged.changes.get(piece.pointer, piece.text) for text in texts for piece in text.pieces)
    blocked = judged.decision.action is Action.BLOCK or judged.unredactable
    yield "", judged.decision, "" if blocked else "\n".join(pieces)


def _streamed(case: Case, guard: Guard, exchange: Exchange) -> Iterator[tuple[str, Decision, str]]:
    """Yield what comes of a text one character at a time, then cut in two at every place."""
    text = case.text
    step = max(1, -(-len(text) // MOST_CUTS))
    cuts = [("", list(text)), *((f"cut after {at} characters: ", [text[:at], text[at:]]) for at in range(1, len(text), step))]
    for said, pieces in cuts:
        stream = TextStream(guard.judge_of(exchange))
        released = "".join(pump_sync(stream, pieces, guard.detectors))
        yield said, stream.judge.decision, released


def _texts(case: Case) -> tuple[Text, ...]:
    if case.messages:
        return tuple(Text((Piece(f"/{turn}", words),), role, turn=turn) for turn, (role, words) in enumerate(case.messages))
    if case.tool_calls:
        return _texts_of_calls(case)
    whose = case.role or (Role.USER if case.stage is Stage.INPUT else Role.ASSISTANT)
    return (Text((Piece("", case.text),), whose),)


def _texts_of_calls(case: Case) -> tuple[Text, ...]:
    """Return the texts of calls of tools as the guard reads them from an answer of OpenAI's chat completions."""
    wire = OpenAIChat()
    request = wire.read_request(json.dumps({"messages": [{"role": "user", "content": case.prompt}]}).encode())
    calls = [
        {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for index, (name, arguments) in enumerate(case.tool_calls)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    answer = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    return wire.read_answer(json.dumps(answer).encode(), request).texts


def _failures(case: Case, guard: Guard, decision: Decision, released: str) -> list[str]:
    expected = case.expected
    failures = []
    if expected.action is not None and decision.action.word != expected.action:
        rules = ", ".join(decision.rules) or "none"
        failures.append(f"action: expected {expected.action}, got {decision.action.word} (rules: {rules})")
    if expected.rules is not None and sorted(expected.rules) != sorted(decision.rules):
        failures.append(f"rules: expected {sorted(expected.rules)}, got {sorted(decision.rules)}")
    fired = [rule for rule in guard.policy.rules if rule.id in decision.rules]
    findings = [finding for finding in decision.findings if any(rule.matches(finding) for rule in fired)]
    categories = {finding.category for finding in findings}
    missing = sorted(set(expected.categories or ()) - categories)
    if missing:
        failures.append(f"categories: expected {missing}, got {sorted(categories)}")
    if expected.spans is not None:
        shown = {text: None for text in _found(case, findings)}
        unseen = [span for span in expected.spans if span not in shown]
        if unseen:
            failures.append(f"spans: expected {unseen}, got {list(shown)}")
    if expected.released is not None and expected.released != released:
        failures.append(f"released: expected {expected.released!r}, got {released!r}")
    if expected.message is not None and expected.message != decision.message:
        failures.append(f"message: expected {expected.message!r}, got {decision.message!r}")
    return failures


def _found(case: Case, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield what the findings are about; decisions don't tell which of a call's arguments, so each that fits is taken."""
    pieces = (
        [("content", case.text)]
        if case.stream
        else [(piece.pointer, piece.text) for text in _texts(case) for piece in text.pieces]
    )
    for finding in findings:
        for pointer, text in pieces:
            if public_pointer(pointer) == finding.location.pointer:
                yield text[finding.span.start : finding.span.end] if finding.span else text


_REMEMBERED = 20_000
