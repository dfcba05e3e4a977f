"""All that a tenant's feedback, labels and pairs say, put into the spool; what says nothing is counted, with the reason."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, Table, select

from guard import categories
from guard.store import schema
from guard.store.connecting import reading
from guard.store.exporting.asked import Asked
from guard.store.exporting.contexts import Context, Contexts, batched
from guard.store.exporting.conversations import Message, Unfit, merged, whole
from guard.store.exporting.spool import Item, Spool, Vote
from guard.store.exporting.statements import ANY, SAYING, Said, Statement, label_votes
from guard.store.exporting.sweeping import Sweeper
from guard.store.feedback import StoredFeedback
from guard.store.pages import every

if TYPE_CHECKING:
    from guard.store.store import Store

_BATCH = 200
_EXCLUDED = ("rejected", "flagged")


@dataclass(slots=True)
class Tally:
    """What was counted on the way.

    Attributes:
        said: Statements that were taken, by the kind of source and of feedback.
        left_out: What was not taken, by reason.
    """

    said: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass
class Gathering:
    """Reads a store into a spool."""

    store: Store
    asked: Asked
    spool: Spool
    tally: Tally

    def __post_init__(self) -> None:
        self._sweeper = None if self.asked.keep_personal_data else Sweeper()
        self._contexts = Contexts(self.store, self.asked.tenant, self._sweeper)
        self._trust = self._sources()
        self._known = {ANY, *categories.KNOWN, *self._found_categories()}

    def run(self) -> None:
        """Take everything that is about the format."""
        self._take_feedback()
        if self.asked.format == "moderation":
            self._take_labels()
        if self.asked.format == "pairs":
            self._take_pairs()

    def _take_feedback(self) -> None:
        saying = SAYING[self.asked.format]
        said = schema.feedback.c
        conditions = [*self._times(schema.feedback), said.kind.in_(sorted(saying))]
        if "score" in saying:  # one that names a category is about that, and not about how good an answer is
            about_category = self.asked.format == "moderation"
            conditions.append((said.kind != "score") | ((said.category != "") if about_category else (said.category == "")))
        for batch in batched(self.store.feedback.every(self.asked.tenant, conditions), _BATCH):
            contexts = self._contexts.of(each.exchange_id for each in batch)
            for each in batch:
                with self._counting(each.source_kind, each.kind):
                    self._add(saying[each.kind](self._said(each, contexts)))

    def _take_labels(self) -> None:
        rows = every(self.store.engine, schema.labels, self.asked.tenant, self._times(schema.labels))
        for batch in batched(rows, _BATCH):
            contexts = self._contexts.of(row.exchange_id for row in batch)
            for row in batch:
                with self._counting("reviewer", "label"):
                    self._add(self._labelled(row, contexts))

    def _take_pairs(self) -> None:
        for row in every(self.store.engine, schema.pairs, self.asked.tenant, self._times(schema.pairs)):
            with self._counting(row.source_kind or "pair", "pair"):
                self._add([self._paired(row)])

    @contextmanager
    def _counting(self, source: str, kind: str) -> Iterator[None]:
        try:
            yield
        except Unfit as reason:
            self.tally.left_out[str(reason)] += 1
        else:
            self.tally.said[source, kind] += 1

    def _add(self, said: Iterable[Statement]) -> None:
        statements = list(said)  # all of them, or none
        for _, votes in statements:
            if any(vote.aspect and vote.aspect not in self._known for vote in votes):
                raise Unfit("unknown-category")
        for item, votes in statements:
            self.spool.add(item, votes)

    def _said(self, feedback: StoredFeedback, contexts: Mapping[str, Context]) -> Said:
        if feedback.status in _EXCLUDED:
            raise Unfit(feedback.status)
        weight = self._weight(feedback.source, feedback.weight, accepted=feedback.status == "accepted")
        return Said(feedback, _found(contexts, feedback.exchange_id), weight, self._sweeper)

    def _labelled(self, row: Row[Any], contexts: Mapping[str, Context]) -> Iterable[Statement]:
        if row.replaced_by:
            raise Unfit("replaced")
        return label_votes(row, _found(contexts, row.exchange_id), self._weight(row.reviewer, row.weight))

    def _paired(self, row: Row[Any]) -> Statement:
        if row.status in _EXCLUDED:
            raise Unfit(row.status)
        weight = self._weight(row.source, row.weight)
        opened = [json.loads(self.store.codec.open(each)) for each in (row.prompt, row.chosen, row.rejected)]
        prompt, (chosen, rejected) = _sides(opened)
        swept = not row.redacted and self._sweeper is not None
        if swept:
            prompt, chosen, rejected = self._swept(prompt, chosen, rejected)
        if chosen == rejected:
            raise Unfit("equal")
        first, second = sorted((chosen, rejected))
        named = {"policy": row.policy, "licence": row.licence, "swept": "yes" if swept else ""}
        facts = tuple((name, value) for name, value in named.items() if value)
        item = Item(prompt, (first, second), self._contexts.seeds(row.subject, row.conversation), facts)
        source = row.source_kind or "pair"
        return item, [Vote(1.0 if chosen == first else -1.0, weight, f"{source}:{row.source or row.id}", source)]

    def _swept(self, prompt: list[Message], chosen: str, rejected: str) -> tuple[list[Message], str, str]:
        texts = [*(message["content"] for message in prompt), chosen, rejected]
        swept = self._sweeper.swept(texts) if self._sweeper else None
        if swept is None:
            raise Unfit("withheld")
        contents = zip(prompt, swept[:-2], strict=True)
        return [{**message, "content": text} for message, text in contents], swept[-2], swept[-1]

    def _weight(self, source: str, own: float, *, accepted: bool = False) -> float:
        """Return what a statement weighs; what a reviewer accepted counts whatever its source is."""
        trust, flagged = self._trust.get(source, (1.0, False))
        if flagged and not accepted:
            raise Unfit("flagged-source")
        weight = own * trust
        if not math.isfinite(weight) or weight <= 0:
            raise Unfit("no-weight")
        return weight

    def _sources(self) -> dict[str, tuple[float, bool]]:
        table = schema.sources
        unusual = (table.c.weight != 1) | table.c.flagged
        with reading(self.store.engine) as connection:
            rows = connection.execute(select(table).where(table.c.tenant == self.asked.tenant, unusual)).all()
        return {row.source: (row.weight, row.flagged) for row in rows}

    def _found_categories(self) -> Iterator[str]:
        """Yield the categories that detectors of this tenant's policies have reported: those that evaluation can know."""
        table = schema.findings
        with reading(self.store.engine) as connection:
            yield from connection.execute(
                select(table.c.category).where(table.c.tenant == self.asked.tenant).distinct()
            ).scalars()

    def _times(self, table: Table) -> list[ColumnElement[bool]]:
        since, until = self.asked.since, self.asked.until
        found: list[ColumnElement[bool]] = []
        if since is not None:
            found.append(table.c.created >= since)
        if until is not None:
            found.append(table.c.created < until)
        return found


def _found(contexts: Mapping[str, Context], exchange_id: str) -> Context:
    if exchange_id not in contexts:
        raise Unfit("no-exchange")
    return contexts[exchange_id]


def _sides(opened: list[list[Message]]) -> tuple[list[Message], tuple[str, str]]:
    """Return a pair's prompt, and the two answers to it.

    Raises:
        Unfit: Where it is no prompt with one answer on each side.
    """
    prompt, *sides = [merged({"role": each["role"], "content": whole(each["content"])} for each in part) for part in opened]
    if not prompt or prompt[-1]["role"] != "user":
        raise Unfit("no-prompt")
    if any(len(side) != 1 or side[0]["role"] != "assistant" for side in sides):
        raise Unfit("no-answer")
    return prompt, (sides[0][0]["content"], sides[1][0]["content"])
