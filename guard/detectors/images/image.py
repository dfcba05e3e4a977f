"""The kind `image`: nudity by a model, lists of denied images by perceptual hashes, and what cannot be read at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from guard.detectors.images import denied
from guard.detectors.running import Threaded
from guard.errors import MissingExtra
from guard.policy.kinds import Mistake
from guard.values import Finding, Item, Needs

NUDITY, DENIED, UNREADABLE = "image/nudity", "image/denied", "image/unreadable"
DISTANCE = 6
"""Bits, of 64, in which an image may differ from a denied one, where a policy does not say."""

_LIMITS = {"most_bytes": "bytes", "most_pixels": "pixels", "most_side": "side", "most_frames": "frames", "frames": "shown"}


class ImageDetector(Threaded):
    """Judges images. `reader` hands what is written in them to the engine, where the policy asks for it."""

    batch = 4
    model_key = "opennsfw"

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Load what the options ask for; see the catalogue for them."""
        try:
            from guard.detectors.images import hashing, nudity, opening, reading
        except ImportError as error:
            raise MissingExtra(f"the detector '{name}'", "images") from error
        self._opening = opening
        self._hashing = hashing
        self._limits = opening.Limits(**{field: options[key] for key, field in _LIMITS.items() if key in options})
        self._denied = denied.entries(options)
        self._distance = int(options.get("distance", DISTANCE))
        self._model = nudity.nudity_model(name) if options.get("nudity", True) else None
        wanted = _engine(options)
        self.reader: reading.Reader | None = None
        if wanted:
            language = str(options.get("ocr_language", "eng"))
            self.reader = reading.Reader(name, reading.engine(name, wanted, language), self._limits)
        versions = ["1", self._model.version if self._model else "", self.reader.version if self.reader else ""]
        super().__init__(name, ":".join(versions), Needs(media=("image/",)), categories_of(options))

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return one list of findings for each item; none for a text."""
        return [[] if item.media is None else self._judged(item, item.media) for item in items]

    def warm_up(self) -> None:
        """Run the model once."""
        if self._model is not None:
            self._model.score([self._opening.blank()])

    def _judged(self, item: Item, data: bytes) -> list[Finding]:
        try:
            pictures = self._opening.pictures(data, self._limits)
        except self._opening.Unreadable:
            return [self._finding(UNREADABLE, 1.0, item)]
        found = []
        if self._model is not None:
            found.append(self._finding(NUDITY, self._model.score(pictures), item))
        distance = min(self._hashing.distance(picture, self._denied) for picture in pictures)
        if distance <= self._distance:
            found.append(self._finding(DENIED, 1.0 - distance / denied.BITS, item))
        return found

    def _finding(self, category: str, score: float, item: Item) -> Finding:
        return Finding(self.name, category, score, None, item.location, item.role)


def make(name: str, options: Mapping[str, Any]) -> ImageDetector:
    """Build the detector."""
    return ImageDetector(name, options)


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what it can report with these options."""
    nudity = (NUDITY,) if options.get("nudity", True) else ()
    listed = (DENIED,) if options.get("deny_hashes") or options.get("deny_hashes_file") else ()
    return (*nudity, *listed, UNREADABLE)


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return what is wrong in options of the right types."""
    mistakes = [*denied.mistakes(options)]
    if options.get("ocr", False) not in (True, False, "rapidocr", "tesseract"):
        mistakes.append(Mistake(("ocr",), "true, false, rapidocr or tesseract", f'"{options["ocr"]}"'))
    return mistakes


def _engine(options: Mapping[str, Any]) -> str:
    wanted = options.get("ocr", False)
    return wanted if isinstance(wanted, str) else "rapidocr" if wanted else ""
