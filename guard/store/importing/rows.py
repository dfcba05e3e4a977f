"""Rows of the store's tables from drafts, with ids that are the same whenever the same record of the same file is read."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table

from guard.ports import KeptText
from guard.store import schema
from guard.store.exporting.conversations import Message, whole
from guard.store.exporting.sweeping import Sweeper
from guard.store.importing.drafts import AboutExchange, BadRecord, Conversation, Draft, Label, Pair, Remark

if TYPE_CHECKING:
    from guard.store.store import Store

TableRow = tuple[Table, dict[str, Any]]


@dataclass
class Rows:
    """Makes the rows of one import.

    Attributes:
        licence: Of records that do not state one.
        began: When the import began; with the record's number, it is the time of its rows.
        sweeper: Takes private data out of what is imported; None to keep it as it is.
    """

    store: Store
    tenant: str
    import_id: str
    licence: str
    began: int
    sweeper: Sweeper | None = None

    def of(self, number: int, drafts: Sequence[Draft]) -> list[TableRow]:
        """Return the rows of a record.

        Raises:
            BadRecord: Where its texts cannot be redacted for certain.
        """
        rows: list[TableRow] = []
        for position, draft in enumerate(drafts):
            where = f"{number}:{position}"
            if isinstance(draft, AboutExchange):
                rows.append(self._feedback(draft.exchange_id, draft.remark, draft.subject, number, where))
            elif isinstance(draft, Pair):
                rows.append(self._pair(draft, number, where))
            else:
                rows += self._conversation(draft, number, where)
        return rows

    def _conversation(self, draft: Conversation, number: int, where: str) -> Iterator[TableRow]:
        exchange = self._id("ex", where)
        created = self.began + number
        form = "full" if self.sweeper is None else "redacted"
        asked = tuple(
            KeptText(each["role"], each["content"], f"/messages/{turn}/content", None, turn)
            for turn, each in enumerate(draft.prompt)
        )
        answers = tuple(
            KeptText("assistant", text, f"/choices/{at}/message/content", at) for at, text in enumerate(draft.answers)
        )
        yield (
            schema.exchanges,
            {
                "id": exchange,
                "tenant": self.tenant,
                "subject": self._pseudonym("subject", draft.subject),
                "conversation": self._pseudonym("conversation", draft.conversation),
                "method": "import",
                "action": 0,
                "stored": form,
                "details": {"import": self.import_id, "licence": draft.licence or self.licence},
                "created": created,
            },
        )
        for stage, texts in (("input", asked), ("output", answers)):
            if texts:
                body = self.store.codec.seal(json.dumps([asdict(text) for text in self._swept(texts)], ensure_ascii=False))
                row = {"exchange_id": exchange, "stage": stage, "tenant": self.tenant, "form": form, "body": body}
                yield schema.texts, {**row, "truncated": False, "created": created}
        for at, remark in enumerate(draft.remarks):
            yield self._feedback(exchange, remark, draft.subject, number, f"{where}:{at}")
        for at, label in enumerate(draft.labels):
            yield self._label(exchange, label, draft.subject, number, f"{where}:{at}")

    def _feedback(self, exchange: str, remark: Remark, subject: str, number: int, where: str) -> TableRow:
        said = asdict(remark)
        by = said.pop("by")
        sealed = {name: self._sealed(said.pop(name)) for name in ("comment", "correction")}
        return (
            schema.feedback,
            {
                **said,
                **sealed,
                "id": self._id("fb", where),
                "tenant": self.tenant,
                "exchange_id": exchange,
                "subject": self._pseudonym("subject", subject),
                "source": self._source(by),
                "source_kind": "import",
                "compared": list(remark.compared),
                "details": {"import": self.import_id},
                "created": self.began + number,
            },
        )

    def _label(self, exchange: str, label: Label, subject: str, number: int, where: str) -> TableRow:
        return (
            schema.labels,
            {
                "id": self._id("lb", where),
                "tenant": self.tenant,
                "exchange_id": exchange,
                "subject": self._pseudonym("subject", subject),
                "stage": label.stage,
                "choice": label.choice,
                "reviewer": self._source(label.by),
                "verdict": "violates" if label.violates else "allowed",
                "category": label.category,
                "weight": label.weight,
                "details": {"import": self.import_id},
                "created": self.began + number,
            },
        )

    def _pair(self, draft: Pair, number: int, where: str) -> TableRow:
        texts = self._redacted([*(each["content"] for each in draft.prompt), draft.chosen, draft.rejected])
        *contents, chosen, rejected = texts
        prompt = [{**each, "content": text} for each, text in zip(draft.prompt, contents, strict=True)]
        parts: list[list[Message]] = [prompt, _answer(chosen), _answer(rejected)]
        sealed = [self.store.codec.seal(json.dumps(part, ensure_ascii=False)) for part in parts]
        return (
            schema.pairs,
            {
                "id": self._id("pr", where),
                "tenant": self.tenant,
                "conversation": self._pseudonym("conversation", draft.conversation),
                "subject": self._pseudonym("subject", draft.subject),
                **dict(zip(("prompt", "chosen", "rejected"), sealed, strict=True)),
                "margin": draft.margin,
                "source": self.import_id,
                "source_kind": "import",
                "category": draft.category,
                "import_id": self.import_id,
                "licence": draft.licence or self.licence,
                "weight": draft.weight,
                "digest": self._keyed(["pair", self.tenant, parts]),
                "redacted": self.sweeper is not None,
                "created": self.began + number,
            },
        )

    def _swept(self, texts: Sequence[KeptText]) -> list[KeptText]:
        cleaned = self._redacted([text.text for text in texts])
        pairs = zip(texts, cleaned, strict=True)
        return [KeptText(each.role, text, each.pointer, each.choice, each.turn) for each, text in pairs]

    def _redacted(self, texts: Sequence[str]) -> list[str]:
        plain = [whole(text) for text in texts]
        swept = plain if self.sweeper is None else self.sweeper.swept(plain)
        if swept is None:
            raise BadRecord(
                "expected texts that can be redacted for certain, got longer ones; leave out --redact, or shorten them"
            )
        return swept

    def _sealed(self, text: str | None) -> bytes | None:
        return None if text is None else self.store.codec.seal(self._redacted([text])[0])

    def _source(self, by: str) -> str:
        """Return the import, and a pseudonym of who said it: sources are told apart, and nobody is named."""
        return f"{self.import_id}:{self._pseudonym('source', by)[:12]}" if by else self.import_id

    def _pseudonym(self, kind: str, name: str) -> str:
        return self.store.pseudonym(kind, self.tenant, name)

    def _id(self, prefix: str, where: str) -> str:
        return f"{prefix}_{self._keyed([self.import_id, where])[:24]}"

    def _keyed(self, value: object) -> str:
        text = json.dumps(value, sort_keys=True).encode()
        return hmac.new(self.store.secret("imports"), text, hashlib.sha256).hexdigest()


def _answer(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}]


def by_table(rows: Sequence[TableRow]) -> Mapping[Table, list[dict[str, Any]]]:
    """Return the rows of each table."""
    found: dict[Table, list[dict[str, Any]]] = {}
    for table, row in rows:
        found.setdefault(table, []).append(row)
    return found
