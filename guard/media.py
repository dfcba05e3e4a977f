"""Images, sounds and files inside messages: where they stand, and their bytes. Nothing is ever fetched.

A string that takes a medium holds one of three things: a `data:` URL (RFC 2397), base64, or the address of something elsewhere,
which cannot be judged. What is neither decodes to nothing, so that a detector calls it unreadable.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from guard.values import Role

_ELSEWHERE = re.compile(r"\s*(?!data:)[A-Za-z][A-Za-z0-9+.-]{1,31}:")
_DATA_URL = re.compile(r"\s*data:(?P<type>[^;,]{0,100})(?P<parameters>(?:;[^;,]{0,100}){0,8}),", re.IGNORECASE)
_SPACE = re.compile(rb"[ \t\r\n]+")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (4, b"ftypavi", "image/avif"),
)
_SIGNED = 16
"""Bytes that hold every signature."""


@dataclass(frozen=True, slots=True)
class Media:
    """One image, sound, video or file of a message.

    Attributes:
        pointer: Of the string that holds it; empty where it is the whole body.
        kind: `image`, `audio`, `video` or `file`, by the field in which it stands.
        source: The string as it stands in the message, or the bytes themselves.
        named: Whether `source` is the id of something that the upstream keeps.
        choice: Index of the answer's choice; None where it belongs to all.
        turn: Index of the message in the conversation; -1 where there is none.
        declared: The MIME type that somebody gave for bytes; a `data:` URL says its own.
    """

    pointer: str
    role: Role
    kind: str
    source: str | bytes
    named: bool = False
    choice: int | None = None
    turn: int = -1
    declared: str = ""

    @property
    def remote(self) -> bool:
        """Whether only an address or an id was sent, so that there is nothing to judge."""
        return self.named or (isinstance(self.source, str) and is_elsewhere(self.source))

    @property
    def type(self) -> str:
        """The MIME type by which detectors are chosen: what the place says, then what the bytes or the sender say."""
        if self.kind != "file":
            said = self._said
            return said if said.startswith(f"{self.kind}/") else f"{self.kind}/*"
        return signature(self._beginning()) or self._said or "application/octet-stream"

    def data(self) -> bytes:
        """Return the bytes; none where the string does not decode strictly, as upstreams differ in what they make of it."""
        if isinstance(self.source, bytes):
            return self.source
        header = _DATA_URL.match(self.source)
        body = self.source[header.end() :] if header else self.source
        if header and not _is_base64(header):
            return unquote_to_bytes(body)
        return _decoded(body)

    @property
    def _said(self) -> str:
        header = _DATA_URL.match(self.source) if isinstance(self.source, str) else None
        return (header["type"] if header else self.declared).strip().lower()

    def _beginning(self) -> bytes:
        """Return the first bytes, at little cost."""
        if isinstance(self.source, bytes):
            return self.source[:_SIGNED]
        header = _DATA_URL.match(self.source)
        start = header.end() if header else 0
        if header and not _is_base64(header):
            return unquote_to_bytes(self.source[start : start + 3 * _SIGNED])[:_SIGNED]
        letters = re.sub(r"\s", "", self.source[start : start + 8 * _SIGNED])
        return _decoded(letters[: len(letters) // 4 * 4])[:_SIGNED]


def is_elsewhere(text: str) -> bool:
    """Return whether `text` is the address of something that was not sent along: a URL, but no `data:` URL."""
    return _ELSEWHERE.match(text) is not None


def _is_base64(header: re.Match[str]) -> bool:
    return header["parameters"].lower().endswith(";base64")


def _decoded(text: str) -> bytes:
    """Return what base64 stands for (RFC 4648, either alphabet, padded or not, in lines or not); nothing where it is broken."""
    try:
        letters = _SPACE.sub(b"", text.encode("ascii")).translate(_STANDARD)
        if b"=" not in letters:
            letters += b"=" * (-len(letters) % 4)
        return binascii.a2b_base64(letters, strict_mode=True)
    except (UnicodeEncodeError, binascii.Error):
        return b""


def signature(data: bytes) -> str:
    """Return the MIME type that the first bytes of an image tell; empty where they tell none."""
    return next((name for at, mark, name in _SIGNATURES if data[at : at + len(mark)] == mark), "")


def data_url(data: bytes, media_type: str) -> str:
    """Return `data` as a `data:` URL."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
