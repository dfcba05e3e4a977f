"""Judge a message that is complete: which detector sees which text, and what its findings mean for each string. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple, Protocol

from guard.actions import Marked, published, redact
from guard.formats.base import Piece, Text
from guard.policy.decide import Redaction, decide, fired, redactions
from guard.policy.model import Policy, Rule
from guard.values import Action, Decision, Detector, Exchange, Finding, Item, Location, NoVerdict, PatternReach, Role, Span, Stage
from guard.windows import place

Choice = int | None


class Origin(NamedTuple):
    """Where an item comes from.

    Attributes:
        text: Index of its text.
        shift: Where it begins in the text as it was read.
        gap: How many characters were read between the text's pieces.
    """

    text: int
    shift: int
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """What one detector is asked about a message: items, and where each of them comes from."""

    detector: Detector
    items: tuple[Item, ...]
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to happen to a complete message.

    Attributes:
        changes: New strings by pointer, where a rule redacts.
        choices: The decision on each choice; None stands for what belongs to no choice.
        answers: What the detectors said, where the message is to be judged again before anything is recorded.
    """

    decision: Decision
    changes: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[Choice, Decision] = field(default_factory=dict)
    unredactable: bool = False
    answers: tuple[tuple[Question, list[list[Finding]] | NoVerdict], ...] = ()

    @property
    def blocked(self) -> tuple[int, ...]:
        """Indices of the choices that are blocked by themselves."""
        return tuple(
            sorted(choice for choice, decision in self.choices.items() if choice is not None and decision.action is Action.BLOCK)
        )

    @property
    def all_blocked(self) -> bool:
        """Whether nothing may pass: what belongs to no choice is blocked, or a key would have to be redacted."""
        common = self.choices.get(None)
        return self.unredactable or (common is not None and common.action is Action.BLOCK)


class Readers:
    """Which detectors read whose words, under some rules; worked out once for each role."""

    def __init__(self, rules: Sequence[Rule], detectors: Mapping[str, Detector]) -> None:
        self._rules = rules
        self.detectors = detectors
        self._of: dict[Role, tuple[str, ...]] = {}

    def of(self, role: Role) -> tuple[str, ...]:
        """Return the names of the detectors of texts that at least one of the rules reads for words of this role."""
        names = self._of.get(role)
        if names is None:
            names = tuple(name for name in self._read(role) if not self.detectors[name].needs.media)
            self._of[role] = names
        return names

    def of_media(self, role: Role, media_type: str = "") -> tuple[str, ...]:
        """Return the names of those that judge media of this type, or of any where none is named."""
        return tuple(
            name
            for name in self._read(role)
            if any(media_type.startswith(prefix) or not media_type for prefix in self.detectors[name].needs.media)
        )

    def _read(self, role: Role) -> Iterator[str]:
        return (name for name in self.detectors if any(rule.reads(name, role) for rule in self._rules))


class Clearing(Protocol):
    """Tells quickly of most texts that some detectors find nothing in them (`guard.detectors.screening.Screen`)."""

    @property
    def names(self) -> frozenset[str]:
        """The names of those detectors."""
        ...

    def clears(self, text: str) -> bool:
        """Return whether certainly none of them finds anything in `text`."""
        ...


def questions(
    texts: Sequence[Text], readers: Readers, stage: Stage, exchange: Exchange | None, clearing: Clearing | None = None
) -> list[Question]:
    """Return what has to be asked of whom; no detector is asked about a text that it does not read or that is clear already."""
    asked: dict[str, tuple[list[Item], list[Origin]]] = {}
    for index, text in enumerate(texts):
        if text.media is not None:
            item = Item("", stage, text.role, Location(text.pieces[0].pointer, text.choice), exchange=exchange, media=text.media)
            for name in readers.of_media(text.role, text.pieces[0].medium):
                items, origins = asked.setdefault(name, ([], []))
                items.append(item)
                origins.append(Origin(index, 0))
            continue
        names = readers.of(text.role)
        if not names or not text.pieces:
            continue
        for gap, reading in enumerate(_readings(text)):
            left = names
            if clearing is not None and not clearing.names.isdisjoint(names) and clearing.clears(reading):
                left = tuple(name for name in names if name not in clearing.names)
            for name in left:
                items, origins = asked.setdefault(name, ([], []))
                _add_items(readers.detectors[name], Origin(index, 0, gap), text, reading, stage, exchange, items, origins)
    return [
        Question(detector, tuple(asked[name][0]), tuple(asked[name][1]))
        for name, detector in (readers.detectors.items() if asked else ())
        if name in asked and asked[name][0]
    ]


