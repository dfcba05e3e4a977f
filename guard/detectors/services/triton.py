"""Model servers that speak the Open Inference Protocol (KServe v2), such as NVIDIA's Triton: `use: triton`.

Texts go to `/v2/models/NAME/infer` as a tensor of BYTES in JSON; a tensor of numbers with a row for each text comes back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from guard.detectors.classifiers.labels import check_map, named
from guard.detectors.services import places
from guard.detectors.services.answers import read
from guard.detectors.services.pieces import Piece
from guard.detectors.services.service import Found, Service
from guard.detectors.services.tensors import activated
from guard.policy.kinds import Mistake

INPUT = "TEXT"
LONGEST = 1_000
"""Characters of one text: few enough for the 512 tokens of most encoders, in English."""
_NUMBERS = ("FP16", "BF16", "FP32", "FP64")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")
_HINTS = {400: "check `model`, `input`, `output` and `shape` against the model's configuration", 404: "check `model` and `url`"}


class _Output(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    data: list[float | list[float]]


class _Answer(msgspec.Struct):
    outputs: list[_Output]


class Triton(Service):
    """Asks a model for one row of numbers for each text."""

    batch = 32

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Describe the detector; see `make`."""
        model, version = options["model"], options.get("model_version", "")
        self._path = f"/v2/models/{model}{f'/versions/{version}' if version else ''}/infer"
        self._input = options.get("input", INPUT)
        self._output = options.get("output", "")
        self._column = options.get("shape", "[n, 1]") == "[n, 1]"
        self._activation = options.get("activation", "softmax")
        self._columns = [named(value) for value in options["labels"]]
        place = places.endpoint(name, options["url"], options.get("key_env", ""), hints=_HINTS)
        super().__init__(place, f"triton-1 {model} {version}", options, categories_of(options), LONGEST)

    async def ask(self, asked: Sequence[Piece]) -> list[list[Found]]:
        """Return the score of every column for each piece."""
        shape = [len(asked), 1] if self._column else [len(asked)]
        texts = [piece.text for piece in asked]
        body: dict[str, Any] = {"inputs": [{"name": self._input, "shape": shape, "datatype": "BYTES", "data": texts}]}
        if self._output:
            body["outputs"] = [{"name": self._output}]
        answer = read(self.endpoint, await self.endpoint.post(self._path, body), _Answer)
        return [self._found(row) for row in self._rows(self._tensor(answer.outputs), len(asked))]

    def _tensor(self, outputs: Sequence[_Output]) -> _Output:
        chosen = [output for output in outputs if not self._output or output.name == self._output]
        if len(chosen) != 1:
            wanted = f"one named `{self._output}`" if self._output else "one; name the one to read in `output`"
            raise self.lie("outputs", wanted, str(len(chosen)))
        if chosen[0].datatype not in _NUMBERS:
            raise self.lie("outputs.datatype", f"one of {', '.join(_NUMBERS)}", "another")
        return chosen[0]

    def _rows(self, tensor: _Output, count: int) -> list[list[float]]:
        width = len(self._columns)
        if tensor.shape != [count, width] and not (width == 1 and tensor.shape == [count]):
            wanted = f"{[count, width]}, a row for each text and a column for each label"
            raise self.lie("outputs.shape", wanted, str(tensor.shape[:8]))
        flat = [value for part in tensor.data for value in (part if isinstance(part, list) else [part])]
        if len(flat) != count * width:
            raise self.lie("outputs.data", f"{count * width} numbers", str(len(flat)))
        return [flat[start : start + width] for start in range(0, len(flat), width)]

    def _found(self, row: Sequence[float]) -> list[Found]:
        scores = activated(row, self._activation)
        if not all(0 <= score <= 1 for score in scores):
            raise self.lie("outputs.data", "numbers in [0, 1], as `activation` is `none`", "one beyond")
        return [Found(name, score) for names, score in zip(self._columns, scores, strict=True) for name in names]


def make(name: str, options: Mapping[str, Any]) -> Triton:
    """Return the detector."""
    return Triton(name, options)


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in the options."""
    labels: dict[Any, Any] = dict(enumerate(options.get("labels", ())))
    mistakes = [*places.check(options), *check_map("labels", labels)]
    if len(labels) == 1 and options.get("activation", "softmax") == "softmax":
        mistakes.append(Mistake(("activation",), "`sigmoid` or `none`, as the softmax of a single column is always 1", "softmax"))
    for option in ("model", "model_version"):
        if option in options and not _NAME.fullmatch(options[option]):
            mistakes.append(Mistake((option,), "a name of letters, digits, `-`, `_` and `.`", f'"{options[option]}"'))
    return mistakes


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report."""
    return tuple(dict.fromkeys(name for value in options["labels"] for name in named(value)))
