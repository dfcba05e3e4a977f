"""Server-sent events (WHATWG HTML, section 9.2): bytes to frames, however the network cut them, and frames to bytes."""

from __future__ import annotations

import re

from guard.errors import BadMessage
from guard.formats.base import Frame

HEARTBEAT = b": keep-alive\n\n"
"""A comment: it keeps a connection alive and means nothing."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_ENDS = b"\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PLAIN = re.compile(
    rb"(?:(?:event|id|retry):[ ]?[A-Za-z0-9_.:-]{0,128}(?:\r\n|\n|\r))*"
    rb"data:[^\r\n]*(?:\r\n|\n|\r)"
    rb"(?:(?:event|id|retry):[ ]?[A-Za-z0-9_.:-]{0,128}(?:\r\n|\n|\r))*"
    rb"(?:\r\n|\n|\r)"
)
_SPLITTERS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))


class SseFraming:
    """Cuts a stream into events. A carriage return at the end of what has come waits for the byte after it."""

    def __init__(self, limit: int) -> None:
        """Start a stream whose events are at most `limit` bytes long."""
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = 0
        self._began = False

    def feed(self, data: bytes) -> list[Frame]:
        """Return the events that are now complete. Raises BadMessage where one is too long or no UTF-8.

        Events before a bad one are returned first, and the next call raises, even one without data.
        """
        buffer = self._buffer
        buffer += data
        if not self._began and not self._begin():
            return []
        frames: list[Frame] = []
        start, seek = 0, max(self._scanned - 3, 0)
        while match := _BLANK_LINE.search(buffer, seek):
            end = match.end()
            if end == len(buffer) and buffer[-1] == 0x0D:
                break
            try:
                self._cut(bytes(buffer[start:end]), frames)
            except BadMessage:
                if not frames:
                    raise
                del buffer[:start]
                self._scanned = 0
                return frames
            start = seek = end
        del buffer[:start]
        self._scanned = len(buffer)
        if len(buffer) > self._limit and not frames:
            raise self._too_long()
        return frames

    def end(self) -> list[Frame]:
        """Return the event that the upstream left without its blank line, if there is one."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        frames: list[Frame] = []
        if rest.strip(_LINE_ENDS):
            whole = _BLANK_LINE.search(rest) is not None
            self._cut(rest if whole else rest + (b"\n" if rest.endswith((b"\n", b"\r")) else b"\n\n"), frames)
        return frames

    def _begin(self) -> bool:
        """Drop the byte order mark that a stream may begin with; return whether enough has come to know."""
        head = bytes(self._buffer[:3])
        if head != _BYTE_ORDER_MARK and _BYTE_ORDER_MARK.startswith(head):
            return False
        if head == _BYTE_ORDER_MARK:
            del self._buffer[:3]
        self._began = True
        return True

    def _cut(self, raw: bytes, frames: list[Frame]) -> None:
        if len(raw) > self._limit:
            raise self._too_long()
        raw = raw.lstrip(_LINE_ENDS)
        if raw:
            frames.append(Frame(raw, _data(raw)))

    def _too_long(self) -> BadMessage:
        return BadMessage(f"an event of the stream is longer than {self._limit} bytes", status=413, code="event_too_large")


def event(data: bytes) -> bytes:
    """Return an event that carries `data`, one line of JSON.

    Characters at which some clients break lines (U+2028, U+2029, U+0085) are escaped: in JSON they stand in strings only.
    """
    for character, escaped in _SPLITTERS:
        if character in data:
            data = data.replace(character, escaped)
    return b"data: " + data + b"\n\n"


def is_plain(raw: bytes) -> bool:
    """Return whether an event is one line of data and, at most, identifiers beside it: nothing else could carry words."""
    return _PLAIN.fullmatch(raw) is not None


def _data(raw: bytes) -> str | None:
    values = [value for line in _LINE_END.split(raw) if (value := _value(line)) is not None]
    if not values:
        return None
    try:
        return b"\n".join(values).decode()
    except UnicodeDecodeError as error:
        raise BadMessage(f"an event of the stream is no UTF-8 (byte {error.start} of its data)", code="invalid_unicode") from None


def _value(line: bytes) -> bytes | None:
    """Return what a `data` line carries, or None for another line."""
    if line.startswith(b"data:"):
        return line[6:] if line[5:6] == b" " else line[5:]
    return b"" if line == b"data" else None
