"""Read the words that are written in an image, for the rules that judge texts.

An engine takes up to seconds for a picture, so the runtime remembers a reading like a verdict. It carries findings and nothing
else: a reading travels as the category of one, and stays in a memory of its own, as it is somebody's words.
"""

from __future__ import annotations

import io
import logging
import shutil
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from guard.detectors.images.opening import Limits, Unreadable, pictures
from guard.detectors.running import Threaded
from guard.errors import DetectorError, MissingExtra
from guard.values import Finding, Item, Needs

ENGINES = ("rapidocr", "tesseract")

_SIDE = 2000
"""Pixels of a side that an engine reads well; a longer picture is read in pieces."""
_OVERLAP = 200
_MOST_PIECES = 12
_MOST_PICTURES = 3
_TESSERACT_SECONDS = 60


class Reader(Threaded):
    """Reads images: what it returns for each is one `finding` whose category is the text, or none where there is no text."""

    batch = 1

    def __init__(self, name: str, engine: Engine, limits: Limits) -> None:
        """Read with `engine` for the detector `name`."""
        super().__init__(name, engine.version, Needs(media=("image/",)), ())
        self.model_key = f"ocr:{engine.version}"
        self._engine = engine
        self._limits = limits

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return one list for each item; see `words`."""
        return [self._read(item) for item in items]

    def warm_up(self) -> None:
        """Read an empty picture."""
        self._engine.read(Image.new("RGB", (64, 64), "white"))

    def _read(self, item: Item) -> list[Finding]:
        if not item.media:
            return []
        try:
            seen = pictures(item.media, self._limits)
        except Unreadable:
            return []  # the detector that reads for us says so
        read = [self._engine.read(piece) for picture in _different(seen) for piece in _pieces(picture)]
        text = "\n".join(dict.fromkeys(text for text in read if text))
        return [Finding(self.name, text, 1.0, None, item.location, item.role)] if text else []


def words(findings: Sequence[Finding]) -> str:
    """Return what a reader read."""
    return findings[0].category if findings else ""


class Engine(ABC):
    """A program that reads."""

    version: str

    @abstractmethod
    def read(self, picture: Image.Image) -> str:
        """Return the lines in a picture, from top to bottom."""


class RapidOcr(Engine):
    """PaddleOCR's models on ONNX Runtime, as the package `rapidocr` ships them; made for Chinese and for Latin letters."""

    def __init__(self, name: str) -> None:
        """Load its models. Raises MissingExtra without the package."""
        try:
            from importlib.metadata import version

            from rapidocr import RapidOCR
        except ImportError as error:
            raise MissingExtra(f"the detector '{name}' with `ocr`", "ocr") from error
        self._lock = threading.Lock()
        try:
            self._engine: Any = RapidOCR(
                params={"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 1}
            )
        finally:
            logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
        self.version = f"rapidocr {version('rapidocr')}"

    def read(self, picture: Image.Image) -> str:
        """See `Engine.read`."""
        with self._lock:  # its stages keep settings of the call that runs
            found = self._engine(np.asarray(picture)[:, :, ::-1])
        return "\n".join(found.txts or ())


class Tesseract(Engine):
    """The program `tesseract`, where it is installed."""

    def __init__(self, name: str, language: str) -> None:
        """Find the program. Raises DetectorError where it is missing or does not know the language."""
        program = shutil.which("tesseract")
        if program is None:
            raise DetectorError(
                name, "expected the program `tesseract` on the PATH, got none; install it, or use `ocr: rapidocr`"
            )
        self._command = (program, "stdin", "stdout", "-l", language)
        self._name = name
        known = self._run(program, "--list-langs").split()
        missing = [part for part in language.split("+") if part not in known]
        if missing:
            raise DetectorError(name, f"expected languages that tesseract has, got {missing[0]!r}; install its language data")
        self.version = f"{self._run(program, '--version').splitlines()[0]} {language}"

    def read(self, picture: Image.Image) -> str:
        """See `Engine.read`."""
        encoded = io.BytesIO()
        picture.save(encoded, "PNG", compress_level=1)
        return "\n".join(line for line in self._run(*self._command, fed=encoded.getvalue()).splitlines() if line.strip())

    def _run(self, *command: str, fed: bytes = b"") -> str:
        try:
            done = subprocess.run(command, input=fed, capture_output=True, timeout=_TESSERACT_SECONDS, check=True)  # noqa: S603
        except (OSError, subprocess.SubprocessError) as error:
            raise DetectorError(self._name, f"tesseract failed ({type(error).__name__})") from None
        return (done.stdout or done.stderr).decode(errors="replace")


def engine(name: str, wanted: str, language: str) -> Engine:
    """Return the engine that a policy wants for the detector `name`."""
    return Tesseract(name, language) if wanted == "tesseract" else RapidOcr(name)


def _different(seen: Sequence[Image.Image]) -> list[Image.Image]:
    """Return at most three of the pictures, no two the same: the first, one between, and the last."""
    unlike = list({(picture.size, picture.tobytes()): picture for picture in seen}.values())
    chosen = sorted({0, len(unlike) // 2, len(unlike) - 1}) if len(unlike) > _MOST_PICTURES else range(len(unlike))
    return [unlike[index] for index in chosen]


def _pieces(picture: Image.Image) -> list[Image.Image]:
    """Return the picture in pieces that an engine reads well, overlapping so that a line is whole in one of them."""
    shrink = min(picture.size) / _SIDE
    if shrink > 1:
        picture = picture.resize((round(picture.width / shrink), round(picture.height / shrink)), Image.Resampling.BILINEAR)
    width, height = picture.size
    long = max(width, height)
    if long <= _SIDE:
        return [picture]
    count = min(_MOST_PIECES, -(-(long - _OVERLAP) // (_SIDE - _OVERLAP)))
    side = -(-(long + (count - 1) * _OVERLAP) // count)
    starts = [index * (side - _OVERLAP) for index in range(count)]
    return [
        picture.crop((at, 0, min(at + side, width), height) if width > height else (0, at, width, min(at + side, height)))
        for at in starts
    ]
