"""Toy detectors of every reach, and a brute-force model of what a stream may release, for the properties of `guard.streaming`.

The model judges the whole text first and then computes, from the rules of `docs/streaming.md`, what may leave. It shares no code
with the state machine but the placement of a single window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from guard.policy.model import Policy, Rule
from guard.values import (
    Action,
    Finding,
    Item,
    Location,
    Match,
    Needs,
    PatternReach,
    Reach,
    Role,
    Runs,
    Scan,
    Span,
    Stage,
)
from guard.windows import place


@dataclass(frozen=True)
class Words:
    """Finds literal words, leftmost first; a word is certain with its last letter."""

    name: str
    words: tuple[str, ...]
    category: str = "custom/word"
    version: str = "1"
    needs: Needs = field(default_factory=lambda: Needs(PatternReach(), runs=Runs.INLINE))

    @property
    def categories(self) -> tuple[str, ...]:
        return (self.category,)

    def spans(self, text: str, start: int = 0) -> list[Span]:
        found = []
        while start < len(text):
            word = next((word for word in self.words if text.startswith(word, start)), "")
            if word:
                found.append(Span(start, start + len(word)))
            start += len(word) or 1
        return found

    def open_at(self, text: str, *, final: bool) -> int:
        """Start of the longest suffix, after the last match, that begins a word."""
        if final:
            return len(text)
        after = self.spans(text)[-1].end if self.spans(text) else 0
        starts = range(max(after, len(text) - max(map(len, self.words)) + 1), len(text))
        return next((start for start in starts if any(word.startswith(text[start:]) for word in self.words)), len(text))

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        return [[Finding(self.name, self.category, 1.0, span) for span in self.spans(item.text)] for item in items]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        return self.detect(items)

    def scan(self, tail: str, base: int, mark: int | None, *, final: bool, role: Role, location: Location) -> Scan:
        done = (mark or 0) - base
        spans = self.spans(tail, done)
        after = spans[-1].end if spans else done
        longest = max(map(len, self.words))
        starts = range(max(after, len(tail) - longest + 1), len(tail))
        begun = (start for start in starts if any(word.startswith(tail[start:]) for word in self.words))
        open_from = len(tail) if final else next(begun, len(tail))
        matches = tuple(
            Match(
                Finding(self.name, self.category, 1.0, Span(span.start + base, span.end + base), location, role),
                span.end + base,
            )
            for span in spans
        )
        # A word under way may begin before the text after the last match was read; it is read again from there.
        resume = max(after, min(open_from, len(tail)))
        return Scan(matches, open_from + base, resume + base, resume + base)


@dataclass(frozen=True)
class Marks:
    """Judges windows: a sign anywhere in the judged part makes a finding, with the sign's span or for the whole window."""

    name: str
    sign: str
    reach: Reach
    spans: bool = False
    category: str = "custom/sign"
    version: str = "1"

    @property
    def needs(self) -> Needs:
        return Needs(self.reach)

    @property
    def categories(self) -> tuple[str, ...]:
        return (self.category,)

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        return [self.judge(item.text, item.judged_from) for item in items]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        return self.detect(items)

    def judge(self, text: str, judged_from: int) -> list[Finding]:
        at = text.find(self.sign, judged_from)
        if at < 0:
            return []
        span = Span(at, at + len(self.sign)) if self.spans else None
        return [Finding(self.name, self.category, 0.9, span)]


@dataclass(frozen=True)
class Verdict:
    """What one detector says at one moment of the text."""

    due: int
    span: Span
    action: Action
    rule: str


def expected(policy: Policy, text: str, toys: Sequence[Words | Marks]) -> tuple[int, list[Span], set[str], Action]:
    """Return the limit of release, the redacted spans before it, the rules that fired, and the action."""
    end_of_stream = len(text) + 1
    verdicts: list[Verdict] = []
    windows: dict[str, list[tuple[int, int]]] = {}
    for toy in toys:
        rules = [rule for rule in policy.rules if toy.name in rule.detect]
        if isinstance(toy, Words):
            verdicts += [Verdict(span.end, span, rule.action, rule.id) for span in toy.spans(text) for rule in rules]
            continue
        placed = windows.setdefault(toy.name, [])
        for start, end, shown_from, due in _windows(toy, text):
            placed.append((due, end))
            for finding in toy.judge(text[shown_from:end], start - shown_from):
                span = (
                    Span(start, end)
                    if finding.span is None
                    else Span(finding.span.start + shown_from, finding.span.end + shown_from)
                )
                verdicts += [Verdict(due, span, rule.action, rule.id) for rule in rules]
    blocks = [verdict for verdict in verdicts if verdict.action is Action.BLOCK]
    moment = min((block.due for block in blocks), default=end_of_stream)
    limit = len(text)
    if blocks:
        seen = text[: min(moment, len(text))]
        limit = min([len(seen), *(block.span.start for block in blocks if block.due == moment)])
        for toy in toys:
            if not any(rule.action > Action.FLAG for rule in policy.rules if toy.name in rule.detect):
                continue
            if isinstance(toy, Words):
                limit = min(limit, toy.open_at(seen, final=moment == end_of_stream))
            else:
                limit = min(limit, max([end for due, end in windows[toy.name] if due <= moment], default=0))
    told = [verdict for verdict in verdicts if verdict.due <= moment]
    redacted = [verdict.span for verdict in told if verdict.action is Action.REDACT]
    while any(span.start < limit < span.end for span in redacted):
        limit = min(span.start for span in redacted if span.start < limit < span.end)
    action = max((verdict.action for verdict in told), default=Action.ALLOW)
    return limit, sorted(span for span in redacted if span.end <= limit), {verdict.rule for verdict in told}, action


def policy_of(rules: Sequence[tuple[str, Action]]) -> Policy:
    """Return a policy with one rule for each pair of a detector's name and an action."""
    made = tuple(
        Rule(f"r{index}-{name}", frozenset(Stage), (name,), ("custom/*",), action) for index, (name, action) in enumerate(rules)
    )
    return Policy("toy", made, {})


def _windows(toy: Marks, text: str) -> list[tuple[int, int, int, int]]:
    """Return (start, end, shown from, due) of every window, the text taken one character at a time."""
    found, start = [], 0
    for length in range(1, len(text) + 1):
        while (placement := place(toy.reach, text[:length], 0, start, final=False)) is not None:
            found.append((placement.start, placement.end, placement.shown_from, length))
            start = placement.resume
    if start < len(text):
        placement = place(toy.reach, text, 0, start, final=True)
        assert placement is not None
        found.append((placement.start, placement.end, placement.shown_from, len(text) + 1))
    return found
