"""Judge a growing answer: deltas go in, windows to judge come out, verdicts go in, and what may be released comes out.

A state machine without I/O (in the manner of h11). What it says depends on the text and the verdicts only, never on how the
text was cut or in which order the verdicts came (`docs/streaming.md` states the rules).

Positions are code points of a track. A track's position is also a time of its choice, the *due* of a verdict: how many code
points of all the choice's tracks had come when its evidence was complete. The end of the choice is one later than its last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from guard.policy.decide import decide, fired
from guard.policy.model import Policy, Rule
from guard.tracks import Placing, Redacted, Scanning, Track, earliest, outside
from guard.values import (
    Action,
    Decision,
    Detector,
    Exchange,
    Finding,
    Item,
    Location,
    PatternReach,
    Role,
    ScanningDetector,
    Span,
    Stage,
)
from guard.windows import Placement, decided, place


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A piece of a track that one detector has to judge.

    Attributes:
        due: When its evidence was complete, in the choice's time.
        item: What the detector is shown; its findings are offsets in `item.text`.
        limits: How far each track may be released while this window may still block.
    """

    track: str
    detector: str
    item: Item
    due: int
    placement: Placement
    before: int
    last: bool
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Block:
    """A block that takes effect at `due`, unless an earlier one does."""

    due: int
    track: str
    start: int
    limits: Mapping[str, int]


