"""Newline-delimited JSON: one value a line."""

from __future__ import annotations

from guard.errors import BadMessage
from guard.formats.base import Frame


class NdjsonFraming:
    """Cuts a stream into lines; blank ones are dropped."""

    def __init__(self, limit: int) -> None:
        """Start a stream whose lines are at most `limit` bytes long."""
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = True
        """Whether what is buffered holds no complete line."""

    def feed(self, data: bytes) -> list[Frame]:
        """Return the lines that are now complete. Raises BadMessage where one is too long or no UTF-8.

        Lines before a bad one are returned first, and the next call raises, even one without data.
        """
        frames: list[Frame] = []
        buffer = self._buffer
        start, seek = 0, len(buffer) if self._scanned else 0
        buffer += data
        self._scanned = True
        while (end := buffer.find(b"\n", seek)) >= 0:
            try:
                self._cut(bytes(buffer[start:end]), frames)
            except BadMessage:
                if not frames:
                    raise
                self._scanned = False
                break
            start = seek = end + 1
        del buffer[:start]
        if len(buffer) > self._limit and not frames:
            raise self._too_long()
        return frames

    def end(self) -> list[Frame]:
        """Return the last line, where the upstream left it without its end."""
        frames: list[Frame] = []
        self._cut(bytes(self._buffer), frames)
        self._buffer.clear()
        return frames

    def _cut(self, line: bytes, frames: list[Frame]) -> None:
        raw = line + b"\n"
        if len(raw) > self._limit:
            raise self._too_long()
        if not raw.strip():
            return
        try:
            frames.append(Frame(raw, raw.strip().decode()))
        except UnicodeDecodeError as error:
            raise BadMessage(f"a line of the stream is no UTF-8 (byte {error.start})", code="invalid_unicode") from None

    def _too_long(self) -> BadMessage:
        return BadMessage(f"a line of the stream is longer than {self._limit} bytes", status=413, code="event_too_large")
