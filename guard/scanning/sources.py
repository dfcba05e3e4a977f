"""Which kind of file is to be read: told by its first bytes, whatever it is called."""

from __future__ import annotations

from pathlib import Path

from guard.errors import TenetError
from guard.scanning.fields import Field
from guard.scanning.lines import Lines
from guard.scanning.records import Source
from guard.scanning.tables import Table

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"


def open_source(path: str, text: str, id_field: str = "") -> Source:
    """Return a file of records: lines of JSON, plain or compressed by gzip, or Parquet; `-` is standard input.

    Args:
        text: Where the text stands in a record.
        id_field: Where its own id stands; empty for none.

    Raises:
        TenetError: Where it cannot be read, or a field is no field.
        MissingExtra: Where it is Parquet, and the package for it is not installed.
    """
    field, own_id = Field(text), Field(id_field) if id_field else None
    if path == "-":
        return Lines(path, field, own_id, resumes=False)
    file = Path(path)
    if not file.exists() or file.is_dir():
        raise TenetError(f"{path}: expected a file of records, found {'a folder' if file.is_dir() else 'nothing'} there")
    if not file.is_file():
        return Lines(str(file), field, own_id, resumes=False)
    beginning = _beginning(file)
    if beginning.startswith(_PARQUET) or file.suffix == ".parquet":
        return Table.opened(str(file.absolute()), field, own_id)
    return Lines(str(file.absolute()), field, own_id, beginning.startswith(_GZIP), file.stat().st_size)


def _beginning(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(len(_PARQUET))
    except OSError as error:
        raise TenetError(f"{file}: cannot be read: {error.strerror}") from error