class ChoiceJudge:
    """Judges one choice of one answer: all its tracks, by all rules that are active.

    Feed text, call `advance`, take the `windows`, `answer` them in any order, and read `limit` and `redacted` after each step.
    """

    def __init__(
        self,
        policy: Policy,
        rules: Sequence[Rule],
        detectors: Mapping[str, Detector],
        *,
        choice: int | None = None,
        exchange: Exchange | None = None,
        stage: Stage = Stage.OUTPUT,
        release: str = "",
        copy: int = 0,
    ) -> None:
        """Prepare for a choice.

        Args:
            rules: The active ones, in the policy's order.
            detectors: By name; those that no active rule reads are not asked.
            release: `judged`, `whole` or `optimistic`; empty for the policy's own.
            copy: How many code points of what is fed are copied, for `copies`.
        """
        self._policy = policy
        self._rules = rules
        self._detectors = detectors
        self._choice = choice
        self._exchange = exchange
        self._stage = stage
        self._excepts = any(rule.action is Action.ALLOW or (rule.late and rule.action > Action.FLAG) for rule in rules)
        self._revises = any(rule.action is Action.REVISE for rule in rules)
        self._release = "whole" if self._excepts or self._revises else release or policy.release
        self._tracks: dict[str, Track] = {}
        self._incoming: list[tuple[Track, list[str]]] = []
        self._time = 0
        self._closed = False
        self._fresh: list[Window] = []
        self._pending: list[Window] = []
        self._blocks: list[_Block] = []
        self._findings: list[tuple[int, Finding]] = []
        self._failed: list[tuple[int, str, Role]] = []
        self._cut: dict[str, int] | None = None
        self._decision: Decision | None = None
        self._copies: dict[str, tuple[Role, list[str]]] = {}
        self._copying = copy
        self.copied_all = True
        """Whether `copies` holds all that was fed."""
        self.revised = False
        """Whether what had to be rewritten has been, so that it may leave."""
        if policy.counts and any(rule.stands and rule.action is Action.BLOCK for rule in rules):
            self._blocks.append(_Block(0, "", 0, _NO_LIMITS))
            self._settle()

    @property
    def copies(self) -> list[tuple[str, Role, str]]:
        """The name, the role and the text of each track, as it was fed, up to the length that was asked for."""
        return [(track, role, "".join(texts)) for track, (role, texts) in self._copies.items()]

    @property
    def blocked(self) -> bool:
        """Whether the choice is over: nothing more of it will be released."""
        return self._decision is not None and self._decision.action is Action.BLOCK

    @property
    def done(self) -> bool:
        """Whether the choice has ended and every verdict is in."""
        return self._decision is not None

    @property
    def unrevised(self) -> bool:
        """Whether all is judged, and has to be rewritten before it may leave."""
        return self._decision is not None and self._decision.action is Action.REVISE and not self.revised

    @property
    def decision(self) -> Decision:
        """The decision so far; it is final once `done`."""
        return self._decision or self._decide(self._findings, self._failed)

    def feed(self, track: str, role: Role, text: str) -> None:
        """Append text to a track. It is judged at the next `advance`."""
        if self._closed or self._cut is not None or not text:
            return
        known = self._tracks.get(track) or self._open_track(track, role)
        if self._copying:
            self._copy(track, role, text)
        if not self._incoming or self._incoming[-1][0] is not known:
            self._incoming.append((known, []))
        self._incoming[-1][1].append(text)

    def close(self) -> None:
        """Say that nothing more comes for this choice."""
        self.advance()
        if self._closed:
            return
        self._closed = True
        self._time += 1
        for track in self._tracks.values() if not self._blocks else ():
            self._scan(track, track.length, final=True)
            for placing in track.placing:
                self._place_rest(track, placing)
        self._settle()

    def advance(self) -> None:
        """Judge what was fed, as far as scanning can, and place the windows that have ended."""
        incoming, self._incoming = self._incoming, []
        for track, texts in incoming:
            if not self._blocks:
                self._append(track, "".join(texts))
        self._settle()

    def windows(self) -> list[Window]:
        """Return the windows to judge that were not handed out yet, oldest first."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def answer(self, window: Window, findings: Sequence[Finding] | None) -> None:
        """Take the verdict on a window.

        Args:
            findings: Spans are offsets in `window.item.text`; None means that the detector gave no verdict.
        """
        if window not in self._pending:
            return
        self._pending.remove(window)
        track = self._tracks[window.track]
        placing = next(placing for placing in track.placing if placing.detector.name == window.detector)
        block = self._failure(track, window) if findings is None else self._verdict(track, placing, window, findings)
        if not block:
            del placing.pending[window.placement.start]
        self._settle()

    def limit(self, track: str) -> int:
        """Return how far the track may be released, in code points. Never less than it was."""
        known = self._tracks.get(track)
        if known is None:
            return 0
        if self._cut is not None:
            return self._cut.get(track, 0)
        if self._release == "optimistic":
            return known.length
        if self._release == "whole":
            return known.length if self.done and not self.unrevised else 0
        limit = known.limit
        held_by = next((window for window in self._pending if window.limits is not _NO_LIMITS), None)
        if held_by is not None:
            limit = min(limit, held_by.limits.get(track, 0))
        for block in self._blocks:
            limit = min(limit, _limit_under(block, track))
        return outside(known.redacted, limit)

    def redacted(self, track: str) -> list[Redacted]:
        """Return the spans of the track that are known to need redaction, by start."""
        known = self._tracks.get(track)
        return sorted(known.redacted, key=lambda redacted: redacted.span) if known else []

    def forget(self, track: str, released: int) -> None:
        """Drop what is known of the track before position `released`, which the client has."""
        known = self._tracks.get(track)
        if known is not None:
            known.redacted = [redacted for redacted in known.redacted if redacted.span.end > released]

    @property
    def kept(self) -> int:
        """How much is kept: characters, and entries about them. Bounded, whatever the length of the stream."""
        tracks = self._tracks.values()
        return len(self._findings) + sum(len(track.tail) + len(track.redacted) + len(track.arrivals) for track in tracks)

    def _copy(self, track: str, role: Role, text: str) -> None:
        if not self.copied_all:
            return
        copied = text[: self._copying - 1]  # one is left, as 0 stands for no copies at all
        self.copied_all = len(copied) == len(text)
        self._copying -= len(copied)
        self._copies.setdefault(track, (role, []))[1].append(copied)

    def _open_track(self, name: str, role: Role) -> Track:
        scanning: list[Scanning] = []
        placing: list[Placing] = []
        for detector in self._detectors.values():
            actions = [rule for rule in self._rules if rule.reads(detector.name, role)]
            if not actions:
                continue
            holds = any(rule.action > Action.FLAG for rule in actions)
            blocks = any(
                rule.action is Action.BLOCK or (rule.action > Action.FLAG and rule.on_error is Action.BLOCK) for rule in actions
            )
            if isinstance(detector.needs.reach, PatternReach):
                scanning.append(Scanning(cast(ScanningDetector, detector), holds))
            else:
                placing.append(Placing(detector, holds, blocks))
        track = self._tracks[name] = Track(name, role, Location(name, self._choice), scanning, placing)
        return track

    def _append(self, track: Track, text: str) -> None:
        """Take text into a track, stopping wherever a window's end is told, so that what is open there is known."""
        if not track.arrivals or track.due(track.length) != self._time:
            track.arrivals.append((track.length, self._time))
        track.tail += text
        self._time += len(text)
        while not self._blocks:
            ended = earliest(track)
            if not ended:
                break
            told = ended[0][1].told
            due = track.due(told)
            self._scan(track, told)
            if all(block.due == due for block in self._blocks):
                self._place(track, ended, due, last=False)
        if not self._blocks:
            self._scan(track, track.length)
        track.forget()

    def _scan(self, track: Track, end: int, *, final: bool = False) -> None:
        """Let the scanning detectors read up to `end`; a match that blocks makes them stop where it became certain."""
        text = track.tail[: end - track.base]
        scans = []
        for scanning in track.scanning:
            detector = scanning.detector
            scans.append(detector.scan(text, track.base, scanning.mark, final=final, role=track.role, location=track.location))
        blocking = [match.known for scan in scans for match in scan.matches if self._blocks_on(match.finding)]
        if blocking and not final and min(blocking) < end:
            self._scan(track, min(blocking))
            return
        for scanning, scan in zip(track.scanning, scans, strict=True):
            scanning.mark, scanning.open, scanning.keep = scan.mark, scan.open, scan.keep
        for scan in scans:
            for match in scan.matches:
                self._record(track, match.finding, self._time if final else track.due(match.known), end)

    def _blocks_on(self, finding: Finding) -> bool:
        return not self._excepts and any(rule.action is Action.BLOCK and rule.matches(finding) for rule in self._rules)

    def _record(self, track: Track, finding: Finding, due: int, end: int, limits: Mapping[str, int] | None = None) -> bool:
        """Keep a finding, whose span counts in the track's positions, and do what the rules ask; return whether one blocks.

        Args:
            end: Where the judged part ends, for a finding without a span.
            limits: How far each track may be released under a block; None to take what is open now.
        """
        self._keep(due, finding)
        if self._excepts:
            return False
        span = finding.span or Span(0, end)
        matching = [rule for rule in self._rules if rule.matches(finding)]
        for rule in matching:
            if rule.action is Action.REDACT:
                track.redacted.append(Redacted(span, rule.redact, finding.category, due))
        blocks = any(rule.action is Action.BLOCK for rule in matching)
        if blocks:
            self._blocks.append(_Block(due, track.name, span.start, self._limits_now() if limits is None else limits))
        return blocks

    def _limits_now(self) -> dict[str, int]:
        """Return how far each track could be released if a block took effect at this very point of the text."""
        if self._closed:
            return {name: track.length for name, track in self._tracks.items()}
        return {name: track.open_from for name, track in self._tracks.items()}

    def _place_rest(self, track: Track, placing: Placing) -> None:
        """Place what is left of an ended track; overlapping windows may be several."""
        while placing.start < track.length:
            placement = place(placing.detector.needs.reach, track.tail, track.base, placing.start, final=True)
            if placement is None:
                return
            self._place(track, [(placing, placement)], self._time, last=placement.end == track.length)

    def _place(self, track: Track, ended: Sequence[tuple[Placing, Placement]], due: int, *, last: bool) -> None:
        """Hand out windows whose ends are told at the same position of the track."""
        befores = []
        for placing, placement in ended:
            befores.append(placing.before)
            placing.before = placement.end - (placement.end - placement.resume) // 2
            placing.start = placement.resume
            placing.pending[placement.start] = None
        now = self._limits_now()
        self._blocks = [replace(block, limits=now) if block.due == due else block for block in self._blocks]
        for (placing, placement), before in zip(ended, befores, strict=True):
            item = Item(
                text=track.tail[placement.shown_from - track.base : placement.end - track.base],
                stage=self._stage,
                role=track.role,
                location=track.location,
                judged_from=placement.start - placement.shown_from,
                exchange=self._exchange,
            )
            limits = now if placing.blocks else _NO_LIMITS
            window = Window(track.name, placing.detector.name, item, due, placement, before, last, limits)
            self._fresh.append(window)
            self._pending.append(window)

    def _verdict(self, track: Track, placing: Placing, window: Window, findings: Sequence[Finding]) -> bool:
        placed = [_placed(finding, window, window.placement.shown_from) for finding in findings]
        length = window.placement.end if window.last else None
        own = decided(placing.detector.needs.reach, placed, window.before, window.placement, length)
        return any([self._record(track, finding, window.due, window.placement.end, window.limits) for finding in own])

    def _keep(self, due: int, finding: Finding) -> None:
        """Keep a finding for the decision; of very many, the earliest and the strongest of each kind."""
        self._findings.append((due, finding))
        if len(self._findings) > 2 * _MOST_FINDINGS:
            self._findings.sort(key=lambda entry: entry[0])
            strongest: dict[tuple[str, str, Role], tuple[int, Finding]] = {}
            for entry in self._findings[_MOST_FINDINGS:]:
                kind = (entry[1].detector, entry[1].category, entry[1].role)
                if kind not in strongest or entry[1].score > strongest[kind][1].score:
                    strongest[kind] = entry
            self._findings[_MOST_FINDINGS:] = strongest.values()

    def _failure(self, track: Track, window: Window) -> bool:
        self._failed.append((window.due, window.detector, track.role))
        blocks = False
        for rule in self._rules:
            if self._excepts or rule.action <= Action.FLAG or not rule.reads(window.detector, track.role):
                continue
            if rule.on_error is Action.BLOCK:
                self._blocks.append(_Block(window.due, track.name, window.placement.start, window.limits))
                blocks = True
        return blocks

    def _settle(self) -> None:
        """Let the first block take effect once nothing that came before it is open; else see whether all is over."""
        if self._decision is not None:
            return
        if self._blocks:
            due = min(block.due for block in self._blocks)
            if not any(window.due <= due for window in self._pending):
                self._cut_at(due)
        elif self._closed and not self._pending:
            self._finish()

    def _cut_at(self, due: int) -> None:
        """End the choice at `due`: fix what may be released, and forget every verdict that came later."""
        self._pending.clear()
        self._fresh.clear()
        blocks = [block for block in self._blocks if block.due == due]
        cut = {}
        for name, track in self._tracks.items():
            track.redacted = [redacted for redacted in track.redacted if redacted.due <= due]
            limit = min([track.length, *(_limit_under(block, name) for block in blocks)])
            cut[name] = 0 if self._release == "whole" else outside(track.redacted, limit)
        self._findings = [(when, finding) for when, finding in self._findings if when <= due]
        self._failed = [failure for failure in self._failed if failure[0] <= due]
        self._cut = cut
        self._decision = self._decide(self._findings, self._failed)

    def _finish(self) -> None:
        decision = self._decide(self._findings, self._failed)
        if self._excepts:
            for rule, findings in fired(self._rules, [finding for _, finding in self._findings]):
                if rule.action is Action.REDACT:
                    for finding in findings:
                        track = self._tracks[finding.location.pointer]
                        span = finding.span or Span(0, track.length)
                        track.redacted.append(Redacted(span, rule.redact, finding.category, self._time))
        if decision.action is Action.BLOCK:
            self._cut = dict.fromkeys(self._tracks, 0)
        self._decision = decision

    def _decide(self, findings: Sequence[tuple[int, Finding]], failed: Sequence[tuple[int, str, Role]]) -> Decision:
        in_order = sorted(findings, key=_order)
        failures = [(detector, role) for _, detector, role in sorted(failed)]
        return decide(self._policy, self._rules, [finding for _, finding in in_order], failures)


def _order(entry: tuple[int, Finding]) -> tuple[int, str, str, Span, str]:
    due, finding = entry
    return due, finding.location.pointer, finding.detector, finding.span or _NOWHERE, finding.category


_MOST_FINDINGS = 1_000
_NO_LIMITS: Mapping[str, int] = {}
_NOWHERE = Span(-1, -1)


def _placed(finding: Finding, window: Window, shift: int) -> Finding:
    """Return the finding with its span in the track's positions, clipped to what this window judges."""
    if finding.span is None:
        span = Span(window.placement.start, window.placement.end)
    else:
        span = Span(finding.span.start + shift, finding.span.end + shift)
    return replace(finding, span=span, location=window.item.location, role=window.item.role)


def _limit_under(block: _Block, track: str) -> int:
    """Return how far `track` may be released if this block takes effect."""
    limit = block.limits.get(track, 0)
    return min(limit, block.start) if track == block.track else limit
