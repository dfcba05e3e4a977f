"""Where a service is asked and with which key, as policies say it; and what can be wrong with that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from guard.policy.kinds import Mistake
from guard.runtime.endpoint import Endpoint

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
BEARER = ("authorization", "Bearer ")


def endpoint(
    name: str,
    url: str,
    variable: str,
    *,
    header: tuple[str, str] = BEARER,
    headers: Mapping[str, str] | None = None,
    hints: Mapping[int, str] | None = None,
) -> Endpoint:
    """Return the endpoint of a detector.

    Args:
        variable: The environment variable that holds the key; empty for none.
        header: The header that carries the key, and what stands before it.
    """
    field, prefix = header
    template = prefix.replace("{", "{{").replace("}", "}}") + "{}"
    secret = {field.lower(): (variable, template)} if variable else {}
    return Endpoint(name, url, headers or {}, secret, hints=hints or {})


def located(url: str, path: str) -> tuple[str, str]:
    """Return the base and the path to ask: `url` may be a bare host, a base such as `…/v1`, or the whole of it.

    Args:
        path: Of the service, such as `/v1/moderations`; its last part alone is put behind a base that has a path of its own.
    """
    base, last = url.rstrip("/"), path[path.rindex("/") :]
    own = urlsplit(base).path
    return base, "" if own.endswith(last) else last if own else path


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in what all services share: `url`, `key_env`, and a window's sizes."""
    return [*check_url(options), *check_key_env(options), *check_window(options)]


def check_url(options: Mapping[str, Any], *, query: bool = False) -> Iterator[Mistake]:
    """Yield what is wrong with `url`; it may hold a password, so it is not shown."""
    url = options.get("url")
    if url is None:
        return
    try:
        parts = urlsplit(url)
        complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete or not url.isascii() or not url.isprintable() or " " in url:
        yield Mistake(("url",), "a URL such as `https://host/path`, percent-encoded", "something else")
    elif "@" in parts.netloc:
        yield Mistake(("url",), "a URL without a user and a password", "one with them", "keep keys in the environment: `key_env`")
    elif parts.fragment or (parts.query and not query):
        yield Mistake(("url",), "a URL without `?` and `#`", "one with them")


def check_key_env(options: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what is wrong with `key_env`; it may be the key itself, so it is not shown."""
    if not _VARIABLE.fullmatch(options.get("key_env", "KEY")):
        hint = "a key has no place in a policy: put it into the environment"
        yield Mistake(("key_env",), "the name of an environment variable", "something else", hint)


def check_window(options: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what is wrong with the sizes of a window."""
    sizes = [name for name in ("after", "most", "context") if name in options]
    if sizes and options.get("reach") == "whole":
        yield Mistake((sizes[0],), f"no `{sizes[0]}` where `reach` is `whole`", f"`{sizes[0]}`")
    elif options.get("after", 120) > options.get("most", 600):
        yield Mistake(("after",), f"at most `most`, {options.get('most', 600)}", str(options.get("after", 120)))
