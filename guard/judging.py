"""Judge a message that is complete: which detector sees which text, and what its findings mean for each string. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from guard.actions import Marked, redact
from guard.formats.base import Piece, Text
from guard.policy.decide import decide, fired, redactions
from guard.policy.model import Policy, Rule
from guard.values import Action, Decision, Detector, Exchange, Finding, Item, Location, Role, ScanningDetector, Span, Stage
from guard.windows import decided, place

Choice = int | None


@dataclass(frozen=True, slots=True)
class Question:
    """What one detector is asked about a message: items, and the text (by index) that each belongs to, with its shift."""

    detector: Detector
    items: tuple[Item, ...]
    origins: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to happen to a complete message.

    Attributes:
        changes: New strings by pointer, where a rule redacts.
        choices: The decision on each choice; None stands for what belongs to no choice.
    """

    decision: Decision
    changes: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[Choice, Decision] = field(default_factory=dict)
    unredactable: bool = False

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


def questions(
    texts: Sequence[Text], rules: Sequence[Rule], detectors: Mapping[str, Detector], stage: Stage, exchange: Exchange | None
) -> list[Question]:
    """Return what has to be asked of whom; a detector that no active rule reads for a text's role is not asked about it."""
    asked = []
    readers: dict[tuple[str, Role], bool] = {}
    for name, detector in detectors.items():
        items: list[Item] = []
        origins: list[tuple[int, int]] = []
        for index, text in enumerate(texts):
            role = text.role
            if (name, role) not in readers:
                readers[name, role] = any(rule.reads(name, role) for rule in rules)
            if readers[name, role] and text.pieces:
                _add_items(detector, index, text, stage, exchange, items, origins)
        if items:
            asked.append(Question(detector, tuple(items), tuple(origins)))
    return asked


def judgement(
    policy: Policy,
    rules: Sequence[Rule],
    texts: Sequence[Text],
    answers: Sequence[tuple[Question, list[list[Finding]] | None]],
) -> Judgement:
    """Return what the detectors' answers mean. None in place of an answer means that the detector gave no verdict."""
    findings: list[Finding] = []
    failed: list[tuple[str, Role, Choice]] = []
    for question, answer in answers:
        if answer is None:
            failed += {(question.detector.name, texts[index].role, texts[index].choice) for index, _ in question.origins}
            continue
        for (index, shift), item, found in zip(question.origins, question.items, answer, strict=True):
            for finding in found:
                findings += _localised(texts[index], finding, item, shift)
    if not findings and not failed:
        return Judgement(Decision(policy=policy.digest))
    findings = [_in_turn(finding, turns) for turns in (_turns(texts),) for finding in findings]
    choices = {
        choice: decide(
            policy,
            rules,
            [finding for finding in findings if finding.location.choice == choice],
            [(name, role) for name, role, where in failed if where == choice],
        )
        for choice in dict.fromkeys([*(finding.location.choice for finding in findings), *(where for _, _, where in failed)])
    }
    changes, unredactable = _changes(texts, rules, findings)
    return Judgement(_joined(policy, choices), changes, choices, unredactable)


def _add_items(
    detector: Detector,
    index: int,
    text: Text,
    stage: Stage,
    exchange: Exchange | None,
    items: list[Item],
    origins: list[tuple[int, int]],
) -> None:
    joined = text.joined
    location = Location(text.pieces[0].pointer, text.choice)
    if isinstance(detector, ScanningDetector):
        items.append(Item(joined, stage, text.role, location, exchange=exchange))
        origins.append((index, 0))
        return
    start = 0
    while start < len(joined):
        window = place(detector.needs.reach, joined, 0, start, final=True)
        if window is None:
            return
        shown = joined[window.shown_from : window.end]
        items.append(Item(shown, stage, text.role, location, window.start - window.shown_from, exchange))
        origins.append((index, window.shown_from))
        if window.end == len(joined):
            return
        start = window.resume


def _localised(text: Text, finding: Finding, item: Item, shift: int) -> list[Finding]:
    """Return the finding as one for each string of the text that it touches, in that string's own positions."""
    span = finding.span or Span(item.judged_from, len(item.text))
    start, end = span.start + shift, span.end + shift
    found, offset = [], 0
    for piece in text.pieces:
        low, high = max(start, offset), min(end, offset + len(piece.text))
        if low < high:
            local = Span(low - offset, high - offset)
            where = Location(piece.pointer, text.choice)
            found.append(replace(finding, detector=finding.detector, span=local, location=where, role=text.role))
        offset += len(piece.text)
    return found


def _turns(texts: Sequence[Text]) -> dict[str, str]:
    """Return for each string of a user turn whether it is the last, a new or an old one."""
    users = [text.turn for text in texts if text.role is Role.USER and text.turn >= 0]
    answered = max((text.turn for text in texts if text.role is Role.ASSISTANT), default=-1)
    turns = {}
    for text in texts:
        if text.role is Role.USER and 0 <= text.turn < max(users):
            for piece in text.pieces:
                turns[piece.pointer] = "new" if text.turn > answered else "old"
    return turns


def _in_turn(finding: Finding, turns: Mapping[str, str]) -> Finding:
    turn = turns.get(finding.location.pointer)
    return replace(finding, turn=turn) if turn else finding


def _changes(texts: Sequence[Text], rules: Sequence[Rule], findings: Sequence[Finding]) -> tuple[dict[str, str], bool]:
    marked: dict[str, list[Marked]] = defaultdict(list)
    pieces: dict[str, Piece] = {}
    for redaction in redactions(fired(rules, findings)):
        pointer = redaction.location.pointer
        if not pieces:
            pieces = {piece.pointer: piece for text in texts for piece in text.pieces if not piece.key}
        span = redaction.span or Span(0, len(pieces[pointer].text) if pointer in pieces else 0)
        marked[pointer].append(Marked(span, redaction.redactor, redaction.category))
    changes = {pointer: redact(pieces[pointer].text, spans) for pointer, spans in marked.items() if pointer in pieces}
    return changes, any(pointer not in pieces for pointer in marked)


def _joined(policy: Policy, choices: Mapping[Choice, Decision]) -> Decision:
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


__all__ = ["Choice", "Judgement", "Question", "decided", "judgement", "questions"]
