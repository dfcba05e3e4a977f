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

    def feed(self, data: bytes) -> list[Frame]:
        """Return the lines that are now complete. Raises BadMessage where one is too long or no UTF-8."""
        frames: list[Frame] = []
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._buffer += line
            self._cut(frames)
        self._buffer += rest
        if len(self._buffer) > self._limit:
            raise self._too_long()
        return frames

    def end(self) -> list[Frame]:
        """Return the last line, where the upstream left it without its end."""
        frames: list[Frame] = []
        self._cut(frames)
        return frames

    def _cut(self, frames: list[Frame]) -> None:
        raw = bytes(self._buffer) + b"\n"
        self._buffer.clear()
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
