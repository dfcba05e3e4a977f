"""Images as arrays and tensors: what GANs, VAEs and diffusion pipelines give before anybody makes files of them.

NumPy's arrays and PyTorch's tensors are known by their methods, so that nothing of either is loaded for generators of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHANNELS = (1, 3, 4)
_SLACK = 1e-3
"""How far a value may lie outside of its range, by rounding."""
_ACCEPTED = "an image (height, width), (height, width, channels) or (channels, height, width), or a batch of them"


@dataclass(frozen=True, slots=True)
class ImageArray:
    """One image, or a batch of them, in an array or a tensor.

    Attributes:
        value: As the generator gave it.
        images: The images in it, each uint8 of shape (height, width, channels).
        pixels: The values of black and of white.
        first: Whether channels come before height and width.
        batch: Whether it is a batch.
    """

    value: Any
    images: tuple[NDArray[np.uint8], ...]
    pixels: tuple[float, float]
    first: bool
    batch: bool

    def without(self, blocked: Sequence[int]) -> Any:  # noqa: ANN401
        """Return a copy of the array with grey in place of some of its images."""
        shown = self.value.clone() if _is_tensor(self.value) else self.value.copy()
        for index in blocked:
            image = shown[index] if self.batch else shown
            image[...] = type(self.pixels[0])(sum(self.pixels) / 2)
            if self.images[index].shape[2] == 4:  # an image that cannot be seen through
                image[(3, ...) if self.first else (..., 3)] = self.pixels[1]
        return shown


def is_array(value: Any) -> bool:  # noqa: ANN401
    """Return whether a value is an array or a tensor, of whatever shape."""
    return _is_tensor(value) or all(hasattr(value, name) for name in ("__array_interface__", "shape", "dtype", "astype"))


def read_array(value: Any, pixels: tuple[float, float] | None = None) -> ImageArray:  # noqa: ANN401
    """Return the images in an array.

    Args:
        pixels: The values of black and of white. Where not said: 0 and 255 for uint8; else -1 and 1 where a value is negative,
            and 0 and 1 where none is.

    Raises:
        TypeError: Where it holds no images, or values outside of that range.
    """
    import numpy as np

    tensor = _is_tensor(value)
    array = np.asarray(value.detach().to("cpu").float().numpy() if tensor and value.is_floating_point() else value)
    if array.ndim not in (2, 3, 4) or not array.size:
        raise TypeError(f"expected {_ACCEPTED}, got an array of shape {array.shape}")
    first, batch = _layout(array.shape, tensor=tensor)
    low, high = _range(array) if pixels is None else pixels
    least, most = float(array.min()), float(array.max())
    slack = _SLACK * (high - low)
    if not (low - slack <= least and most <= high + slack):  # a NaN is neither
        raise TypeError(f"expected pixels from {low} to {high}, got some from {least} to {most}; say `pixels=(black, white)`")
    scaled = np.clip((array.astype(np.float32) - low) * (255 / (high - low)), 0, 255).round().astype(np.uint8)
    images = tuple(scaled) if batch else (scaled,)
    return ImageArray(value, tuple(_channels_last(image, first=first) for image in images), (low, high), first, batch)


def _is_tensor(value: Any) -> bool:  # noqa: ANN401
    return all(hasattr(value, name) for name in ("detach", "is_floating_point", "shape", "clone"))


def _layout(shape: tuple[int, ...], *, tensor: bool) -> tuple[bool, bool]:
    """Return whether channels come first, and whether it is a batch. Tensors have them first, and arrays last, where both fit."""
    first, last = len(shape) > 2 and shape[-3] in _CHANNELS, len(shape) > 2 and shape[-1] in _CHANNELS
    if len(shape) == 4:
        if not first and not last:
            raise TypeError(f"expected {_ACCEPTED}, with 1, 3 or 4 channels, got an array of shape {shape}")
        return first and (tensor or not last), True
    if len(shape) == 3 and (first or last):
        return first and (tensor or not last), False
    return False, len(shape) == 3  # images of one channel that is not spelled out


def _range(array: NDArray[Any]) -> tuple[float, float]:
    if array.dtype.kind == "u" and array.dtype.itemsize == 1:
        return (0, 255)
    if array.dtype.kind == "b":
        return (0, 1)
    if array.dtype.kind != "f":
        raise TypeError(f"expected pixels as uint8 or as floating point numbers, got {array.dtype}; say `pixels=(black, white)`")
    return (-1.0, 1.0) if float(array.min()) < -_SLACK else (0.0, 1.0)


def _channels_last(image: NDArray[np.uint8], *, first: bool) -> NDArray[np.uint8]:
    import numpy as np

    if image.ndim == 2:
        return image[:, :, None]
    return np.ascontiguousarray(np.moveaxis(image, 0, 2)) if first else image
