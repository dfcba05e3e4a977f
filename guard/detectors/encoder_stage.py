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

FORMAT = "tenet-encoder-2"
WINDOW = 160
"""Tokens that are judged at once, special ones left out; the model was trained on stretches of this size."""

OVERLAP = 32
"""How many tokens of the last window a window shows again."""

PROMPT_START, PROMPT_END = 24, 40
"""How many tokens of an answer's prompt are shown before the answer: of a long one, its beginning and its end."""

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


def shown_of(tokens: tuple[int, ...]) -> tuple[int, ...]:
    """Return what is shown of a prompt's tokens."""
    most = PROMPT_START + PROMPT_END
    return tokens if len(tokens) <= most else (*tokens[:PROMPT_START], *tokens[-PROMPT_END:])


def sequence(window: Sequence[int], prompt: Sequence[int] = ()) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the tokens of a window as the model is given them, after its prompt's, and which of them are judged: 1 or 0."""
    before = (*prompt, SEPARATE) if prompt else ()
    return (CLASSIFY, *before, *window, SEPARATE), (1, *(0 for _ in before), *(1 for _ in window), 1)


class EncoderStage:
    """A trained transformer with its calibration; a `guard.detectors.linear.Scorer`."""

    def __init__(self, session: Any, about: Mapping[str, str], version: str) -> None:  # noqa: ANN401
        self._session = session
        self.version = version
        self.about = about
        self.categories: tuple[str, ...] = tuple(json.loads(about["categories"]))
        self.thresholds: Mapping[str, float] = json.loads(about["thresholds"])
        self._alone = _calibration(about, "slopes", "offsets")
        self._together = _calibration(about, "slopes_together", "offsets_together")
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

    def scores(self, texts: Sequence[str], prompts: Sequence[str] = ()) -> NDArray[np.float32]:
        """Return an array of shape (texts, categories), in [0, 1]; a long text gets its highest window's score.

        Args:
            prompts: What each text is an answer to, "" where it is none; may be left out where none is.
        """
        if not texts:
            return np.empty((0, len(self.categories)), dtype=np.float32)
        asked = prompts or [""] * len(texts)
        found = np.stack([self.calibrated(self.logits(text, prompt)) for text, prompt in zip(texts, asked, strict=True)])
        return found.astype(np.float32)

    def logits(self, text: str, prompt: str = "") -> NDArray[np.float32]:
        """Return the model's own log-odds of each category: the highest of the text's windows, each read after the prompt."""
        tokens = tokens_of(text)
        shown = shown_of(tokens_of(prompt)) if prompt else ()
        starts = range(0, max(1, len(tokens) - OVERLAP), WINDOW - OVERLAP)
        windows = [self._window(tokens[start : start + WINDOW], shown) for start in starts]
        highest: NDArray[np.float32] = np.max(windows, axis=0)
        return highest

    def calibrated(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores for the model's own log-odds; a kind never has more than its group."""
        return self._scores(logits, self._alone)

    def together(self, odds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores for log-odds in which the linear stage has its share; a kind never has more than its group."""
        return self._scores(odds, self._together)

    def _scores(self, odds: NDArray[np.float32], calibration: NDArray[np.float32]) -> NDArray[np.float32]:
        odds = calibration[0] * odds + calibration[1]
        odds = np.minimum(odds, odds[..., self._groups])
        scores: NDArray[np.float32] = np.float32(1) / (np.float32(1) + np.exp(-odds))
        return scores

    def _window(self, window: Sequence[int], prompt: Sequence[int]) -> NDArray[np.float32]:
        ids, judged = (np.array([row], dtype=np.int64) for row in sequence(window, prompt))
        row: NDArray[np.float32] = self._session.run(None, {"ids": ids, "mask": np.ones_like(ids), "judged": judged})[0][0]
        return row


def _calibration(about: Mapping[str, str], slopes: str, offsets: str) -> NDArray[np.float32]:
    """Return slopes and offsets as an array of shape (2, categories)."""
    return np.array([json.loads(about[slopes]), json.loads(about[offsets])], dtype=np.float32)
