"""Images as Python generators give them: encoded bytes, Pillow images, lists of them, or a pipeline's output with `.images`.

An image is known by its methods, so that nothing of Pillow is loaded for generators of text.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from guard.media import Media, signature
from guard.values import Role

_GREY = (128, 128, 128)
_SIDE = 512


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a generator returned, and the images in it.

    Attributes:
        answer: As it was returned.
        images: Bytes or Pillow images, in order.
        media: The same, as they are judged; each one's choice is its place.
    """

    answer: Any
    images: Sequence[Any]
    media: tuple[Media, ...]

    def without(self, blocked: Sequence[int]) -> Any:  # noqa: ANN401
        """Return the answer with grey images of the same size in the given places; the answer itself is left as it is."""
        shown = [_grey_for(image) if index in blocked else image for index, image in enumerate(self.images)]
        if isinstance(self.answer, (list, tuple)):
            return type(self.answer)(shown)
        if len(self.images) == 1 and self.answer is self.images[0]:
            return shown[0]
        self.answer.images = shown
        return self.answer


def found_in(answer: Any) -> Pictures | None:  # noqa: ANN401
    """Return the images that a generator returned; None where it returned something else."""
    held = getattr(answer, "images", answer)
    images = held if isinstance(held, (list, tuple)) else [held]
    if not images or not all(_is_image(image) for image in images):
        return None
    media = tuple(
        Media(f"/{index}", Role.ASSISTANT, "image", _encoded(image), choice=index) for index, image in enumerate(images)
    )
    return Pictures(answer, images, media)


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
