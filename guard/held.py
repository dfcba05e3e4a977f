"""What a relay holds of a streamed answer: events that wait for their verdicts, and the text in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from guard.actions import Marked, Replacement, published, redact, replacements
from guard.formats import arguments
from guard.formats.base import Delta, Part, Piece
from guard.streaming import ChoiceJudge
from guard.values import Action, Decision, Revision, Span


@dataclass(slots=True)
class HeldPart:
    """A part of an event that waits, with the stretch of its track that each delta holds."""

    order: int
    part: Part
    stretches: list[tuple[Delta, int, int]]
    sent: dict[str, int] = field(default_factory=dict)
    """How far each track of this part has left already."""


@dataclass(slots=True)
class HeldText:
    """What has come of a text and not left yet; taking it in and letting it go costs its length, however often."""

    base: int = 0
    held: str = ""
    fresh: list[str] = field(default_factory=list)
    end: int = 0

    def append(self, text: str) -> None:
        """Take in what comes next."""
        self.fresh.append(text)
        self.end += len(text)

    def joined(self) -> str:
        """The text from `base` on."""
        if self.fresh:
            self.held += "".join(self.fresh)
            self.fresh.clear()
        return self.held

    def drop(self, end: int) -> None:
        """Forget what stands before `end`, as soon as that is most of it."""
        if 2 * (end - self.base) > len(self.held):
            self.held = self.held[end - self.base :]
            self.base = end


@dataclass(slots=True)
class HeldChoice:
    """One choice: its judge, and what has come of it and not left yet."""

    judge: ChoiceJudge
    queue: deque[HeldPart] = field(default_factory=deque)
    texts: dict[str, HeldText] = field(default_factory=dict)
    whole: dict[str, HeldText] = field(default_factory=dict)
    """Texts of tracks that are judged and released only when complete."""
    instead: dict[str, str | None] = field(default_factory=dict)
    """What leaves instead of a whole text; None where it leaves as it is."""
    ended: bool = False
    unwritable: bool = False
    """Whether a key would have to be redacted, which blocks."""
    refused: bool = False
    started: bool = False
    replaced: dict[str, deque[Replacement]] = field(default_factory=dict)
    refusal: str = ""
    """What the client is told where what had to be rewritten could not be."""
    revision: Revision | None = None
    settled: set[str] = field(default_factory=set)
    """Tracks of which every redaction is in `replaced`, as the choice is over."""

    @property
    def blocked(self) -> bool:
        """Whether nothing more of it may leave."""
        return self.unwritable or bool(self.refusal) or self.judge.blocked

    @property
    def decision(self) -> Decision:
        """The judge's decision, without words of the model in its pointers, and a block where a change cannot be written."""
        decision = self.judge.decision
        action = Action.BLOCK if self.unwritable or self.refusal else decision.action
        message = self.refusal or decision.message
        return published(replace(decision, action=action, message=message, revision=self.revision))

    @property
    def waits(self) -> bool:
        """Whether it has to be rewritten before anything of it may leave."""
        return self.judge.unrevised and not self.refusal

    def revise(self, texts: Mapping[str, str], refusal: str, revision: Revision | None) -> None:
        """Put rewritten texts in the places of tracks, or have the choice refused where `refusal` says so."""
        self.revision = revision
        self.judge.revised = not refusal
        self.refusal = refusal
        for track, text in texts.items():
            self.replaced[track] = deque([Replacement(Span(0, self.texts[track].end), text)])
            self.settled.add(track)

    def cleared(self, held: HeldPart) -> bool:
        """Return whether all the text of a part may leave."""
        for delta, _, end in held.stretches:
            if delta.whole:
                if not self.judge.done or self.judge.unrevised or self.blocked:
                    return False
            elif self.judge.limit(delta.track) < end:
                return False
        return True

    def release(self, track: str, start: int, end: int) -> str:
        """Take the text of [start, end) of a track out of what is held, with redacted spans replaced where they begin."""
        if end <= start:
            return ""
        text, base = self.texts[track].joined(), self.texts[track].base
        known = self.replaced.setdefault(track, deque())
        if track not in self.settled:
            self._mark(track, known, start)
        pieces, done = [], start
        while known and known[0].span.start < end:
            span, instead = known[0]
            if span.start >= start:
                pieces += [text[done - base : span.start - base], instead]
            done = min(end, span.end)
            if span.end > end:
                break
            known.popleft()
        pieces.append(text[done - base : end - base])
        self.texts[track].drop(end)
        if track not in self.settled:
            self.judge.forget(track, end)
        return "".join(pieces)

    def write_whole(self) -> None:
        """Work out, once everything is judged, what leaves instead of each whole text."""
        if self.instead or not self.whole or not self.judge.done or self.judge.unrevised or self.blocked:
            return
        for track, whole in self.whole.items():
            text = whole.joined()
            changes: dict[str, str] = {}
            for piece in arguments.split(text):
                marked = [Marked(entry.span, entry.redactor, entry.category) for entry in self.judge.redacted(leaf(track, piece))]
                self.unwritable |= bool(marked) and piece.key
                if marked and not piece.key:
                    changes[piece.pointer] = redact(piece.text, marked)
            self.instead[track] = arguments.join(text, changes) if changes else None

    def whole_text(self, delta: Delta) -> str:
        """Return this delta's share of a whole text: its own piece, or, where it was changed, everything in the first one."""
        instead = self.instead.get(delta.track)
        if instead is None:
            return delta.text
        self.instead[delta.track] = ""
        return instead

    def _mark(self, track: str, known: deque[Replacement], start: int) -> None:
        """Add to `known` what replaces the redacted spans that may be released now."""
        limit = self.judge.limit(track)
        if self.judge.done:
            self.settled.add(track)
        seen = known[-1].span.end if known else start
        marked = [
            Marked(entry.span, entry.redactor, entry.category)
            for entry in self.judge.redacted(track)
            if seen <= entry.span.start and entry.span.end <= limit
        ]
        known += replacements(self.texts[track].joined(), marked, self.texts[track].base)


def leaf(track: str, piece: Piece) -> str:
    """Return the name of the judged track that a string inside a whole text makes."""
    return f"{track}#{piece.pointer}{'~key' if piece.key else ''}"
