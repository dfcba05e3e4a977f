"""Whom an exchange is about, and which conversation it belongs to.

A conversation has no id in most formats: a client sends all of it again with each turn. So it is known by how it begins: an HMAC
chain over tenant, subject and messages, of which the link at the first user turn is the same for every later turn. What the
system is told does not count, as it may hold the time. It needs no memory, so it is the same in every process and after a
restart; two conversations of one subject that begin with the very same words are one, unless the client names them.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from guard.errors import BadMessage
from guard.formats.base import Request, Text
from guard.formats.parties import conversation_of, subject_of
from guard.values import Exchange, Role

CONVERSATION_HEADER = "x-guard-conversation"
_SAID = frozenset((Role.USER, Role.ASSISTANT, Role.TOOL_CALL, Role.TOOL_RESULT))


class Link(NamedTuple):
    """One turn in the chain of a conversation.

    Attributes:
        value: Stands for this turn and all before it.
    """

    turn: int
    role: Role
    value: str


@dataclass(frozen=True, slots=True)
class Attribution:
    """How a server tells whom an exchange is about.

    Attributes:
        subject_header: Lower-case name of a header that something in front of the server sets; then only that one counts, and not
            what a request says about itself.
        secret: What conversations without an id are told apart with; empty to leave them without.
    """

    subject_header: str = ""
    secret: bytes = b""

    def of(self, exchange: Exchange, request: Request, headers: Sequence[tuple[bytes, bytes]] = ()) -> Exchange:
        """Return the exchange with its subject and its conversation.

        Args:
            headers: As they came, to see whether the trusted one was sent twice.

        Raises:
            BadMessage: Where it was, so that the client may have sent one of them.
        """
        subject = self._subject(exchange, request, headers)
        conversation = exchange.headers.get(CONVERSATION_HEADER, "").strip() or conversation_of(request)
        if not conversation and self.secret:
            turns = links(self.secret, exchange.caller.tenant, subject, request.document.texts)
            conversation = next((link.value for link in turns if link.role is Role.USER), "")
        if not subject and not conversation:
            return exchange
        return replace(exchange, caller=replace(exchange.caller, subject=subject), conversation=conversation)

    def _subject(self, exchange: Exchange, request: Request, headers: Sequence[tuple[bytes, bytes]]) -> str:
        if exchange.caller.subject:
            return exchange.caller.subject
        if not self.subject_header:
            return subject_of(request)
        name = self.subject_header.encode()
        if sum(key.lower() == name for key, _ in headers) > 1:
            raise BadMessage(f"{self.subject_header}: expected one header, got several", code="repeated_header")
        return exchange.headers.get(self.subject_header, "").strip()


def links(secret: bytes, tenant: str, subject: str, texts: Iterable[Text]) -> Iterator[Link]:
    """Yield the chain of a conversation, turn by turn, without what the system or a developer said."""
    said = (text for text in texts if text.turn >= 0 and text.role in _SAID)
    value = _keyed(secret, (tenant, subject))
    for (turn, role), parts in groupby(said, lambda text: (text.turn, text.role)):
        value = _keyed(value, (role.value, *(text.joined for text in parts)))
        yield Link(turn, role, value.hex()[:32])


def _keyed(key: bytes, parts: Iterable[str]) -> bytes:
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return hmac.digest(key, b"".join(len(part).to_bytes(8, "big") + part for part in encoded), "sha256")
