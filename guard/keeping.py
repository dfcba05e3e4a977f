"""Work out what of an exchange's texts may be kept, as the policy's `store` says. Runs off the request's path.

`redacted` is stricter than what leaves: every redact rule holds for everybody's words and for every turn, exceptions do not
count, and whatever looks like a secret or personal data goes, whether or not a rule is about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from guard.asking import Answers, ask_sync
from guard.detectors import registry
from guard.detectors.running import Composed
from guard.detectors.screening import Screen
from guard.formats.base import Piece, Text
from guard.judging import Origin, Question, Readers, judgement, questions
from guard.policy.kinds import Kind
from guard.policy.logic import leaves
from guard.policy.model import DetectorConfig, Policy, Rule
from guard.ports import KeptText, KeptTexts
from guard.streaming import ChoiceJudge
from guard.values import Action, Decision, Detector, Finding, Item, Location, PatternReach, Role, Runs, Stage

MOST = 256 * 1024
"""Code points that are kept of one stage of an exchange."""
_REACH = PatternReach().longest
COPIED = MOST + _REACH
"""Code points of a stream that are copied, so that what lies across the end of what is kept is seen whole."""
_PRIVATE = ("pii/*", "secret/*")
_SWEEPING = ("secrets", "pii")
_MOST_FINDINGS = 1_000
"""From as many findings on, a stream's judge keeps no more of them."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of texts that were judged.

    Attributes:
        answers: What detectors said of them.
        failed: Names of detectors that gave no verdict.
        unsure: Whether texts may not have been seen by every detector, as a block came first.
        complete: Whether these are all the texts there were.
    """

    texts: tuple[Text, ...]
    answers: tuple[tuple[Question, Answers], ...]
    failed: tuple[str, ...] = ()
    unsure: bool = False
    complete: bool = True

    @property
    def size(self) -> int:
        """Code points of the texts."""
        return sum(len(piece.text) for text in self.texts for piece in text.pieces)


class Keeping:
    """What may be kept under one policy."""

    def __init__(self, policy: Policy, detectors: Mapping[str, Detector], kinds: Mapping[str, Kind]) -> None:
        """Prepare.

        Args:
            detectors: The policy's, by name.
            kinds: What stands behind `use:`.
        """
        self._policy = policy
        self._mode = policy.store.text
        redacting = {name for rule in policy.rules if rule.action is Action.REDACT for name in rule.detect}
        quick = {name for name, detector in detectors.items() if _is_quick(detector)}
        self._slow = redacting - quick
        self._sweeping = {**{name: detectors[name] for name in quick if name in redacting}, **_sweepers(policy, detectors)}
        self._rules = _rules(policy, kinds, tuple({**detectors, **self._sweeping}))
        self._readers = Readers(self._rules, self._sweeping)
        self._screen = Screen(self._sweeping.values())

    def prepare(self) -> None:
        """Get ready for many exchanges."""
        if self._mode == "redacted":
            self._screen.compile()

    def kept(self, judged: Judged, stage: Stage) -> KeptTexts:
        """Return what may be kept of the texts."""
        if self._mode == "none":
            return KeptTexts("none")
        if self._mode == "full":
            return _within(judged.texts, {}, "full", complete=judged.complete)
        if self._slow and (judged.unsure or not self._slow.isdisjoint(judged.failed)):
            return KeptTexts("withheld")
        self._screen.compile()
        asked = questions(judged.texts, self._readers, stage, None, self._screen)
        answers = [*judged.answers, *((question, ask_sync(question.detector, question.items)) for question in asked)]
        if not answers:
            return _within(judged.texts, {}, "redacted", complete=judged.complete)
        said = judgement(self._policy, self._rules, judged.texts, answers)
        if said.unredactable or not self._sweeping.keys().isdisjoint(said.decision.failed):
            return KeptTexts("withheld")
        return _within(judged.texts, said.changes, "redacted", complete=judged.complete)


def of_stream(judges: Iterable[tuple[int | None, ChoiceJudge]]) -> Judged:
    """Return what is known of the texts of a stream."""
    texts: list[Text] = []
    answers: list[tuple[Question, Answers]] = []
    failed: list[str] = []
    unsure, complete = False, True
    for choice, judge in judges:
        decision = judge.decision
        failed += decision.failed
        unsure |= not judge.done or judge.blocked or len(decision.findings) >= _MOST_FINDINGS
        complete &= judge.copied_all
        for track, role, text in judge.copies:
            pointer = track if choice is None else f"/choices/{choice}/{track}"  # tracks of several choices have one name
            texts.append(Text((Piece(pointer, text, track.endswith("~key")),), role, choice))
            answers += _said_of(decision, track, role, text, choice, len(texts) - 1)
    return Judged(tuple(texts), tuple(answers), tuple(failed), unsure, complete)


@dataclass(frozen=True, slots=True)
class _Named:
    """Stands for a detector whose findings are known already."""

    name: str


def _said_of(
    decision: Decision, track: str, role: Role, text: str, choice: int | None, index: int
) -> list[tuple[Question, Answers]]:
    by_detector: dict[str, list[Finding]] = {}
    for finding in decision.findings:
        if finding.location == Location(track, choice):
            by_detector.setdefault(finding.detector, []).append(finding)
    item = Item(text, Stage.OUTPUT, role, Location(track, choice))
    return [
        (Question(_Named(name), (item,), (Origin(index, 0),)), [findings])  # type: ignore[arg-type]  # only its name is read
        for name, findings in by_detector.items()
    ]


def _is_quick(detector: Detector) -> bool:
    return (
        detector.needs.runs is Runs.INLINE
        and isinstance(detector.needs.reach, PatternReach)
        and not isinstance(detector, Composed)
    )


def _sweepers(policy: Policy, detectors: Mapping[str, Detector]) -> dict[str, Detector]:
    """Return detectors that find every kind of secret and of personal data: the policy's own where they are not narrowed."""
    sweepers: dict[str, Detector] = {}
    for use in _SWEEPING:
        mine = next((name for name, config in policy.detectors.items() if config.use == use and not config.options), None)
        if mine is not None and _is_quick(detectors[mine]):
            sweepers[mine] = detectors[mine]
        else:
            name = f"store:{use}"
            sweepers |= registry.build({name: DetectorConfig(name, use)}, registry.kinds())
    return sweepers


