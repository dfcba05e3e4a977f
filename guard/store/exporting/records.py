"""The columns of each format, as trainers and `guard evaluate` take them.

Beside them, every record has `id` (stands for its texts), `source` (kinds of who spoke of it) and `weight` (what is behind it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from guard.store.exporting.conversations import Message
from guard.store.exporting.spool import Held

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types

Record = dict[str, Any]


def _answer(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}]


def _pair(item: Held, values: Mapping[str, float]) -> Record:
    chosen, rejected = item.texts if values[""] > 0 else reversed(item.texts)
    return {"prompt": item.prompt, "chosen": _answer(chosen), "rejected": _answer(rejected)}


def _sft(item: Held, values: Mapping[str, float]) -> Record:
    return {"messages": [*item.prompt, *_answer(item.texts[0])]}


def _binary(item: Held, values: Mapping[str, float]) -> Record:
    return {"prompt": item.prompt, "completion": _answer(item.texts[0]), "label": values[""] > 0}


def _scalar(item: Held, values: Mapping[str, float]) -> Record:
    return {"prompt": item.prompt, "completion": _answer(item.texts[0]), "score": values[""]}


def _moderation(item: Held, values: Mapping[str, float]) -> Record:
    labels = {category: int(value > 0) for category, value in sorted(values.items())}
    return {"text": item.texts[0], "labels": labels, **item.extra}


RECORDS: Mapping[str, Callable[[Held, Mapping[str, float]], Record]] = {
    "pairs": _pair,
    "sft": _sft,
    "binary": _binary,
    "scalar": _scalar,
    "moderation": _moderation,
}


def table_schema(kind: str, categories: Sequence[str]) -> pa.Schema:
    """Return the columns of a Parquet file.

    Args:
        categories: Those that records have labels of; in a table every record has all of them, null where unknown.
    """
    import pyarrow as pa

    word = pa.string()
    messages = pa.list_(pa.struct([("role", word), ("content", word)]))
    labels = pa.struct([(name, pa.int8()) for name in categories or ("any",)])
    columns = {
        "pairs": {"prompt": messages, "chosen": messages, "rejected": messages},
        "sft": {"messages": messages},
        "binary": {"prompt": messages, "completion": messages, "label": pa.bool_()},
        "scalar": {"prompt": messages, "completion": messages, "score": pa.float64()},
        "moderation": {"text": word, "labels": labels, "stage": word, "role": word, "prompt": word},
    }[kind]
    return pa.schema([*columns.items(), ("id", word), ("source", word), ("weight", pa.float64())])
