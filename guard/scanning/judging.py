"""Judge records: the same for every engine, so that all of them write the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from guard.engine import Guard
from guard.runtime.trace import complete
from guard.scanning.pace import Pace
from guard.scanning.patience import Patience
from guard.scanning.records import Judged, Record
from guard.values import Decision, Finding, Role, Stage

_DECIMALS = 3
"""Of a score: a text's score is the same in any company only after such rounding."""


@dataclass(frozen=True, slots=True)
class Question:
    """What every record is asked.

    Attributes:
        role: Whose words; None for the stage's own.
        keep_text: Whether the result repeats the text.
        together: Records that are judged at the same time.
    """

    stage: Stage = Stage.INPUT
    role: Role | None = None
    keep_text: bool = False
    together: int = 64


class Found(msgspec.Struct, frozen=True):
    """A finding as a result tells it."""

    detector: str
    category: str
    score: float
    span: tuple[int, int] | None


class Result(msgspec.Struct, frozen=True):
    """What came of one record, as it is written."""

    row: int
    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    action: str | msgspec.UnsetType = msgspec.UNSET
    rules: Sequence[str] | msgspec.UnsetType = msgspec.UNSET
    findings: Sequence[Found] | msgspec.UnsetType = msgspec.UNSET
    failed: Sequence[str] | msgspec.UnsetType = msgspec.UNSET
    policy: str | msgspec.UnsetType = msgspec.UNSET
    text: str | msgspec.UnsetType = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET


class Judge:
    """A guard that is asked about records. For one event loop at a time."""

    def __init__(self, guard: Guard, question: Question) -> None:
        self._guard = guard
        self._question = question
        self._pace = Pace(question.together, Patience(guard.detectors.values()))

    async def judge(self, record: Record) -> Judged:
        """Return what comes of a record. Never raises for one that is bad: then the result says what is wrong with it."""
        return Judged(record.after, _encode(await self._result(record)))

    async def _result(self, record: Record) -> Result:
        if record.error:
            return Result(record.row, error=record.error)
        asked = self._question

        async def check() -> Decision:
            return await self._guard.check(record.text, asked.stage, role=asked.role)

        try:
            with complete():
                decision = await self._pace.run(check, went_well=_has_all_verdicts)
        except Exception as error:  # whatever one record does, it must not end the scan of the others
            return Result(record.row, error=f"expected a decision, got {type(error).__name__}")
        return Result(
            row=record.row,
            id=msgspec.Raw(record.id) if record.id else msgspec.UNSET,
            action=decision.action.word,
            rules=decision.rules,
            findings=[_found(finding) for finding in decision.findings],
            failed=decision.failed,
            policy=decision.policy,
            text=record.text if asked.keep_text else msgspec.UNSET,
        )


_encode = msgspec.json.Encoder().encode


def _has_all_verdicts(decision: Decision) -> bool:
    return not decision.failed


def _found(finding: Finding) -> Found:
    span = (finding.span.start, finding.span.end) if finding.span else None
    return Found(finding.detector, finding.category, round(finding.score, _DECIMALS), span)
