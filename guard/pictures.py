"""Images as Python generators give them: bytes, Pillow images, arrays, lists of them, or a pipeline's output with `.images`.

An image is known by its methods, so that nothing of Pillow is loaded for generators of text.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from guard.arrays import ImageArray, is_array, read_array
from guard.errors import MissingExtra
from guard.media import Media, signature
from guard.values import Role

_GREY = (128, 128, 128)
_SIDE = 512
Pixels = tuple[float, float]
"""The values of black and of white."""


@dataclass(frozen=True, slots=True)
class _Image:
    """Bytes, or an image of Pillow's."""

    value: Any

    def encoded(self) -> list[bytes]:
        return [_encoded(self.value)]

    def without(self, blocked: Sequence[int]) -> Any:  # noqa: ANN401
        return _grey_for(self.value) if blocked else self.value


@dataclass(frozen=True, slots=True)
class _Array:
    """An array of one image, or of a batch of them."""

    found: ImageArray

    def encoded(self) -> list[bytes]:
        return [_encoded(_of_pixels(image)) for image in self.found.images]

    def without(self, blocked: Sequence[int]) -> Any:  # noqa: ANN401
        return self.found.without(blocked) if blocked else self.found.value


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a generator returned, and the images in it.

    Attributes:
        answer: As it was returned.
        media: Its images, as they are judged; each one's choice is its place.
    """

    answer: Any
    media: tuple[Media, ...]
    _parts: tuple[tuple[_Image | _Array, int], ...]

    def without(self, blocked: Sequence[int]) -> Any:  # noqa: ANN401
        """Return the answer with grey images of the same size in the given places; the answer itself is left as it is."""
        shown, before = [], 0
        for part, count in self._parts:
            shown.append(part.without([index - before for index in blocked if before <= index < before + count]))
            before += count
        held = getattr(self.answer, "images", self.answer)
        images = type(held)(shown) if isinstance(held, (list, tuple)) else shown[0]
        if held is self.answer:
            return images
        self.answer.images = images
        return self.answer


def found_in(answer: Any, pixels: Pixels | None = None) -> Pictures | None:  # noqa: ANN401
    """Return the images that a generator returned; None where it returned something else.

    Args:
        pixels: Black and white in arrays; see `read_array`.

    Raises:
        TypeError: For an array that holds no images.
        MissingExtra: For an array, without Pillow.
    """
    held = getattr(answer, "images", answer)
    values = held if isinstance(held, (list, tuple)) else [held]
    if not values or not all(_is_image(value) or is_array(value) for value in values):
        return None
    parts = [_Image(value) if _is_image(value) else _Array(read_array(value, pixels)) for value in values]
    encoded = [part.encoded() for part in parts]
    media = tuple(
        Media(f"/{index}", Role.ASSISTANT, "image", data, choice=index)
        for index, data in enumerate(data for each in encoded for data in each)
    )
    return Pictures(answer, media, tuple((part, len(each)) for part, each in zip(parts, encoded, strict=True)))


def _is_image(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, (bytes, bytearray)):
        return bool(signature(bytes(value[:16])))
    return all(hasattr(value, name) for name in ("save", "getbands", "tobytes"))


def _encoded(image: Any) -> bytes:  # noqa: ANN401
    if isinstance(image, (bytes, bytearray)):
        return bytes(image)
    encoded = io.BytesIO()
    shown = image if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else image.convert("RGB")
    shown.save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def _of_pixels(pixels: Any) -> Any:  # noqa: ANN401
    """Return an array of shape (height, width, channels) as an image of Pillow's."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("to judge images that are arrays", "images") from None
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _grey_for(image: Any) -> Any:  # noqa: ANN401
    """Return a grey image of the same size: bytes for bytes (a PNG), an image for an image."""
    from PIL import Image

    if not isinstance(image, (bytes, bytearray)):
        return Image.new("RGB", image.size, _GREY)
    encoded = io.BytesIO()
    Image.new("RGB", _size_of(bytes(image)), _GREY).save(encoded, "PNG")
    return encoded.getvalue()


def _size_of(data: bytes) -> tuple[int, int]:
    """Return the size that an encoded image tells, within bounds; a square where it tells none."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return (min(image.width, 4096), min(image.height, 4096))
    except Exception:  # whatever a broken file makes a decoder raise
        return (_SIDE, _SIDE)
