"""Uploads: `multipart/form-data` (RFC 7578), read strictly, so that no server behind the guard reads other fields than it did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from guard.errors import BadMessage

MOST_FIELDS = 64
"""Fields of one upload."""
_TYPE = re.compile(
    r'multipart/form-data\s*;\s*boundary=(?:"([A-Za-z0-9\'()+_,./:=? -]{0,69}[^ "])"|([A-Za-z0-9\'+_.-]{1,70}))\s*', re.I
)
_DISPOSITION = re.compile(r'form-data; ?name="([^"\\\r\n]{1,100})"(?:; ?filename="([^"\\\r\n]{0,255})")?')
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,64}(?:; ?charset=\"?[uU][tT][fF]-?8\"?)?")
_NEXT = b"\r\n"
_LAST = (b"--", b"--\r\n")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an upload.

    Attributes:
        filename: None where none was given.
        type: Its Content-Type without parameters; empty where none was given.
        head: Its headers as they came.
        data: Its value.
    """

    name: str
    filename: str | None
    type: str
    head: bytes
    data: bytes

    @property
    def is_file(self) -> bool:
        """Whether it is a file and not a text."""
        return self.filename is not None or self.type not in ("", "text/plain")


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a Content-Type names. Raises BadMessage (415) where it is another type, or says more than that."""
    match = _TYPE.fullmatch(content_type.strip())
    if match is None:
        raise BadMessage(
            "Content-Type: expected multipart/form-data with a boundary and nothing else",
            status=415,
            code="unsupported_media_type",
        )
    return (match[1] or match[2]).encode("ascii")


def read(body: bytes, boundary: bytes) -> list[Field]:
    """Return the fields of an upload, in order.

    Raises:
        BadMessage: Where it is not to the letter what RFC 7578 describes: something before, between or after the fields, a
            header that is repeated, unknown or folded.
    """
    mark = b"--" + boundary
    opening, *parts = (b"\r\n" + body).split(b"\r\n" + mark)
    if opening or len(parts) < 2:
        raise _broken("expected it to begin with the boundary that its Content-Type names")
    if parts[-1] not in _LAST:
        raise _broken("it does not end with the boundary, or something follows")
    if len(parts) - 1 > MOST_FIELDS:
        raise _broken(f"expected at most {MOST_FIELDS} fields, got {len(parts) - 1}")
    if not all(part.startswith(_NEXT) for part in parts[:-1]):
        raise _broken("a boundary does not end its line")
    return [_field(part[2:], index) for index, part in enumerate(parts[:-1])]


def write(fields: Sequence[Field], boundary: bytes) -> bytes:
    """Return the upload. Raises BadMessage where a value holds the boundary."""
    mark = b"--" + boundary
    if any(mark in field.data for field in fields):
        raise _broken("a changed field holds the boundary")
    return b"".join(mark + b"\r\n" + field.head + b"\r\n\r\n" + field.data + b"\r\n" for field in fields) + mark + b"--\r\n"


def with_text(field: Field, text: str) -> Field:
    """Return the field with another text."""
    return replace(field, data=text.encode())


def _field(part: bytes, index: int) -> Field:
    head, empty, data = part.partition(b"\r\n\r\n")
    if not empty:
        raise _broken(f"field {index} has no end of its headers")
    headers = _headers(head, index)
    disposition = _DISPOSITION.fullmatch(headers.get("content-disposition", ""))
    if disposition is None:
        raise _broken(f'field {index}: expected Content-Disposition: form-data; name="…", with at most a filename="…"')
    kind = headers.get("content-type", "")
    if kind and _MEDIA_TYPE.fullmatch(kind) is None:
        raise _broken(f"field {index}: expected a Content-Type of type/subtype, in UTF-8 where it is text")
    return Field(disposition[1], disposition[2], kind.partition(";")[0].strip().lower(), head, data)


def _headers(head: bytes, index: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        key = name.decode("latin-1").lower()
        if not colon or key not in ("content-disposition", "content-type") or key in found:
            raise _broken(f"field {index}: expected one Content-Disposition and at most one Content-Type, and no other header")
        try:
            found[key] = value.decode().strip(" \t")
        except UnicodeDecodeError:
            raise _broken(f"field {index}: its headers are no UTF-8") from None
    return found


def _broken(reason: str) -> BadMessage:
    return BadMessage(f"the upload: {reason}", code="invalid_upload")
