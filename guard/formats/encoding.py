"""What stands around a body: its Content-Type and its Content-Encoding."""

from __future__ import annotations

import zlib

from guard.errors import BadMessage

_GZIP = 16 + zlib.MAX_WBITS
_WINDOW = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}
_STEP = 256 * 1024
"""Bytes made at a time, so that a small body that swells is noticed early."""

REQUEST_ENCODINGS = frozenset(("gzip", "x-gzip"))
"""What a client may send, besides nothing."""
ANSWER_ENCODINGS = REQUEST_ENCODINGS | {"deflate"}
"""What an upstream may answer in, though it was asked not to."""


def check_json_type(content_type: str) -> None:
    """Raise BadMessage (415) unless a Content-Type is `application/json`, in UTF-8 where it names a character set."""
    media_type = content_type.lower().partition(";")[0].strip()
    if media_type != "application/json":
        raise _unsupported("Content-Type: expected application/json", media_type, "unsupported_media_type")
    check_charset(content_type)


def check_charset(content_type: str) -> None:
    """Raise BadMessage (415) where a Content-Type names another character set than UTF-8."""
    for parameter in content_type.lower().split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8"):
            raise _unsupported("Content-Type: expected the charset utf-8", value.strip(' "'), "unsupported_charset")


def decoded(body: bytes, encoding: str, limit: int, accepts: frozenset[str] = REQUEST_ENCODINGS) -> bytes:
    """Return `body` without its Content-Encoding.

    Args:
        body: As it was sent.
        encoding: The header's value; "" where there is none.
        limit: The most bytes that may come out.
        accepts: Names of the encodings allowed.

    Raises:
        BadMessage: 415 for another encoding or several, 413 beyond the limit, 400 for a body that is not what it says.
    """
    if _plain(encoding):
        if len(body) > limit:
            raise too_large(limit)
        return body
    inflater = Inflater(encoding, limit, accepts)
    return inflater.feed(body) + inflater.end()


class Inflater:
    """Decodes a body that comes in pieces. `limit` bounds what one piece may swell to."""

    def __init__(self, encoding: str, limit: int, accepts: frozenset[str] = ANSWER_ENCODINGS) -> None:
        """Start a body. Raises BadMessage (415) for an encoding that is not accepted."""
        name = encoding.strip().lower()
        if name not in accepts:
            expected = " or ".join(sorted(accepts - {"x-gzip"}))
            raise _unsupported(f"Content-Encoding: expected {expected}, or none", name, "unsupported_encoding")
        self._limit = limit
        self._window = _WINDOW[name]
        self._many = self._window == _GZIP
        self._inflate = zlib.decompressobj(self._window)
        self._began = False

    def feed(self, data: bytes) -> bytes:
        """Return what `data` adds to the decoded body. Raises BadMessage."""
        made = bytearray()
        while data:
            self._next_member()
            self._began = True
            try:
                made += self._inflate.decompress(data, _STEP)
            except zlib.error:
                raise self._broken("got something else") from None
            if len(made) > self._limit:
                raise too_large(self._limit)
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
        return bytes(made)

    def end(self) -> bytes:
        """Return what is left at the end. Raises BadMessage where the body was cut off."""
        rest = self._inflate.flush()
        if self._began and not self._inflate.eof:
            raise self._broken("it ends too early")
        return rest

    def _next_member(self) -> None:
        """Begin a further gzip member (RFC 1952, section 2.2) where one is complete."""
        if not self._inflate.eof:
            return
        if not self._many:
            raise self._broken("something follows its end")
        self._inflate = zlib.decompressobj(self._window)

    def _broken(self, found: str) -> BadMessage:
        return BadMessage(f"the body does not decode as its Content-Encoding says: {found}", code="invalid_encoding")


def too_large(limit: int) -> BadMessage:
    """Return the error for a body beyond the limit."""
    return BadMessage(f"the body is longer than {limit} bytes", status=413, code="body_too_large")


def _plain(encoding: str) -> bool:
    return encoding.strip().lower() in ("", "identity")


def _unsupported(expected: str, got: str, code: str) -> BadMessage:
    return BadMessage(f'{expected}, got "{got[:40]}"' if got else f"{expected}, got none", status=415, code=code)
