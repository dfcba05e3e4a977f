"""What the policy, as the critic, makes of a prompt and its judged answers: a demonstration, a pair, or nothing. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from alignment.critique.judging import Judged
from alignment.critique.settings import PolicyCritic
from guard.values import Action, Decision

_MINDED = {"flag": Action.FLAG, "redact": Action.REDACT, "block": Action.BLOCK}
_SENTENCE_END = re.compile(r"(?<!\n\d)(?<!\n\d\d)[.!?…。！？]+[\"'”’)\]]*(?=\s|$)|\n(?=\n)")
"""A full stop behind a number that begins a line is that of a list."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a prompt is good for.

    Attributes:
        target: The answer to learn; empty where there is none.
        kind: What the target is: `refusal`, `revision` or `cleared`; else why there is none: `refused`, `minded`, `cut-off` or
            `nothing-found`.
        because: The decision behind it: on the worst answer, or on the prompt.
        chosen: The better answer of a pair; empty where there is no pair.
        margin: By how much it is worth more than `rejected`.
    """

    target: str
    kind: str
    because: Decision
    chosen: str = ""
    rejected: str = ""
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Teaching:
    """How lessons are drawn.

    Attributes:
        refusal: What the policy says where it blocks and no rule has words of its own.
    """

    settings: PolicyCritic
    refusal: str

    def lesson(self, benign: bool | None, asked: Decision, answers: Sequence[Judged], refuses: Sequence[bool]) -> Lesson:
        """Return what a prompt teaches.

        Args:
            benign: What is known of the prompt; None where nobody looked.
            asked: What the policy decides on the prompt.
            answers: At least one.
            refuses: Of each answer, whether it refuses.
        """
        worst = min(answers, key=lambda answer: answer.worth)
        cleared = [answer for answer in answers if not self._minds(answer.decision)]
        target, kind = self._benign(answers, refuses) if benign else self._harmful(benign, asked, worst)
        chosen, margin = self._better(worst, cleared, target if kind in ("refusal", "revision") else "")
        because = worst.decision if self._minds(worst.decision) else asked
        rejected = whole(worst.text, worst.finish) or worst.text.strip()
        if not chosen or margin < self.settings.margin or chosen == rejected:
            return Lesson(target, kind, because)
        return Lesson(target, kind, because, chosen, rejected, round(margin, 6))

    def _minds(self, decision: Decision) -> bool:
        return decision.action >= _MINDED[self.settings.minds]

    def _benign(self, answers: Sequence[Judged], refuses: Sequence[bool]) -> tuple[str, str]:
        """Return the best answer of the model itself that is cleared, whole and no refusal: it is to answer as it did before."""
        helping = [answer for answer, refusing in zip(answers, refuses, strict=True) if not refusing]
        cleared = [answer for answer in helping if answer.decision.action is Action.ALLOW]
        whole_ones = [(answer.worth, text) for answer in cleared if (text := whole(answer.text, answer.finish))]
        if whole_ones:
            return max(whole_ones, key=lambda each: each[0])[1], "cleared"
        return "", "cut-off" if cleared else "minded" if helping else "refused"

    def _harmful(self, benign: bool | None, asked: Decision, worst: Judged) -> tuple[str, str]:
        """Return what the guard itself would say: its refusal, or the answer as it would let it out."""
        if asked.action is Action.BLOCK:
            return asked.message or self.refusal, "refusal"
        if self._minds(worst.decision):
            if worst.decision.action is Action.REDACT:
                text = whole(worst.released, worst.finish)
                return (text, "revision") if text else ("", "cut-off")
            return worst.decision.message or self.refusal, "refusal"
        if benign is False and self.settings.refuse_labelled:
            return self.refusal, "refusal"
        return "", "nothing-found"

    def _better(self, worst: Judged, cleared: Sequence[Judged], instead: str) -> tuple[str, float]:
        """Return the best answer and by how much it is better; the policy's own words where no answer is cleared."""
        if cleared:
            best = max(cleared, key=lambda answer: answer.worth)
            return whole(best.text, best.finish), best.worth - worst.worth
        return instead, -worst.worth


def whole(text: str, finish: str) -> str:
    """Return an answer up to the end of its last sentence, if it was cut off; empty where none of its sentences has an end."""
    said = text.strip()
    if finish != "length":
        return said
    ends = [match.end() for match in _SENTENCE_END.finditer(f"\n{said}")]
    return said[: ends[-1] - 1].strip() if ends else ""
