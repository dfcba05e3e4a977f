"""A model that onnxruntime runs."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from guard.detectors.classifiers.network import Facts, Network, Tokens
from guard.errors import DetectorError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

DYNAMIC = b"DynamicQuant"
"""How the names of operators begin that take one scale over everything a call holds, so that rows change each other's scores."""

_TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


class OnnxNetwork(Network):
    """An ONNX graph of `input_ids`, and as it wishes `attention_mask` and `token_type_ids`.

    Raises:
        DetectorError: Where the graph wants something else.
    """

    def __init__(self, detector: str, facts: Facts, tokenizer: Tokenizer, session: Any) -> None:  # noqa: ANN401
        inputs = {each.name: each for each in session.get_inputs()}
        if "input_ids" not in inputs or not set(inputs) <= {"input_ids", "attention_mask", "token_type_ids"}:
            expected = "expected a graph of `input_ids`, `attention_mask` and `token_type_ids`"
            raise DetectorError(detector, f"model: {expected}, found {', '.join(inputs)}; it is no text classifier")
        rows, tokens = (*inputs["input_ids"].shape, None, None)[:2]
        if isinstance(rows, int) and rows != 1:
            raise DetectorError(detector, f"model: expected a free number of rows, found {rows}; export it with a dynamic axis")
        self._length = tokens if isinstance(tokens, int) else None
        limit = min(facts.limit, self._length or facts.limit)
        # without a mask padding is read as text, so rows of different length cannot share a call
        super().__init__(replace(facts, limit=limit, alone=facts.alone or rows == 1 or "attention_mask" not in inputs), tokenizer)
        self._session = session
        self._types = {name: _TYPES.get(each.type, np.int64) for name, each in inputs.items()}
        names = [each.name for each in session.get_outputs()]
        self._output = "logits" if "logits" in names else names[0]

    def logits(self, ids: Tokens, mask: Tokens, types: Tokens) -> NDArray[np.float32]:
        """Return an array of shape (rows, labels)."""
        given = {"input_ids": self._filled(ids, self.facts.pad)}
        given |= {"attention_mask": self._filled(mask, 0), "token_type_ids": self._filled(types, 0)}
        feed = {name: given[name].astype(dtype, copy=False) for name, dtype in self._types.items()}
        found: NDArray[np.float32] = np.asarray(self._session.run([self._output], feed)[0], dtype=np.float32)
        return found

    def _filled(self, array: Tokens, value: int) -> Tokens:
        """Pad to the length that a graph without a free one was made for."""
        if self._length is None:
            return array
        return np.pad(array, ((0, 0), (0, self._length - array.shape[1])), constant_values=value)


def is_dynamic(files: Iterable[Path]) -> bool:
    """Return whether a graph quantises its activations by what is in the call.

    Operators are named in the file as text; finding a name that is none only costs speed.
    """
    return any(_contains(path, DYNAMIC) for path in files)


def _contains(path: Path, word: bytes) -> bool:
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(word) >= 0
