"""An exchange's own token, `x-guard-feedback-token`: whoever has it may say what the exchange was worth, and nothing else.

It holds all that is needed to check it, so that it needs no look-up, is good before the exchange is written, in every process
that shares the store, and after a restart: version, time of expiry, number of choices, pseudonym of the subject, tenant, and an
HMAC-SHA256 over these and the exchange's id, cut to 128 bits (RFC 2104, section 5). The id is not in it: who speaks names it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from guard.errors import TenetError
from guard.values import Exchange

HEADER = b"x-guard-feedback-token"
DAYS = 7
"""For how long a token is good, where nobody says."""
MOST_DAYS = 3650
MOST_CHOICES = 65_535
_VERSION = 1
_HEAD = struct.Struct(">BIHB")
"""Version, expiry in minutes since 1970, choices, bytes of the subject's pseudonym; big-endian."""
_MAC = 16
_SUBJECT = 16
_MOST_TENANT = 64
_LONGEST = 4 * -(-(_HEAD.size + _SUBJECT + 4 * _MOST_TENANT + _MAC) // 3)
_MINUTE = 60
_UNKNOWN = "this token is not of this exchange, or was changed: send the x-guard-feedback-token that came with the answer"


class BadToken(TenetError):
    """A token that does not count.

    Attributes:
        code: `invalid_token` or `expired_token`.
    """

    def __init__(self, message: str, code: str) -> None:
        self.code = code
        super().__init__(message)


class Spoken(NamedTuple):
    """What a token says.

    Attributes:
        tenant: Whose exchange it is.
        subject: Pseudonym of whom the exchange was for; empty where nobody said.
        choices: How many there are.
        digest: Stands for the token, and cannot be turned back into it.
    """

    tenant: str
    subject: str
    choices: int
    digest: str


@dataclass(frozen=True, slots=True)
class FeedbackTokens:
    """Makes and reads tokens.

    Attributes:
        secret: The same in all processes of one store.
        name: Returns the pseudonym of a tenant's subject: 32 hexadecimal digits, or nothing.
        seconds: For how long a token is good.
    """

    secret: bytes
    name: Callable[[str, str], str] = lambda _tenant, _subject: ""
    seconds: float = DAYS * 86_400
    clock: Callable[[], float] = time.time

    def of(self, exchange: Exchange, choices: int) -> str:
        """Return the token of an exchange; empty for a tenant whose name is too long for one."""
        caller = exchange.caller
        tenant = caller.tenant.encode("utf-8", "surrogatepass")
        if len(caller.tenant) > _MOST_TENANT:
            return ""
        subject = bytes.fromhex(self.name(caller.tenant, caller.subject)) if caller.subject else b""
        until = int((self.clock() + self.seconds) // _MINUTE) + 1
        said = _HEAD.pack(_VERSION, until, min(choices, MOST_CHOICES), len(subject)) + subject + tenant
        return base64.urlsafe_b64encode(said + self._mac(said, exchange.id)).rstrip(b"=").decode()

    def read(self, token: str, exchange_id: str) -> Spoken:
        """Return what the token of an exchange says.

        Raises:
            BadToken: Where it is none of ours, another exchange's, or too old.
        """
        raw = _decoded(token)
        said, mac = raw[:-_MAC], raw[-_MAC:]
        if len(said) < _HEAD.size or not hmac.compare_digest(mac, self._mac(said, exchange_id)):
            raise BadToken(_UNKNOWN, "invalid_token")
        version, until, choices, length = _HEAD.unpack_from(said)
        if version != _VERSION:
            raise BadToken(_UNKNOWN, "invalid_token")
        if self.clock() >= until * _MINUTE:
            days = f"{self.seconds / 86_400:g}"
            raise BadToken(f"this token has expired; a token is good for {days} days. A key has no such limit", "expired_token")
        subject, tenant = said[_HEAD.size : _HEAD.size + length], said[_HEAD.size + length :]
        return Spoken(tenant.decode("utf-8", "surrogatepass"), subject.hex(), choices, mac.hex())

    def _mac(self, said: bytes, exchange_id: str) -> bytes:
        whole = len(said).to_bytes(4, "big") + said + exchange_id.encode("utf-8", "surrogatepass")
        return hmac.digest(self.secret, whole, "sha256")[:_MAC]


def _decoded(token: str) -> bytes:
    """Return a token's bytes; none of two spellings of the same bytes is taken but the one that we write."""
    try:
        if len(token) <= _LONGEST:
            raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
            if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == token:
                return raw
    except (ValueError, binascii.Error):
        pass
    raise BadToken("expected the x-guard-feedback-token that came with the answer, got what cannot be one", "invalid_token")
