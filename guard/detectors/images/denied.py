"""Lists of denied images: what a policy or a file says, without the images and without what it takes to open one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from guard.policy.kinds import Mistake

BITS = 64
EXPECTED = "16 hexadecimal digits, with `phash:` or `dhash:` before them"
_ENTRY = re.compile(r"(?:(?P<kind>phash|dhash):)?(?P<bits>[0-9A-Fa-f]{16})")


class Denied(NamedTuple):
    """One entry of a list.

    Attributes:
        kind: `phash` or `dhash`.
    """

    kind: str
    bits: int


def parse(entry: str) -> Denied | None:
    """Return what an entry says: 16 hexadecimal digits, with `phash:` (which is meant without it) or `dhash:` before them."""
    match = _ENTRY.fullmatch(entry.strip())
    return Denied(match["kind"] or "phash", int(match["bits"], 16)) if match else None


def entries(options: Mapping[str, Any]) -> tuple[Denied, ...]:
    """Return the entries of `deny_hashes` and `deny_hashes_file`, once `mistakes` finds nothing in them."""
    found = [entry for source in options.get("deny_hashes", ()) if (entry := parse(source)) is not None]
    if "deny_hashes_file" in options:
        found += [entry for _, word in _words(options["deny_hashes_file"]) if (entry := parse(word)) is not None]
    return tuple(dict.fromkeys(found))


def mistakes(options: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what is wrong in the lists of these options."""
    for index, entry in enumerate(options.get("deny_hashes", ())):
        if parse(entry) is None:
            yield Mistake(("deny_hashes", index), EXPECTED, f'"{entry}"')
    if "deny_hashes_file" not in options:
        return
    try:
        for number, word in _words(options["deny_hashes_file"]):
            if parse(word) is None:
                yield Mistake(("deny_hashes_file",), f"{EXPECTED}, on each line", f"another word on line {number}")
                return
    except (OSError, UnicodeDecodeError) as error:
        yield Mistake(("deny_hashes_file",), "a file with one hash on each line", f"{type(error).__name__}")


def _words(path: str) -> Iterator[tuple[int, str]]:
    """Yield the first word of each line with its number; a name may follow it, and what follows a `#` is a comment."""
    for number, line in enumerate(Path(path).read_text("utf-8-sig").splitlines(), 1):
        said = line.partition("#")[0].split()
        if said:
            yield number, said[0]
