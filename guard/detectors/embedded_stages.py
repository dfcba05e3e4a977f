"""The two stages of the embedded classifier, and how they share the work: which texts are clear, and what both say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from guard.categories import OPENAI
from guard.runtime.shared import shared

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guard.detectors.encoder_stage import EncoderStage
    from guard.detectors.row_memory import RowMemory

CATEGORIES = (*OPENAI, "toxicity", "profanity", "jailbreak", "injection", "harmful-request", "harmful-response")
"""Every category that it reports."""

CLEAR = 0.02
"""Below this in every category, the linear stage's verdict stands: that nothing is there.

On rows held out of both stages, one in 2,000 of what the transformer finds is lost so, and half of harmless prompts end here.
"""

DOUBTFUL = 0.3
"""From this score of a question in any category on, the transformer reads the answer although it seems clear by itself."""

MOST_UNCLEAR = 256
"""Windows of one message that the transformer reads at most: those in which the linear stage sees most. The others, of texts far
longer than 100,000 characters, keep the linear stage's verdict, so that nobody can buy minutes of work with one request."""

LINEAR_SHARE = 0.25
"""Share of the linear stage in the log-odds of what both have read; it remembers wordings that the transformer weighs lightly."""

MODEL = Path(__file__).parent / "models" / "linear.safetensors"
"""The weights of the linear stage; `models/README.md` says what they were trained on and how good they are."""

ENCODER = MODEL.with_name("encoder.onnx")
"""The weights of the transformer; `models/encoder.md` is their card."""

_LEAST = 1e-4
_PIECE, _OVERLAP = 2000, 200


class Stages:
    """The weights of both stages; those of the transformer are loaded when they are first needed, once for the process."""

    def __init__(self, detector: str, folder: Path = MODEL.parent) -> None:
        """Load the linear stage, and check the digest of the other.

        Args:
            folder: Where the weights of both are.

        Raises:
            DetectorError: Where weights are missing or were changed.
        """
        from guard.detectors.encoder_stage import checked_digest
        from guard.detectors.linear import LinearStage

        self._detector = detector
        self._path = folder / ENCODER.name
        self.categories = CATEGORIES
        self.linear = LinearStage.load(folder / MODEL.name, detector)
        self.version = f"{self.linear.version} {checked_digest(self._path, detector)[:16]}"
        self._encoder: EncoderStage | None = None
        self._memory: RowMemory | None = None

    def remember(self) -> None:
        """Remember from now on what the linear stage says of a text."""
        from guard.detectors.row_memory import RowMemory

        self._memory = self._memory or RowMemory()

    def first(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the linear stage's scores, of shape (texts, categories)."""
        import numpy as np

        rows = [self._first(text) for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), len(CATEGORIES))

    def _first(self, text: str) -> NDArray[np.float32]:
        if self._memory is None:
            return self._linear(text)
        key = self._memory.key(text)
        row = self._memory.get(key)
        if row is None:
            row = self._linear(text)
            self._memory.put(key, row)
        return row

    def _linear(self, text: str) -> NDArray[np.float32]:
        row: NDArray[np.float32] = self.linear.scores([text])[0]
        return row

    @property
    def thresholds(self) -> Mapping[str, float]:
        """For each category, the score that at most 1 % of harmless texts reach."""
        return self.encoder().thresholds

    def encoder(self) -> EncoderStage:
        """Return the transformer. Raises DetectorError where its file is not a model of this version."""
        from guard.detectors.encoder_stage import EncoderStage

        if self._encoder is None:
            self._encoder = shared((self._path, self.version), lambda: EncoderStage.load(self._path, self._detector))
        return self._encoder

    def scores(self, texts: Sequence[str], questions: Sequence[str] = ()) -> NDArray[np.float32]:
        """Return the scores of the cascade, of shape (texts, categories); a long text gets its highest piece's score.

        Args:
            questions: What each text answers, "" where it is no answer; may be left out where none is.
        """
        import numpy as np

        if not texts:
            return np.zeros((0, len(CATEGORIES)), dtype=np.float32)
        asked = questions or [""] * len(texts)
        return np.stack([self._score(text, question) for text, question in zip(texts, asked, strict=True)])

    def both(self, texts: Sequence[str], questions: Sequence[str] = ()) -> NDArray[np.float32]:
        """Return the scores of both stages together, of shape (texts, categories); see `EncoderStage.scores` for questions."""
        return self.blended(self.first(texts), texts, questions)

    def blended(self, first: NDArray[np.float32], texts: Sequence[str], questions: Sequence[str] = ()) -> NDArray[np.float32]:
        """Return the scores of both stages, where those of the linear one are known."""
        encoder = self.encoder()
        return encoder.together(self.odds(first, encoder.scores(texts, questions)))

    @staticmethod
    def odds(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a weighted mean of the log-odds of both stages' scores."""
        import numpy as np

        one, other = (
            np.log(scores / (1 - scores)) for scores in (np.clip(given, _LEAST, 1 - _LEAST) for given in (first, second))
        )
        mean: NDArray[np.float32] = LINEAR_SHARE * one + (1 - LINEAR_SHARE) * other
        return mean

    def unclear(self, rows: NDArray[np.float32], questions: Sequence[str] = ()) -> list[int]:
        """Return the indices of the texts that the transformer is to read: what is not clear, and answers to what is doubtful.

        Args:
            rows: The linear stage's scores of the texts.
            questions: What each text answers, "" where it is no answer; may be left out where none is.
        """
        doubts = rows.max(axis=1, initial=0)
        asked = [index for index, question in enumerate(questions) if question and doubts[index] < CLEAR]
        if asked:
            doubtful = self.first([questions[index] for index in asked]).max(axis=1) >= DOUBTFUL
            doubts[[index for index, doubt in zip(asked, doubtful, strict=True) if doubt]] = CLEAR
        found = [index for index, doubt in enumerate(doubts) if doubt >= CLEAR]
        return found if len(found) <= MOST_UNCLEAR else sorted(sorted(found, key=lambda index: -doubts[index])[:MOST_UNCLEAR])

    def _score(self, text: str, question: str) -> NDArray[np.float32]:
        pieces = _pieces(text)
        rows = self.linear.scores(pieces)
        unclear = self.unclear(rows, [question] * len(pieces))
        if unclear:
            rows[unclear] = self.blended(rows[unclear], [pieces[index] for index in unclear], [question] * len(unclear))
        highest: NDArray[np.float32] = rows.max(axis=0)
        return highest


def _pieces(text: str) -> list[str]:
    """Return a text in pieces that overlap, or as it is, where it is not long."""
    return [text[start : start + _PIECE] for start in range(0, max(1, len(text) - _OVERLAP), _PIECE - _OVERLAP)]