def _everywhere(rule: Rule) -> Rule:
    """Return a redact rule that holds always and for everybody, and for whatever any of its clauses is about."""
    least = [rule.threshold, *(least for _, least in rule.by_language)]
    least += [leaf.threshold for leaf in leaves(rule.logic)] if rule.logic is not None else []
    unbounded = replace(rule, on=frozenset(Stage), roles=frozenset(Role), turns="all", when=None, schedule=None, sample=1.0)
    return replace(unbounded, count=None, logic=None, by_language=(), threshold=min(least))


def _rules(policy: Policy, kinds: Mapping[str, Kind], names: tuple[str, ...]) -> tuple[Rule, ...]:
    everywhere = [_everywhere(rule) for rule in policy.rules if rule.action is Action.REDACT]
    exact = tuple(name for name in names if name not in policy.detectors or kinds[policy.detectors[name].use].spans)
    vague = tuple(name for name in names if name not in exact)
    on = frozenset(Stage)
    return (
        *everywhere,
        Rule("store:private", on, exact, _PRIVATE, Action.REDACT, threshold=0.0),
        Rule("store:probably-private", on, vague, _PRIVATE, Action.REDACT),
    )


def _within(texts: Sequence[Text], changes: Mapping[str, str], form: str, *, complete: bool) -> KeptTexts:
    """Return the texts with changes made, cut to what is kept; keys and media are left out.

    Where not all of the texts is there, the end of each may be half of something that would have been found: it goes.
    """
    kept: list[KeptText] = []
    left = MOST
    uncertain = _REACH if form == "redacted" and not complete else 0
    for text in texts:
        for piece in text.pieces if text.media is None else ():
            if piece.key or piece.medium:
                continue
            words = changes.get(piece.pointer, piece.text)
            words = words[: max(0, len(words) - uncertain)]
            if len(words) > left:
                complete = False
            if words[:left]:
                kept.append(KeptText(text.role.value, words[:left], piece.pointer, text.choice, text.turn))
            left -= len(words[:left])
    return KeptTexts(form, tuple(kept), truncated=not complete)