def judgement(
    policy: Policy,
    rules: Sequence[Rule],
    texts: Sequence[Text],
    answers: Sequence[tuple[Question, list[list[Finding]] | NoVerdict]],
) -> Judgement:
    """Return what the detectors' answers mean."""
    findings: list[Finding] = []
    failed: list[tuple[str, Role, Choice]] = []
    retry_after = 0.0
    for question, answer in answers:
        if isinstance(answer, NoVerdict):
            retry_after = max(retry_after, answer.retry_after)
            asked = {origin.text: None for origin in question.origins}
            failed += {(question.detector.name, texts[index].role, texts[index].choice) for index in asked}
            continue
        for origin, item, found in zip(question.origins, question.items, answer, strict=True):
            if found:
                findings += _localised(texts[origin.text], found, item, origin)
    standing = policy.counts and any(rule.stands for rule in rules)
    if not findings and not failed and not standing:
        return Judgement(Decision(policy=policy.digest))
    turns = _turns(texts)
    findings = [_in_turn(finding, turns) for finding in dict.fromkeys(findings)]
    choices = {
        choice: published(
            decide(
                policy,
                rules,
                [finding for finding in findings if finding.location.choice == choice],
                [(name, role) for name, role, where in failed if where == choice],
                retry_after,
            )
        )
        for choice in dict.fromkeys(
            [
                *(finding.location.choice for finding in findings),
                *(where for _, _, where in failed),
                *((None,) if standing else ()),
            ]
        )
    }
    changes, unredactable = _changes(texts, rules, findings)
    return Judgement(joined(policy, choices), changes, choices, unredactable)


def joined(policy: Policy, choices: Mapping[Choice, Decision]) -> Decision:
    """Return the decision on a message, given those on its choices: the strictest, with the rules and findings of all."""
    if len(choices) == 1:
        return next(iter(choices.values()))
    strictest = max(choices.values(), key=lambda decision: decision.action)
    fired_rules = {rule for decision in choices.values() for rule in decision.rules}
    return replace(
        strictest,
        rules=tuple(rule.id for rule in policy.rules if rule.id in fired_rules),
        findings=tuple(finding for decision in choices.values() for finding in decision.findings),
        failed=tuple(sorted({name for decision in choices.values() for name in decision.failed})),
    )


def settled(
    policy: Policy,
    rules: Sequence[Rule],
    texts: Sequence[Text],
    answers: Sequence[tuple[Question, list[list[Finding]] | NoVerdict]],
) -> bool:
    """Return whether these answers alone block everything, whatever others may say."""
    if any(rule.action is Action.ALLOW or rule.late for rule in rules):
        return False
    judged = judgement(policy, rules, texts, answers)
    return judged.all_blocked or {text.choice for text in texts} <= set(judged.blocked)


def may_be_spared(detector: str, rules: Sequence[Rule]) -> bool:
    """Return whether a detector need not be asked about what is blocked anyhow: no rule redacts what it finds."""
    return not any(rule.action is Action.REDACT and detector in rule.detect for rule in rules)


def _readings(text: Text) -> Iterator[str]:
    """Yield the text as detectors read it: its pieces joined, and, as some models see them so, each on a line of its own.

    Joined, a word cut in two is whole; apart, the end of one piece does not hide the beginning of the next.
    """
    yield text.joined
    if len(text.pieces) > 1:
        yield "\n".join(piece.text for piece in text.pieces)


