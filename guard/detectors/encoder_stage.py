"""The transformer stage of the embedded classifier: a fine-tuned MiniLM-L6 in int8, run by onnxruntime.

The graph takes one scale for its activations from all that one call shows it. So each window is a call of its own: as quick on a
processor as a batch, and no text's score depends on its company.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from guard.categories import group
from guard.detectors.meaning.wordpiece import bert_uncased
from guard.detectors.spelled import spelled
from guard.errors import DetectorError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "tenet-encoder-1"
WINDOW = 160
"""Tokens that are judged at once, special ones left out; the model was trained on stretches of this size."""

OVERLAP = 32
"""How many tokens of the last window a window shows again."""

CLASSIFY, SEPARATE = 101, 102
"""BERT's [CLS] and [SEP]."""

_WAY_OUT = "reinstall tenet-guard, or rebuild it with `make model`"


def checked_digest(path: Path, detector: str) -> str:
    """Return the SHA-256 of a model file.

    Raises:
        DetectorError: Where the file is missing, or its digest is not the one that stands beside it.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        expected = path.with_name(path.name + ".sha256").read_text(encoding="ascii").split()[0]
    except (OSError, IndexError) as error:
        raise DetectorError(detector, f"{path} and its .sha256 cannot be read ({error}); {_WAY_OUT}") from error
    if found != expected:
        raise DetectorError(detector, f"{path} was changed: expected SHA-256 {expected}, got {found}; {_WAY_OUT}")
    return found


def tokens_of(text: str) -> tuple[int, ...]:
    """Return the text's tokens as the model reads it, special ones left out."""
    ids = bert_uncased().ids(spelled(text))
    return tuple(token for token in ids if token not in (CLASSIFY, SEPARATE))


class EncoderStage:
    """A trained transformer with its calibration; a `guard.detectors.linear.Scorer`."""

    def __init__(self, session: Any, about: Mapping[str, str], version: str) -> None:  # noqa: ANN401
        self._session = session
        self.version = version
        self.about = about
        self.categories: tuple[str, ...] = tuple(json.loads(about["categories"]))
        self.thresholds: Mapping[str, float] = json.loads(about["thresholds"])
        self._slopes = np.array(json.loads(about["slopes"]), dtype=np.float32)
        self._offsets = np.array(json.loads(about["offsets"]), dtype=np.float32)
        self._groups = np.array(
            [
                self.categories.index(group(name)) if group(name) in self.categories else index
                for index, name in enumerate(self.categories)
            ]
        )

    @classmethod
    def load(cls, path: Path, detector: str = "embedded") -> EncoderStage:
        """Read a model file, and check its digest against the one that stands beside it.

        Raises:
            DetectorError: Where the file is missing, was changed, or is not a model of this version.
        """
        import onnxruntime

        version = checked_digest(path, detector)[:16]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        about = session.get_modelmeta().custom_metadata_map
        if about.get("format") != FORMAT:
            raise DetectorError(detector, f"{path}: expected a model of format {FORMAT}, got {about.get('format')}; {_WAY_OUT}")
        return cls(session, about, version)

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array of shape (texts, categories), in [0, 1]; a long text gets its highest window's score."""
        found = np.stack([self.calibrated(self.logits(text)) for text in texts]) if texts else np.empty((0, len(self.categories)))
        return found.astype(np.float32)

    def logits(self, text: str) -> NDArray[np.float32]:
        """Return the model's own log-odds of each category: the highest of the text's windows."""
        tokens = tokens_of(text)
        starts = range(0, max(1, len(tokens) - OVERLAP), WINDOW - OVERLAP)
        windows = [self._window(tokens[start : start + WINDOW]) for start in starts]
        highest: NDArray[np.float32] = np.max(windows, axis=0)
        return highest

    def calibrated(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores for log-odds; a kind never has more than its group."""
        odds = self._slopes * logits + self._offsets
        odds = np.minimum(odds, odds[..., self._groups])
        scores: NDArray[np.float32] = np.float32(1) / (np.float32(1) + np.exp(-odds))
        return scores

    def _window(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        ids = np.array([[CLASSIFY, *tokens, SEPARATE]], dtype=np.int64)
        row: NDArray[np.float32] = self._session.run(None, {"ids": ids, "mask": np.ones_like(ids)})[0][0]
        return row
