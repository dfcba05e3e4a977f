"""The engine that judges on Ray Data: one task reads, actors with a guard each judge, and results come back in order."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guard.engine import Guard
from guard.errors import MissingExtra, TenetError
from guard.scanning.judging import Judge, Question
from guard.scanning.records import Judged, Position, Record, Source

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
    from ray.data import Dataset

_BLOCK_BYTES = 4 * 1024 * 1024
"""Bytes of records in a block: what an actor gets at a time, and so what keeps all of them busy."""
_BLOCK_RECORDS = 2048


def require_ray(source: str) -> None:
    """Check that a file can be scanned on Ray.

    Raises:
        MissingExtra: Without Ray Data.
        TenetError: For a pipe, which no other process can read.
    """
    if any(importlib.util.find_spec(module) is None for module in ("ray", "pyarrow")):
        raise MissingExtra("--engine ray", "ray")
    if source == "-" or (Path(source).exists() and not Path(source).is_file()):
        raise TenetError("--engine ray: expected a file that every worker can open, got a pipe; use --engine local")


def judge_on_ray(source: Source, start: Position, policy: str, digest: str, question: Question) -> Generator[list[Judged]]:
    """Yield what comes of the records from `start` on.

    Args:
        policy: As the user named it; each actor loads it.
        digest: What it must be there.

    Raises:
        TenetError: Where an actor cannot go on.
    """
    ray = _started()
    try:
        judged = _dataset(source, start).map_batches(
            _Judging,
            fn_constructor_kwargs={"policy": _absolute(policy), "digest": digest, "question": question},
            batch_size=None,
            batch_format="pyarrow",
            concurrency=(1, max(1, int(ray.available_resources().get("CPU", 1)))),
        )
        for table in judged.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1):
            yield [Judged(Position(*after), line) for *after, line in _rows(table, "at", "after_row", "read", "line")]
    except ray.exceptions.RayError as error:
        raise TenetError(f"--engine ray: a worker could not go on: {_cause(error)}; the same command goes on later") from error
    finally:
        ray.shutdown()


class _Judging:
    """A guard in an actor."""

    def __init__(self, policy: str, digest: str, question: Question) -> None:
        guard = Guard(policy)
        if guard.policy.digest != digest:
            raise TenetError(f"expected the policy {digest}, found {guard.policy.digest}")
        guard.prepare()
        self._judge = Judge(guard, question)

    def __call__(self, batch: pa.Table) -> pa.Table:
        records = [
            Record(row, Position(*after), text, id_, error)
            for row, *after, text, id_, error in _rows(batch, "row", "at", "after_row", "read", "text", "id", "error")
        ]
        return _table(asyncio.run(self._judged(records)), {"line": "binary"}, lambda each: (each.line,))

    async def _judged(self, records: list[Record]) -> list[Judged]:
        return await asyncio.gather(*map(self._judge.judge, records))


def _dataset(source: Source, start: Position) -> Dataset:
    from ray.data import Datasource, ReadTask, read_datasource
    from ray.data.block import BlockMetadata

    class Records(Datasource):
        """The records of a source, read by one task as one stream."""

        def estimate_inmemory_data_size(self) -> int | None:
            return source.total

        def get_read_tasks(self, *_: object, **_options: object) -> list[ReadTask]:
            metadata = BlockMetadata(num_rows=None, size_bytes=source.total, input_files=None, exec_stats=None)
            return [ReadTask(partial(_blocks, source, start), metadata)]

    records = Records()  # type: ignore[no-untyped-call]  # Ray's own constructor has no types
    dataset: Dataset = read_datasource(records, override_num_blocks=1, num_cpus=0)
    return dataset


def _blocks(source: Source, start: Position) -> Iterator[pa.Table]:
    block: list[Record] = []
    size = 0
    for chunk in source.chunks(start):
        for record in chunk:
            block.append(record)
            size += len(record.text)
            if len(block) >= _BLOCK_RECORDS or size >= _BLOCK_BYTES:
                yield _read(block)
                block, size = [], 0
    if block:
        yield _read(block)


def _read(records: list[Record]) -> pa.Table:
    types = {"row": "int64", "text": "large_string", "id": "binary", "error": "string"}
    return _table(records, types, lambda each: (each.row, each.text, each.id, each.error))


def _table(results: list[Any], types: dict[str, str], values: Any) -> pa.Table:  # noqa: ANN401
    """Return records or results as a table with where each of them ends."""
    import pyarrow as pa

    columns = {"at": "int64", "after_row": "int64", "read": "int64", **types}
    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns.items()])
    rows = [(*each.after, *values(each)) for each in results]
    held = zip(*rows, strict=True) if rows else ((),) * len(columns)
    return pa.Table.from_pydict(dict(zip(columns, held, strict=True)), schema)


def _rows(table: pa.Table, *columns: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(table.column(name).to_pylist() for name in columns), strict=True)


def _started() -> Any:  # noqa: ANN401
    """Start Ray on this machine alone, quietly, and have it tell nobody."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray
    import ray.data

    with _quiet(), _own_signals():
        ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.target_max_block_size = _BLOCK_BYTES
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep who is told to stop: Ray would take that over, and end the process at once."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the terminal what Ray's own processes say while they start, such as that they will say nothing."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _absolute(policy: str) -> str:
    return str(Path(policy).absolute()) if "/" in policy or policy.endswith(".yaml") else policy


def _cause(error: BaseException) -> str:
    """Return the type of what went wrong in a worker; its message may hold anything."""
    inner = getattr(error, "cause", None) or error.__cause__ or error
    return str(inner) if isinstance(inner, TenetError) else type(inner).__name__