def _add_items(
    detector: Detector,
    origin: Origin,
    text: Text,
    reading: str,
    stage: Stage,
    exchange: Exchange | None,
    items: list[Item],
    origins: list[Origin],
) -> None:
    location = Location(text.pieces[0].pointer, text.choice)
    if isinstance(detector.needs.reach, PatternReach):
        items.append(Item(reading, stage, text.role, location, exchange=exchange))
        origins.append(origin)
        return
    start = 0
    while start < len(reading):
        window = place(detector.needs.reach, reading, 0, start, final=True)
        if window is None:
            return
        shown = reading[window.shown_from : window.end]
        items.append(Item(shown, stage, text.role, location, window.start - window.shown_from, exchange))
        origins.append(origin._replace(shift=window.shown_from))
        if window.end == len(reading):
            return
        start = window.resume


def _localised(text: Text, findings: Sequence[Finding], item: Item, origin: Origin) -> Iterator[Finding]:
    """Return each finding as one for each string of the text that it touches, in that string's own positions."""
    if text.media is not None:
        where = Location(text.pieces[0].pointer, text.choice)
        yield from (replace(finding, span=None, location=where, role=text.role) for finding in findings)
        return
    starts = [0, *accumulate(len(piece.text) + origin.gap for piece in text.pieces)]
    for finding in findings:
        span = finding.span or Span(item.judged_from, len(item.text))
        start, end = span.start + origin.shift, span.end + origin.shift
        for place_of in range(max(0, bisect_right(starts, start) - 1), bisect_left(starts, end)):
            if place_of == len(text.pieces):
                break
            piece, offset = text.pieces[place_of], starts[place_of]
            low, high = max(start, offset), min(end, offset + len(piece.text))
            if low < high:
                where = Location(piece.pointer, text.choice)
                yield replace(finding, span=Span(low - offset, high - offset), location=where, role=text.role)


def _turns(texts: Sequence[Text]) -> dict[str, str]:
    """Return for each string of a user turn whether it is the last, a new or an old one."""
    last = max((text.turn for text in texts if text.role is Role.USER), default=-1)
    answered = max((text.turn for text in texts if text.role is Role.ASSISTANT), default=-1)
    turns = {}
    for text in texts:
        if text.role is Role.USER and 0 <= text.turn < last:
            for piece in text.pieces:
                turns[piece.pointer] = "new" if text.turn > answered else "old"
    return turns


def _in_turn(finding: Finding, turns: Mapping[str, str]) -> Finding:
    turn = turns.get(finding.location.pointer)
    return replace(finding, turn=turn) if turn else finding


def _changes(texts: Sequence[Text], rules: Sequence[Rule], findings: Sequence[Finding]) -> tuple[dict[str, str], bool]:
    marked: dict[str, list[Marked]] = defaultdict(list)
    pieces: dict[str, Piece] = {}
    for redaction in _redactions(rules, findings):
        pointer = redaction.location.pointer
        if not pieces:
            pieces = {piece.pointer: piece for text in texts for piece in text.pieces if not piece.key}
        span = redaction.span or Span(0, len(pieces[pointer].text) if pointer in pieces else 0)
        marked[pointer].append(Marked(span, redaction.redactor, redaction.category))
    changes = {pointer: redact(pieces[pointer].text, spans) for pointer, spans in marked.items() if pointer in pieces}
    return changes, any(pointer not in pieces for pointer in marked)


def _redactions(rules: Sequence[Rule], findings: Sequence[Finding]) -> Iterator[Redaction]:
    """Yield what is to be made unreadable; rules that look at several findings do so in one choice at a time."""
    if not any(rule.late for rule in rules):
        yield from redactions(fired(rules, findings))
        return
    for choice in dict.fromkeys(finding.location.choice for finding in findings):
        yield from redactions(fired(rules, [finding for finding in findings if finding.location.choice == choice]))
