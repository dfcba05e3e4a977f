"""Open an image within limits, and show it as whoever looks at it may see it.

Sizes are checked on the header, before anything is decoded. An image has one format, told by its first bytes; what is neither of
the formats allowed, broken, cut off or too large is unreadable.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

_DRAFT = 2048
"""Pixels of a side to which a JPEG is reduced while it is decoded, at no cost."""
_DEEP = frozenset(("I", "I;16", "I;16L", "I;16B", "I;16N", "F"))
"""Modes of more than 8 bits, which Pillow would clip rather than scale."""
_WITH_ALPHA = frozenset(("RGBA", "LA", "La", "RGBa", "PA"))
_BEHIND = ((255, 255, 255, 255), (0, 0, 0, 255))
_ANIMATION = 4
"""How many times the pixels of a still image an animation may have in all its frames, as each of them is decoded."""


class Unreadable(Exception):
    """An image that cannot be judged; says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large an image may be.

    Attributes:
        bytes: Of the encoded image.
        pixels: Of one frame.
        side: Pixels of its longer side.
        frames: Frames of an animation.
        shown: Frames that are judged: the first, the last, and others evenly between them.
    """

    bytes: int = 20 * 1024 * 1024
    pixels: int = 40_000_000
    side: int = 20_000
    frames: int = 500
    shown: int = 8


def pictures(data: bytes, limits: Limits) -> list[Image.Image]:
    """Return what there is to see, in RGB and upright: each judged frame, and a frame with transparent parts in three ways.

    These are before white, before black, and without its transparency, as some models read it.

    Raises:
        Unreadable: Where it is no image of an allowed format, too large, or broken.
    """
    if len(data) > limits.bytes:
        raise Unreadable(f"it has more than {limits.bytes:,} bytes")
    name = format_of(data)
    if not name:
        raise Unreadable("it is no PNG, JPEG, GIF, WEBP, BMP or AVIF")
    try:
        with Image.open(io.BytesIO(data), formats=(name,)) as image:
            frames = _checked(image, limits)
            return [seen for index in _shown(frames, limits.shown) for seen in _sights(_frame(image, index))]
    except Unreadable:
        raise
    except Exception as error:  # decoders raise whatever a broken file makes them raise
        raise Unreadable(f"it does not decode ({type(error).__name__})") from None


def blank() -> Image.Image:
    """Return a small grey picture."""
    return Image.new("RGB", (64, 64), "grey")


def format_of(data: bytes) -> str:
    """Return the format that the first bytes tell, in Pillow's words; empty for one that is not allowed."""
    return next((name for name, tells in _FORMATS.items() if tells(data)), "")


_FORMATS: dict[str, Callable[[bytes], bool]] = {
    "PNG": lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"),
    "JPEG": lambda data: data.startswith(b"\xff\xd8\xff"),
    "GIF": lambda data: data.startswith((b"GIF87a", b"GIF89a")),
    "WEBP": lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP",
    "BMP": lambda data: data.startswith(b"BM") and data[4:8] != b"ftyp",
    "AVIF": lambda data: data.startswith(b"\x00\x00") and data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"),
}
"""No two of them can be true of the same bytes, so that no file is one image to one program and another to the next."""


def _checked(image: Image.Image, limits: Limits) -> int:
    """Return how many frames there are. Raises Unreadable where the header says more than the limits allow."""
    width, height = image.size
    if max(width, height) > limits.side or width * height > limits.pixels:
        raise Unreadable(f"it has {width}×{height} pixels")
    frames = int(getattr(image, "n_frames", 1))
    if frames > limits.frames or (frames > 1 and frames * width * height > limits.pixels * _ANIMATION):
        raise Unreadable(f"it has {frames} frames of {width}×{height} pixels")
    return frames


def _shown(frames: int, most: int) -> Iterator[int]:
    if frames <= most:
        yield from range(frames)
        return
    yield from sorted({round(index * (frames - 1) / max(most - 1, 1)) for index in range(most)})


def _frame(image: Image.Image, index: int) -> Image.Image:
    if index:
        image.seek(index)
    elif image.format == "JPEG":
        image.draft("RGB", (_DRAFT, _DRAFT))
    image.load()
    upright = ImageOps.exif_transpose(image)
    return image.copy() if upright is None else upright


def _sights(frame: Image.Image) -> list[Image.Image]:
    if frame.mode in _DEEP:
        frame = _eight_bits(frame)
    if frame.mode not in _WITH_ALPHA and "transparency" not in frame.info:
        return [frame.convert("RGB")]
    layers = frame.convert("RGBA")
    if np.asarray(layers.getchannel("A")).min() == 255:
        return [layers.convert("RGB")]
    before = [Image.alpha_composite(Image.new("RGBA", layers.size, colour), layers).convert("RGB") for colour in _BEHIND]
    return [*before, layers.convert("RGB")]


def _eight_bits(frame: Image.Image) -> Image.Image:
    values: Any = np.asarray(frame, dtype=np.float32)
    top = 65_535.0 if float(values.max(initial=0)) > 255 else 255.0
    return Image.fromarray(np.clip(values * (255.0 / top), 0, 255).astype(np.uint8), "L")
