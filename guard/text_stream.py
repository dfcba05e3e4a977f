"""A guarded stream of plain text, without a wire format: what `Guard.wrap` puts around a generator."""

from __future__ import annotations

from collections.abc import Sequence

from guard.actions import Marked, replacements
from guard.streaming import ChoiceJudge, Window
from guard.values import Finding, Role

TRACK = "text"


class TextStream:
    """Text in, judged text out. Feed it, answer its windows, take what may leave."""

    def __init__(self, judge: ChoiceJudge, role: Role = Role.ASSISTANT) -> None:
        self.judge = judge
        self._role = role
        self._held = ""
        self._released = 0

    def feed(self, text: str) -> None:
        """Take the next piece."""
        self._held += text
        self.judge.feed(TRACK, self._role, text)
        self.judge.advance()

    def end(self) -> None:
        """Say that the text has ended."""
        self.judge.close()

    def windows(self) -> list[tuple[int | None, Window]]:
        """Return the windows to judge that were not handed out yet; a plain text has no choices."""
        return [(None, window) for window in self.judge.windows()]

    def answer(self, _choice: int | None, window: Window, findings: Sequence[Finding] | None) -> None:
        """Take the verdict on a window; None where there is none."""
        self.judge.answer(window, findings)

    @property
    def finished(self) -> bool:
        """Whether nothing more will leave."""
        if self.judge.blocked:
            return self.judge.limit(TRACK) <= self._released
        return self.judge.done and not self._held

    @property
    def holding(self) -> bool:
        """Whether text has come that has not left."""
        return bool(self._held)

    def take(self) -> str:
        """Return the text that may leave and has not left yet, redacted."""
        limit = self.judge.limit(TRACK)
        if limit <= self._released:
            return ""
        piece = self._held[: limit - self._released]
        redacted = [
            Marked(entry.span, entry.redactor, entry.category)
            for entry in self.judge.redacted(TRACK)
            if self._released <= entry.span.start and entry.span.end <= limit
        ]
        result, done = [], self._released
        for span, instead in replacements(piece, redacted, self._released):
            result += [piece[done - self._released : span.start - self._released], instead]
            done = span.end
        result.append(piece[done - self._released :])
        self._held = self._held[len(piece) :]
        self._released = limit
        self.judge.forget(TRACK, limit)
        return "".join(result)
