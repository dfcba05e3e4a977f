"""Labelled records from lines of JSON, plain or compressed by gzip, in memory that hardly grows with the file.

A record that cannot be understood ends the reading: a promise about records that were left out would be about something else.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from guard.errors import BadMessage, TenetError
from guard.formats import strict_json
from guard.scanning.fields import Field, Missing

LONGEST = 16 * 1024 * 1024
"""Bytes of a line."""

_GZIP = b"\x1f\x8b"
_TEXT, _ID = Field("text"), Field("id")


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text, and what people said about it.

    Attributes:
        id: Its own id as JSON; the number of its line where it has none.
        labels: 1 or 0 by category; a category that is missing is unknown.
    """

    id: str
    text: str
    labels: Mapping[str, int]


def read_labelled(path: str | Path) -> Iterator[LabelledText]:
    """Yield the records of a file; blank lines are none.

    Raises:
        TenetError: With the line, for what is no record with a `text` and `labels` of 0 and 1, and for an id that was there
            before; for a file that cannot be read or decompressed. It repeats nothing of the text.
    """
    file = Path(path)
    if not file.is_file():
        found = "a folder" if file.is_dir() else "something else" if file.exists() or str(path) == "-" else "nothing"
        raise TenetError(f"{path}: expected a file of labelled records, which is read twice, found {found} there")
    seen: set[bytes] = set()
    row = 0
    try:
        with ExitStack() as stack:
            lines = _opened(file, stack)
            while line := lines.readline(LONGEST + 1):
                row += 1
                if len(line) > LONGEST:
                    raise Missing(f"expected a line of at most {LONGEST:,} bytes, got a longer one")
                if not line.isspace():
                    yield _record(line.removeprefix(b"\xef\xbb\xbf") if row == 1 else line, row, seen)
    except (Missing, BadMessage) as error:
        raise TenetError(f"{path}:{row}: {str(error).removeprefix('line 1, ')}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TenetError(f"{path}: expected more, got the end of what can be decompressed, after line {row}") from error
    except OSError as error:
        raise TenetError(f"{path}: cannot be read: {error.strerror}") from error


def _opened(file: Path, stack: ExitStack) -> BinaryIO:
    opened = stack.enter_context(file.open("rb"))
    if opened.peek(len(_GZIP))[: len(_GZIP)] != _GZIP:
        return opened
    return cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=opened)))


def _record(line: bytes, row: int, seen: set[bytes]) -> LabelledText:
    value = strict_json.decode(line)
    text = _TEXT.text(value)
    known_as = str(row)
    if isinstance(value, dict) and "id" in value:
        known_as = _ID.id(value).decode()
        digest = hashlib.blake2b(known_as.encode(), digest_size=8).digest()
        if digest in seen:
            raise Missing("expected each id once, got one that was there before; give every record an id of its own, or none")
        seen.add(digest)
    return LabelledText(known_as, text, _labels(value))


def _labels(value: object) -> dict[str, int]:
    labels = value.get("labels") if isinstance(value, dict) else None
    if not isinstance(labels, dict):
        raise Missing("expected at `labels` an object with 1 or 0 by category, got none")
    for category, label in labels.items():
        if isinstance(label, bool) or label not in (0, 1):
            raise Missing(f"expected 0 or 1 at `labels.{_shown(category)}`; leave the category out where nobody knows")
    return {str(category): int(label) for category, label in labels.items()}


def _shown(category: object) -> str:
    """Return a label's name as messages show it: one that is no name of a category may be anything."""
    name = str(category)
    return name if len(name) <= 64 and all(letter.isalnum() or letter in "/_-" for letter in name) else "…"
