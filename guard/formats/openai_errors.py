"""OpenAI's error object, for answers that fail and for streams that break."""

from __future__ import annotations

from typing import Any

from guard.formats import strict_json

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def error_object(message: str, *, status: int, code: str) -> dict[str, Any]:
    """Return `{"error": …}` with the type that OpenAI gives to errors of this HTTP status."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def error_body(message: str, *, status: int, code: str) -> bytes:
    """Return the error object as a body of JSON."""
    return strict_json.encode(error_object(message, status=status, code=code))
