"""The files of a set: JSON lines and Parquet that TRL takes as they are, in a folder that is there whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignment.data.rows import DataError
from alignment.data.sources import CARD
from alignment.records import SPLITS, Kind, Pair, Record, Steps
from guard.store.exporting.files import described, flush, write_set, write_text

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types


def check_out(out: Path, *, overwrite: bool) -> None:
    """Raise DataError where a folder cannot be written to, or has something else in it."""
    if not out.name:
        raise DataError("--out: expected the name of a folder, got a root or nothing")
    if not out.absolute().parent.is_dir():
        raise DataError(f"{out}: expected a folder to make it in, found no {out.parent} (make that first)")
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir() or out.is_symlink():
        raise DataError(f"{out}: expected a folder, or nothing, found something else there (name another)")
    if not any(out.iterdir()):
        return
    if not overwrite:
        raise DataError(f"{out}: expected nothing there, found a folder with files (name another, or say --overwrite)")
    if not (out / CARD).is_file():
        raise DataError(f"{out}: expected an earlier set to overwrite, found a folder without {CARD} (name another)")


@contextmanager
def staged(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a folder to write into, which becomes `out` in one step when all went well, and is gone otherwise.

    Args:
        overwrite: Whether what is there may go; else a folder that somebody else filled meanwhile stays.

    Raises:
        DataError: Where it cannot be written.
    """
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.absolute().parent))
    except OSError as error:
        raise DataError(f"{out}: cannot be made: {error.strerror}") from error
    try:
        yield staging
        flush(staging)
        _publish(staging, out.absolute(), overwrite=overwrite)
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror or type(error).__name__}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_sets(folder: Path, kind: Kind, sets: Mapping[str, Sequence[Record]]) -> dict[str, Any]:
    """Write every set twice, and return the size and the digest of each file."""
    records = [record for members in sets.values() for record in members]
    schema = _schema(kind, records)
    for name in reversed(SPLITS):
        rows = (row_of(record, schema.names) for record in sets[name])
        write_set(rows, folder / f"{name}.jsonl", folder / f"{name}.parquet", schema)
    return {file.name: described(file) for file in sorted(folder.iterdir())}


def row_of(record: Record, names: Sequence[str]) -> dict[str, Any]:
    """Return a record as a row, with those of its columns that all records have.

    What is known of it are texts and numbers and never null, so that every reader infers the same columns from every file.
    """
    origin = record.origin
    said = {
        "id": origin.id,
        "source": origin.source,
        "licence": origin.licence,
        "weight": round(origin.weight, 6),
        "policy": origin.policy,
        "group": ",".join(origin.groups),
        "categories": ",".join(origin.categories),
        "benign": {True: "yes", False: "no", None: ""}[origin.benign],
        "look_alike": origin.look_alike,
    }
    return {name: value for name, value in {**record.columns(), **said}.items() if name in names}


def write_json(file: Path, value: Any) -> None:  # noqa: ANN401 - plain JSON values
    """Write a value as JSON for people, and have it on the disk."""
    write_text(file, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _schema(kind: Kind, records: Sequence[Record]) -> pa.Schema:
    import pyarrow as pa

    word, words = pa.string(), pa.list_(pa.string())
    messages = pa.list_(pa.struct([("role", word), ("content", word)]))
    margin = {"margin": pa.float64()} if _all_have_margins(records) else {}
    reward = pa.bool_() if _all_right_or_wrong(records) else pa.float64()
    columns: dict[str, Any] = {
        Kind.PAIRS: {"prompt": messages, "chosen": messages, "rejected": messages, **margin},
        Kind.SFT: {"messages": messages},
        Kind.UNPAIRED: {"prompt": messages, "completion": messages, "label": pa.bool_()},
        Kind.SCALAR: {"prompt": messages, "completion": messages, "score": pa.float64()},
        Kind.PROCESS: {"prompt": messages, "completions": words, "labels": pa.list_(reward)},
        Kind.PROMPTS: {"prompt": messages},
    }[kind]
    known = {"id": word, "source": word, "licence": word, "weight": pa.float64(), "policy": word, "group": word}
    return pa.schema({**columns, **known, "categories": word, "benign": word, "look_alike": pa.bool_()})


def _all_have_margins(records: Sequence[Record]) -> bool:
    """A trainer takes a margin for every pair, or for none."""
    return bool(records) and all(isinstance(record, Pair) and record.margin is not None for record in records)


def _all_right_or_wrong(records: Sequence[Record]) -> bool:
    return all(reward in (0.0, 1.0) for record in records if isinstance(record, Steps) for reward in record.rewards)


def _publish(staging: Path, out: Path, *, overwrite: bool) -> None:
    before = staging.with_name(f"{staging.name}-before")
    if overwrite and out.exists():
        os.rename(out, before)
    try:
        os.rename(staging, out)
    except OSError:
        if before.exists():
            os.rename(before, out)
        raise
    shutil.rmtree(before, ignore_errors=True)
    flush(out.parent)
