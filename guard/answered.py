"""What an upstream's answer says of itself in its headers: what holds still when it was judged, and what may not pass."""

from __future__ import annotations

from urllib.parse import urlsplit

from guard.asgi import Answer, Headers
from guard.errors import BadMessage, UpstreamError
from guard.formats import encoding

_REPLACED = (b"content-length", b"content-encoding", b"transfer-encoding", b"etag", b"content-md5", b"digest", b"repr-digest")


def header(headers: Headers, name: bytes) -> str:
    """Return a header's value in lower case; the first of several, empty where there is none."""
    return next((value for key, value in headers if key.lower() == name), b"").decode("latin-1").strip().lower()


def media_type(headers: Headers) -> str:
    """Return what an answer is, without parameters."""
    return header(headers, b"content-type").partition(";")[0].strip()


def kept(headers: Headers) -> Headers:
    """Return the upstream's headers that still hold; what it says in the guard's name does not count."""
    return [
        (name, value) for name, value in headers if name.lower() not in _REPLACED and not name.lower().startswith(b"x-guard-")
    ]


def check_charset(headers: Headers) -> None:
    """Raise UpstreamError where a client would read another text from the bytes than the one that is judged."""
    try:
        encoding.check_charset(header(headers, b"content-type"))
    except BadMessage as error:
        raise UpstreamError(f"the upstream's answer cannot be judged: {error}") from error


def check_redirect(headers: Headers, host: str) -> None:
    """Raise UpstreamError where a client that follows a redirect would ask somebody else, past the guard."""
    location = next((value for name, value in headers if name.lower() == b"location"), b"").decode("latin-1")
    try:
        elsewhere = urlsplit(location).netloc not in ("", host)
    except ValueError:
        elsewhere = True
    if elsewhere:
        raise UpstreamError("the upstream sends its clients elsewhere; let the guard ask there itself (`--upstream`)")


def decoded(answer: Answer, most: int) -> bytes:
    """Return an answer's body without its encoding. Raises UpstreamError where it has more than `most` bytes, or is broken."""
    try:
        return encoding.decoded(answer.body, header(answer.headers, b"content-encoding"), most, encoding.ANSWER_ENCODINGS)
    except BadMessage as error:
        raise UpstreamError(f"the upstream's answer cannot be decoded: {error}") from error
