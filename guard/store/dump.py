"""A store as one file that any database can be filled from: a zip of JSON lines, one file for each table, with digests.

Texts stay as they are sealed: of an encrypted store, the dump is encrypted, and its key opens what is restored.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, MetaData, Table, select

from guard.errors import StoreError
from guard.store.identity import now

FORMAT = 1
_MANIFEST = "manifest.json"
_STEP = 1_000
_BYTES = "$bytes"


def write_dump(connection: Connection, tables: MetaData, version: str, target: Path) -> dict[str, int]:
    """Write every row of the tables; the file appears whole or not at all, readable for its owner alone.

    Args:
        connection: In a transaction that sees one state of the store.
        version: Of the store's tables.

    Returns:
        How many rows of each table were written.

    Raises:
        StoreError: Where the file cannot be written.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with open(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            counted = _write(connection, tables, version, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: the backup could not be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return counted


class Dump:
    """A dump that is read. Opening it checks every digest, so that nothing is restored from a damaged one."""

    def __init__(self, path: Path) -> None:
        """Open and check it.

        Raises:
            StoreError: Where it is no dump, is damaged, or was written by a newer Tenet.
        """
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
            manifest = json.loads(self._zip.read(_MANIFEST))
            self.version = str(manifest["version"])
            self.rows: dict[str, int] = {str(name): int(entry["rows"]) for name, entry in manifest["tables"].items()}
            self._check(manifest)
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from error
        except (zipfile.BadZipFile, zlib.error, LookupError, ValueError, TypeError, EOFError, RuntimeError) as error:
            raise StoreError(f"{path}: expected a backup of a store, got something else, or a damaged one") from error

    def rows_of(self, table: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table."""
        with self._zip.open(f"{table}.jsonl") as file:
            for line in io.TextIOWrapper(file, "utf-8"):
                yield {name: _read(value) for name, value in json.loads(line).items()}

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def _check(self, manifest: dict[str, Any]) -> None:
        if manifest["format"] != FORMAT:
            raise StoreError(f"{self._path}: is of format {manifest['format']}, this Tenet reads {FORMAT}; update tenet-guard")
        for name, entry in manifest["tables"].items():
            found = hashlib.sha256()
            with self._zip.open(f"{name}.jsonl") as file:
                while piece := file.read(1 << 20):
                    found.update(piece)
            if found.hexdigest() != entry["sha256"]:
                raise StoreError(f"{self._path}: {name} is not what was written (its digest differs); use another backup")


def _write(connection: Connection, tables: MetaData, version: str, file: IO[bytes]) -> dict[str, int]:
    manifest: dict[str, Any] = {"format": FORMAT, "version": version, "created": now(), "tables": {}}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for table in sorted(tables.tables.values(), key=lambda table: table.name):
            manifest["tables"][table.name] = _write_table(connection, table, archive)
        archive.writestr(_MANIFEST, json.dumps(manifest, indent=1))
    return {name: entry["rows"] for name, entry in manifest["tables"].items()}


def _write_table(connection: Connection, table: Table, archive: zipfile.ZipFile) -> dict[str, Any]:
    digest, rows = hashlib.sha256(), 0
    ordered = select(table).order_by(*table.primary_key.columns)
    with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as file:
        for row in connection.execute(ordered, execution_options={"yield_per": _STEP}).mappings():
            line = json.dumps({name: _written(value) for name, value in row.items()}, separators=(",", ":")).encode() + b"\n"
            file.write(line)
            digest.update(line)
            rows += 1
    return {"rows": rows, "sha256": digest.hexdigest()}


def _written(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    if isinstance(value, bytes | memoryview):
        return {_BYTES: base64.b64encode(value).decode()}
    return value


def _read(value: Any) -> Any:  # noqa: ANN401 - as above
    return base64.b64decode(value[_BYTES]) if isinstance(value, dict) else value
