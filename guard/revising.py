"""Rewrite what a rule with `action: revise` fired on: critique, revision, and judging again, some rounds over.

After constitutional AI (Bai et al. 2022, arXiv:2212.08073), at run time. Whatever goes wrong ends in a refusal.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from guard import constitution
from guard.engine import Guard
from guard.formats.base import Piece, Text
from guard.judging import Judgement
from guard.policy.decide import refusal_by
from guard.policy.model import Principle, Rule
from guard.values import Action, Decision, Exchange, Finding, Revision, Role, Stage

log = logging.getLogger("guard")

Ask = Callable[[constitution.Request], Awaitable[str | Mapping[str, Any]]]
"""Asks a model about the constitution; raises TenetError where it does not answer."""

_REWRITTEN = {Stage.INPUT: Role.USER, Stage.OUTPUT: Role.ASSISTANT}
"""Whose words are rewritten at each stage; anybody else's are refused."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What became of a message, or of one choice.

    Attributes:
        decision: `revise` where it may leave as it is now, else `block`.
        changes: New strings by pointer.
    """

    decision: Decision
    changes: Mapping[str, str] = field(default_factory=dict)

    @property
    def refusal(self) -> str:
        """What the client is told where it may not leave; else empty."""
        return self.decision.message if self.decision.action is Action.BLOCK else ""


class Revising:
    """Rewrites texts of one exchange."""

    def __init__(self, guard: Guard, exchange: Exchange, upstream: Ask, prompt: str = "") -> None:
        """Prepare.

        Args:
            upstream: Asks the generator itself.
            prompt: What was asked, for whoever criticises an answer.
        """
        self._guard = guard
        self._exchange = exchange
        self._upstream = upstream
        self._prompt = prompt
        self._asked = 0
        self._rounds = 0

    async def rewritten(self, texts: Sequence[Text], stage: Stage, decision: Decision) -> Rewritten:
        """Return what becomes of texts of which some have to be rewritten; never raises but when it is cancelled.

        Args:
            decision: What was decided on them; its findings name pieces of `texts`.
        """
        fired = [rule for rule in self._guard.rules(stage, self._exchange) if rule.id in decision.rules]
        asking = [rule for rule in fired if rule.action is Action.REVISE]
        if not asking:
            return Rewritten(replace(decision, action=Action.BLOCK, message=decision.message or self._guard.policy.message))
        settings = asking[0].revise
        began = time.perf_counter()
        changes = None
        try:
            async with asyncio.timeout(settings.timeout):
                changes = await self._within(texts, stage, decision, asking)
        except TimeoutError:
            log.warning("a text was refused, as rewriting it took longer than %g s", settings.timeout)
        except Exception as error:  # fail closed: an app may raise anything
            log.warning("a text was refused, as it could not be rewritten: %s", type(error).__name__)
        revision = Revision(self._rounds, self._asked, round(time.perf_counter() - began, 4), changes is not None, settings.by)
        if changes is not None:
            return Rewritten(replace(decision, action=Action.REVISE, message="", revision=revision), changes)
        found = [finding for finding in decision.findings if asking[0].matches(finding)]
        message = refusal_by(self._guard.policy, asking[0], found)
        return Rewritten(replace(decision, action=Action.BLOCK, message=message, revision=revision))

    async def _within(
        self, texts: Sequence[Text], stage: Stage, decision: Decision, rules: Sequence[Rule]
    ) -> Mapping[str, str] | None:
        """Return the new strings after as many rounds as it takes; None where they do not suffice."""
        ask = self._upstream if rules[0].revise.by == "upstream" else self._guard.model_behind(rules[0].revise.by)
        wanted = {rule.principle for rule in rules}
        principles = [principle for principle in self._guard.policy.principles if principle.id in wanted]
        now, findings = list(texts), decision.findings
        if ask is None or not principles:
            return None
        for _ in range(rules[0].revise.rounds):
            places = _concerned(now, findings, rules, stage)
            if not places:
                return None
            self._rounds += 1
            for index in places:
                now[index] = await self._rewrite(now[index], principles, stage, ask)
            judged = await self._guard.judge(now, stage, self._exchange, recorded=False)
            if judged.decision.action is Action.BLOCK or judged.unredactable:
                return None
            if judged.decision.action < Action.REVISE:
                return _changes(texts, now, judged)
            findings = judged.decision.findings
        return None

    async def _rewrite(self, text: Text, principles: Sequence[Principle], stage: Stage, ask: Ask) -> Text:
        """Return a text rewritten by each principle in turn, all of it in the first of its strings."""
        words = text.joined
        for principle in principles:
            words = await self._by_principle(principle, words, stage, ask)
        first, *rest = text.pieces
        return replace(text, pieces=(first._replace(text=words), *(piece._replace(text="") for piece in rest)))

    async def _by_principle(self, principle: Principle, words: str, stage: Stage, ask: Ask) -> str:
        if stage is Stage.INPUT:
            request = constitution.rewriting_request(principle, words)
        else:
            self._asked += 1
            answer = await ask(constitution.critique_request(principle, self._prompt, words))
            critique = constitution.read(constitution.Critique, answer)
            request = constitution.revision_request(principle, self._prompt, words, critique.critique)
        self._asked += 1
        return constitution.read(constitution.Revision, await ask(request)).revision


def _concerned(texts: Sequence[Text], findings: Sequence[Finding], rules: Sequence[Rule], stage: Stage) -> list[int]:
    """Return the indices of the texts that have to be rewritten; none where one of them can't be."""
    found = [finding for finding in findings if any(rule.matches(finding) for rule in rules)]
    places: dict[int, None] = {}
    for finding in found:
        index = next((index for index, text in enumerate(texts) if _holds(text, finding.location.pointer)), None)
        if index is None or texts[index].role is not _REWRITTEN[stage] or texts[index].media is not None:
            return []
        places[index] = None
    return list(places)


def _holds(text: Text, pointer: str) -> bool:
    return any(piece.pointer == pointer and not piece.key and not piece.medium for piece in text.pieces)


def _changes(before: Sequence[Text], now: Sequence[Text], judged: Judgement) -> dict[str, str]:
    """Return the strings that are new, or redacted since."""
    was = {piece.pointer: piece.text for text in before for piece in text.pieces}
    rewritten = {piece.pointer: piece.text for text in now for piece in text.pieces if was[piece.pointer] != piece.text}
    return {**rewritten, **judged.changes}


def last_words(texts: Sequence[Text]) -> str:
    """Return what the user said last, for whoever criticises the answer to it."""
    spoken = [text for text in texts if text.role is Role.USER and text.turn >= 0 and text.media is None]
    return "\n".join(text.joined for text in spoken if text.turn == spoken[-1].turn)


def of_tracks(copies: Sequence[tuple[str, Role, str]]) -> tuple[Text, ...]:
    """Return the texts of a streamed choice; a piece's pointer is the name of its track."""
    return tuple(Text((Piece(track, text),), role) for track, role, text in copies)
