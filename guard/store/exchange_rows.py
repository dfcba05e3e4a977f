"""What the store writes of an exchange: rows from values, in the writer's thread."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, case, func

from guard.formats.fields import is_identifier
from guard.ports import Ending, KeptTexts
from guard.store import schema
from guard.store.audit import note_decision
from guard.store.audit_events import Note
from guard.store.statements import insert_new, insert_or_change
from guard.store.writing import Sink
from guard.values import Action, Decision, Exchange, Stage

if TYPE_CHECKING:
    from guard.store.store import Store

log = logging.getLogger("guard")
_TURN = 0.0005
"""Seconds for which texts are redacted before the event loop has the interpreter."""
_MOST_FINDINGS = 1_000
"""Findings of one stage that get a row each; their number is kept in any case."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """What was decided about one stage of an exchange.

    Attributes:
        text: How its texts are kept: none, redacted or full.
        texts: Works out what is kept of them.
        at: When it was decided, in microseconds.
    """

    stage: Stage
    decision: Decision
    text: str
    texts: Callable[[], KeptTexts]
    at: int


@dataclass(slots=True, eq=False)
class ExchangeRecord:
    """What is known of an exchange, or what came to be known since the last record of it."""

    exchange: Exchange
    created: int
    stages: tuple[StageRecord, ...]
    ending: Ending
    kept: dict[Stage, KeptTexts] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def prepare(self) -> None:
        """Work out what is kept of the texts, and what the audit says of the decisions."""
        if not self.notes:
            caller, about = self.exchange.caller, self.exchange.id
            self.notes = tuple(
                note_decision(caller.tenant, caller.key, about, record.stage.value, record.decision) for record in self.stages
            )
        for record in self.stages:
            if record.stage not in self.kept:
                self.kept[record.stage] = _kept(record)

    @property
    def action(self) -> Action:
        """The strictest action of its stages."""
        return max((record.decision.action for record in self.stages), default=Action.ALLOW)


class ExchangeSink(Sink[ExchangeRecord]):
    """Writes exchanges, with their texts, findings and fired rules."""

    def __init__(self, store: Store) -> None:
        self._store = store
        dialect = store.engine.dialect.name
        self._exchanges = insert_or_change(schema.exchanges, dialect, _merged)
        self._texts = insert_new(schema.texts, dialect)
        self._findings = insert_new(schema.findings, dialect)
        self._fired = insert_new(schema.fired, dialect)

    def prepare(self, payloads: Sequence[ExchangeRecord]) -> None:
        """Redact, and have at hand what pseudonyms are made with."""
        self._store.secret("pseudonyms")
        since = time.perf_counter()
        for record in payloads:
            record.prepare()
            if time.perf_counter() - since > _TURN:
                time.sleep(0)  # lets the event loop have the interpreter, which would else wait for its turn of 5 ms
                since = time.perf_counter()

    def write(self, connection: Connection, payloads: Sequence[ExchangeRecord]) -> Sequence[Any]:
        """Write them; what is there already of an exchange is completed."""
        connection.execute(self._exchanges, [self._exchange(record) for record in payloads])
        for statement, rows in (
            (self._texts, [row for record in payloads for row in self._texts_of(record)]),
            (self._findings, [row for record in payloads for row in _findings_of(record)]),
            (self._fired, [row for record in payloads for row in _fired_of(record)]),
        ):
            if rows:
                connection.execute(statement, rows)
        self._store.audit.append(connection, [note for record in payloads for note in record.notes])
        return [record.exchange.id for record in payloads]

    def _exchange(self, record: ExchangeRecord) -> dict[str, Any]:
        exchange, caller = record.exchange, record.exchange.caller
        decisions = {each.stage: each.decision for each in record.stages}
        forms = [record.kept[each.stage].form for each in record.stages]
        return {
            "id": exchange.id,
            "tenant": caller.tenant,
            "subject": self._store.pseudonym("subject", caller.tenant, caller.subject),
            "conversation": self._store.pseudonym("conversation", caller.tenant, exchange.conversation),
            "key": caller.key,
            "method": _identifier(exchange.method),
            "route": _identifier(exchange.route),
            "model": _identifier(exchange.model),
            "policy": next((decision.policy for decision in decisions.values()), ""),
            "action": int(record.action),
            "input": _without_findings(decisions.get(Stage.INPUT)),
            "output": _without_findings(decisions.get(Stage.OUTPUT)),
            "stored": next((form for form in forms if form != "none"), "none"),
            "streamed": record.ending.streamed,
            "status": record.ending.status,
            "judging": round(record.ending.judging * 1_000_000),
            "duration": round(record.ending.duration * 1_000_000),
            "writer": self._store.writer.presence.id,
            "created": record.created,
        }

    def _texts_of(self, record: ExchangeRecord) -> Iterator[dict[str, Any]]:
        for each in record.stages:
            kept = record.kept[each.stage]
            if kept.form == "none":
                continue
            body = json.dumps([asdict(text) for text in kept.texts], ensure_ascii=False)
            yield {
                **_key(record, each.stage),
                "form": kept.form,
                "body": self._store.codec.seal(body) if kept.texts else None,
                "truncated": kept.truncated,
                "created": each.at,
            }


def _kept(record: StageRecord) -> KeptTexts:
    if record.text == "none":
        return KeptTexts("none")
    try:
        return record.texts()
    except Exception as error:  # a redactor that fails must not cost the record, and the text stays out of it
        log.warning("the texts of an exchange were withheld from the store: %s", type(error).__name__)
        return KeptTexts("withheld")


def _merged(new: Any) -> dict[str, Any]:  # noqa: ANN401 - the row to be inserted, as columns
    old = schema.exchanges.c
    return {
        "input": func.coalesce(new.input, old.input),
        "output": func.coalesce(new.output, old.output),
        "policy": case((new.policy != "", new.policy), else_=old.policy),
        "action": case((new.action > old.action, new.action), else_=old.action),
        "stored": case((new.stored != "none", new.stored), else_=old.stored),
        "streamed": case((new.status > 0, new.streamed), else_=old.streamed),
        "status": case((new.status > 0, new.status), else_=old.status),
        "judging": case((new.judging > old.judging, new.judging), else_=old.judging),
        "duration": case((new.duration > old.duration, new.duration), else_=old.duration),
    }


def _key(record: ExchangeRecord, stage: Stage) -> dict[str, Any]:
    return {"exchange_id": record.exchange.id, "stage": stage.value, "tenant": record.exchange.caller.tenant}


def _findings_of(record: ExchangeRecord) -> Iterator[dict[str, Any]]:
    for each in record.stages:
        for position, finding in enumerate(each.decision.findings[:_MOST_FINDINGS]):
            yield {
                **_key(record, each.stage),
                "position": position,
                "detector": finding.detector,
                "category": finding.category,
                "score": finding.score,
                "span_start": finding.span.start if finding.span else None,
                "span_end": finding.span.end if finding.span else None,
                "pointer": finding.location.pointer,
                "choice": finding.location.choice,
                "role": finding.role.value,
                "turn": finding.turn,
                "created": each.at,
            }


def _fired_of(record: ExchangeRecord) -> Iterator[dict[str, Any]]:
    for each in record.stages:
        for rule in dict.fromkeys(each.decision.rules):
            yield {**_key(record, each.stage), "rule": rule, "created": each.at}


def _without_findings(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    described = decision.as_dict()
    described["findings"] = len(decision.findings)
    return described


def _identifier(text: str) -> str:
    """Return what a client said, if it can be nothing but the name of something; a text could be anything."""
    return text if is_identifier(text) else ""
