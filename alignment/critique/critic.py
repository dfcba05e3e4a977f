"""Ask a language model to criticise, revise and compare, in the words of `guard.constitution`, and read what it answers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from alignment.critique.answering import Source, answered
from alignment.critique.journal import Journal
from alignment.critique.settings import CritiqueSettings
from alignment.models.sampling import Sampling, Tell
from guard.constitution import Mark, Request, Unreadable, read


class Critic:
    """A model that judges.

    Attributes:
        counts: How many questions were asked, and what became of them: `unreadable` for an answer of another form, `unfit` for a
            question that the model cannot read, `late` for one that the time did not last for.
    """

    def __init__(self, source: Source, settings: CritiqueSettings, journal: Journal, tell: Tell = lambda _progress: None) -> None:
        self._source, self._settings, self._journal, self._tell = source, settings, journal, tell
        self._spent = 0.0
        self.counts: Counter[str] = Counter()

    @property
    def mark(self) -> Mark:
        """The marks around texts in its questions."""
        return self._journal.mark

    def ask(self, requests: Sequence[Request]) -> list[Any]:
        """Return the answer to each request as a value of its form; None where there is none that can be read."""
        began = time.monotonic()
        conversations = [[message._asdict() for message in request.messages] for request in requests]
        limit = self._settings.critic_seconds
        sampling = Sampling(
            max_new_tokens=self._settings.critic_tokens,
            temperature=0.0,
            batch=self._settings.critic_batch,
            seconds=max(0.001, limit - self._spent) if limit else 0.0,
        )
        answers = answered(self._source, conversations, sampling, self._journal, self._tell)
        self._spent += time.monotonic() - began
        found: list[Any] = []
        for index, request in enumerate(requests):
            self.counts["asked"] += 1
            known = answers.of[index].get(0)
            if known is None:
                self.counts["unfit" if index in answers.unfit else "late"] += 1
                found.append(None)
                continue
            try:
                found.append(read(request.form, known.text))
            except Unreadable:
                self.counts["unreadable"] += 1
                found.append(None)
        return found
