"""Find the guard's key in a request, and take it out, so that it never reaches what stands behind the guard."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from guard.asgi import Headers, Scope
from guard.store.key_text import PREFIX, holds_key

KEY_HEADER = b"x-guard-key"
_ELSEWHERE = (b"authorization", b"x-api-key", b"api-key")
"""Where clients of OpenAI, Anthropic and Azure put their key."""
_SIGN = PREFIX.encode()
_BEARER = b"bearer "


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows of keys.

    Attributes:
        headers: The request's, without any of them.
        keys: What was shown as a key of the guard's; different ones, if there are several.
        bearer: What `Authorization: Bearer` holds that is no key of the guard's.
    """

    headers: Headers
    keys: tuple[str, ...] = ()
    bearer: str = ""


def credentials(scope: Scope) -> Credentials:
    """Return what a request shows: all that is in `x-guard-key`, and keys of the guard's where clients put keys of others."""
    kept: Headers = []
    keys: dict[str, None] = {}
    bearer = ""
    for name, value in scope["headers"]:
        if name == KEY_HEADER:
            shown = value.strip()
        elif name in _ELSEWHERE:
            plain = value.strip()
            plain = plain[len(_BEARER) :].strip() if plain[: len(_BEARER)].lower() == _BEARER else plain
            shown = plain if plain.startswith(_SIGN) else b""
            if not shown:
                kept.append((name, value))
                bearer = plain.decode("latin-1") if name == b"authorization" else bearer
                continue
        else:
            kept.append((name, value))
            continue
        if shown:
            keys[shown.decode("latin-1")] = None
    return Credentials(kept, tuple(keys), bearer)


def key_in_query(scope: Scope) -> bool:
    """Return whether an address holds a key, which servers and browsers write into logs and histories."""
    query = scope.get("query_string", b"")
    return bool(query) and holds_key(unquote_to_bytes(query).decode("latin-1"))
