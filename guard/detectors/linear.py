"""The linear stage of the embedded classifier: hashed features times int8 weights, calibrated.

The file has the layout of safetensors (8 bytes of length, a JSON header, raw arrays), so that it can be read by anybody's tools
and never runs code. A text's sum is made of whole numbers small enough for float32 to hold exactly, so no order of addition and
no batch can change a score.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from guard.categories import group
from guard.detectors.features import BUCKETS, features
from guard.errors import DetectorError

FORMAT = "tenet-linear-1"
WINDOW = 800
"""Longest stretch that is judged at once, in code points; the model was trained on stretches of this size."""

OVERLAP = 200
"""How much of the last window a window shows again, in code points."""

_BLANK = re.compile(r"\s")
_LENGTH_BYTES = 8
_DTYPES = {"I8": np.int8, "F32": np.float32}


class Scorer(Protocol):
    """One stage of a classifier: texts in, calibrated scores out."""

    @property
    def version(self) -> str:
        """Changes whenever a score may change."""
        ...

    @property
    def categories(self) -> tuple[str, ...]:
        """The meaning of the columns of `scores`."""
        ...

    @property
    def thresholds(self) -> Mapping[str, float]:
        """For each category, the score that at most 1 % of harmless texts reach."""
        ...

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array of shape (texts, categories), in [0, 1]; a long text gets its highest window's score."""
        ...


@dataclass(frozen=True, slots=True)
class LinearStage:
    """A trained linear model.

    Attributes:
        weights: int8, shape (BUCKETS, categories).
        scales: float32, shape (2, categories): the unit of the weights of words and of pieces.
        bias: float32, shape (categories,), in calibrated log-odds.
        loose: For each category, the score that at most 5 % of harmless texts reach.
        about: What the file says about its own making.
        version: The start of the SHA-256 of the file.
    """

    categories: tuple[str, ...]
    weights: NDArray[np.int8]
    scales: NDArray[np.float32]
    bias: NDArray[np.float32]
    thresholds: Mapping[str, float]
    loose: Mapping[str, float]
    about: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    _groups: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_groups", groups(self.categories))

    @classmethod
    def load(cls, path: Path, detector: str = "embedded") -> LinearStage:
        """Read a model and check it against the digest beside it (`PATH.sha256`).

        Raises:
            DetectorError: Where the file is missing, was changed, or is not a model of this version.
        """
        try:
            raw = path.read_bytes()
            expected = path.with_name(path.name + ".sha256").read_text(encoding="ascii").split()[0]
        except (OSError, IndexError) as error:
            raise DetectorError(detector, f"{path} and its .sha256 cannot be read ({error}); reinstall tenet-guard") from error
        found = hashlib.sha256(raw).hexdigest()
        if found != expected:
            way_out = "reinstall tenet-guard, or rebuild it with `make model`"
            raise DetectorError(detector, f"{path} was changed: expected SHA-256 {expected}, got {found}; {way_out}")
        try:
            return cls._parse(raw, version=found[:16])
        except (KeyError, ValueError) as error:
            raise DetectorError(detector, f"{path}: expected a model of format {FORMAT}, got {error}") from error

    @classmethod
    def _parse(cls, raw: bytes, version: str) -> LinearStage:
        start = _LENGTH_BYTES + int.from_bytes(raw[:_LENGTH_BYTES], "little")
        header = json.loads(raw[_LENGTH_BYTES:start])
        meta = header["__metadata__"]
        if meta["format"] != FORMAT:
            raise ValueError(f"format {meta['format']}")
        categories = tuple(json.loads(meta["categories"]))
        arrays = {name: _array(raw, start, entry) for name, entry in header.items() if name != "__metadata__"}
        if arrays["weights"].shape != (BUCKETS, len(categories)):
            raise ValueError(f"weights of shape {arrays['weights'].shape}")
        thresholds, loose = (json.loads(meta[name]) for name in ("thresholds", "loose"))
        return cls(categories, arrays["weights"], arrays["scales"], arrays["bias"], thresholds, loose, meta, version)

    def dump(self) -> bytes:
        """Return the model as the bytes of a file; the same model gives the same bytes."""
        meta = {
            **self.about,
            "format": FORMAT,
            "categories": json.dumps(self.categories),
            "thresholds": json.dumps(dict(self.thresholds)),
            "loose": json.dumps(dict(self.loose)),
        }
        header: dict[str, Any] = {"__metadata__": meta}
        blobs: list[bytes] = []
        # float32 first: safetensors wants arrays aligned to their item size
        for name, dtype, array in (("scales", "F32", self.scales), ("bias", "F32", self.bias), ("weights", "I8", self.weights)):
            offset = sum(map(len, blobs))
            blobs.append(np.ascontiguousarray(array).tobytes())
            header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + len(blobs[-1])]}
        text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _LENGTH_BYTES)
        return len(text).to_bytes(_LENGTH_BYTES, "little") + text + b"".join(blobs)

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array of shape (texts, categories); see `Scorer.scores`."""
        found = np.empty((len(texts), len(self.categories)), dtype=np.float32)
        for row, text in enumerate(texts):
            found[row] = np.max([self.logits(window) for window in windows(text)], axis=0)
        scores: NDArray[np.float32] = np.float32(1) / (np.float32(1) + np.exp(-found))
        return scores

    def logits(self, window: str) -> NDArray[np.float32]:
        """Return the calibrated log-odds of each category for one window; a kind never has more than its group."""
        words, pieces = features(window)
        found: NDArray[np.float32] = self.bias + self._sum(words) * self.scales[0] + self._sum(pieces) * self.scales[1]
        return np.minimum(found, found[self._groups])

    def _sum(self, buckets: NDArray[np.int64]) -> NDArray[np.float32]:
        if not buckets.size:
            return np.zeros(len(self.categories), dtype=np.float32)
        rows = self.weights.take(buckets, axis=0).astype(np.float32)
        total: NDArray[np.float32] = np.ones(buckets.size, dtype=np.float32) @ rows
        return total / np.float32(np.sqrt(buckets.size))


def groups(categories: Sequence[str]) -> NDArray[np.int64]:
    """Return for each category the index of its group, or its own where the group is not among them."""
    return np.array(
        [categories.index(group(name)) if group(name) in categories else index for index, name in enumerate(categories)]
    )


def windows(text: str) -> list[str]:
    """Return stretches of at most `WINDOW` code points that cover `text`; they overlap and are cut between words if possible."""
    if len(text) <= WINDOW:
        return [text]
    found = []
    start = 0
    while len(text) - start > WINDOW:
        end = _before_blank(text, start + WINDOW - OVERLAP // 2, start + WINDOW)
        found.append(text[start:end])
        start = _after_blank(text, end - OVERLAP, end - OVERLAP // 2)
    return [*found, text[start:]]


def _before_blank(text: str, low: int, high: int) -> int:
    return max((match.start() for match in _BLANK.finditer(text, low, high)), default=high)


def _after_blank(text: str, low: int, high: int) -> int:
    match = _BLANK.search(text, low, high)
    return match.end() if match else low


def _array(raw: bytes, start: int, entry: Mapping[str, Any]) -> NDArray[Any]:
    begin, end = entry["data_offsets"]
    return np.frombuffer(raw[start + begin : start + end], dtype=_DTYPES[entry["dtype"]]).reshape(entry["shape"])
