"""What `guard serve` says of keys: whether they are needed, the first one of a store, and which header names a subject."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from guard.access import Access
from guard.access.access import is_loopback
from guard.attribution import Attribution
from guard.errors import TenetError

if TYPE_CHECKING:
    from guard.store.store import Store

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_NOT_A_SUBJECT = ("authorization", "cookie", "host", "x-api-key", "api-key", "proxy-authorization")


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """What was asked for.

    Attributes:
        require_key: Whether generation needs a key; None for: on an address that others can reach, if the store has any.
        subject_header: Name of the header that something in front of the server sets to whom an exchange is about.
        replaces: Whether the client's `Authorization` is replaced on its way to the upstream.
    """

    require_key: bool | None = None
    subject_header: str = ""
    replaces: bool = False


def check(options: AccessOptions, store: Store | None, *, fresh: bool) -> None:
    """Raise TenetError where keys are to be needed, and there can be none.

    Args:
        fresh: Whether the store's first key is still to be made.
    """
    if not options.require_key:
        return
    if store is None:
        raise TenetError("--require-key: expected a store that has keys, got none; name one with --store")
    if not fresh and not store.keys.exist():
        raise TenetError("--require-key: expected a store that has keys, got one without; make one with `guard keys create`")


def access_of(options: AccessOptions, store: Store | None, host: str) -> tuple[Access, bool]:
    """Return who may do what on a server at `host`, and whether generation needs a key."""
    public = is_public(host)
    exist = store is not None and store.keys.exist()
    required = exist and public if options.require_key is None else options.require_key
    keys = store.keys if store is not None else None
    access = Access(keys, require=required, public=public, replaces=options.replaces)
    if store is not None:
        store.before_close.append(access.close)
    return access, required


def attribution_of(options: AccessOptions, store: Store | None) -> Attribution:
    """Return how a server tells whom an exchange is about.

    Raises:
        TenetError: Where the header cannot name a subject.
    """
    name = options.subject_header.lower()
    if name and (_HEADER.fullmatch(name) is None or name in _NOT_A_SUBJECT or name.startswith("x-guard-")):
        raise TenetError(
            f"--trusted-subject-header: expected the name of a header of yours, got {options.subject_header[:100]!r}"
        )
    return Attribution(name, store.secret("conversations") if store is not None else b"")


def is_public(host: str) -> bool:
    """Return whether others than this machine can reach a server that listens on `host`."""
    if is_loopback(host):
        return False
    try:
        found = socket.getaddrinfo(host or None, None, flags=socket.AI_PASSIVE)
    except OSError:
        return True
    return not all(is_loopback(str(address[0])) for *_, address in found)


def notes(store: Store | None, first_key: str, host: str, *, required: bool) -> Sequence[str]:
    """Return what a server says of keys when it begins to listen."""
    said = []
    if first_key:
        said.append(f"\nThe first key of this store, of an admin; it is shown this once:\n\n    {first_key}\n")
    if required:
        said.append("every request needs a key (--no-require-key to let generation go without)")
    elif is_public(host):
        said.append("generation needs no key, on an address that others can reach (--require-key)")
    if is_public(host) and store is not None and not store.keys.exist():
        said.append("the routes under /guard/ are closed until the store has a key: `guard keys create`")
    return said
