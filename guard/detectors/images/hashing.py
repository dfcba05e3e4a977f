"""Perceptual hashes: 64 bits that stay nearly the same when an image is scaled, compressed or lightened.

`phash` follows the algorithm that ImageHash, pHash and others share (Zauner, "Implementation and Benchmarking of Perceptual Image
Hash Functions", 2010, section 3.2.1), `dhash` the difference hash of Krawetz, so that lists made with those tools can be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from guard.detectors.images.denied import BITS, Denied

_SIDE = 32
_LOW = 8
_NOISE = 3
"""Decimals to which coefficients are compared, so that flat images do not hash their rounding errors."""


def phash(image: Image.Image) -> int:
    """Return which of the 64 lowest frequencies are stronger than their median."""
    grey = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    cosines = _cosines()
    low = np.round((cosines @ np.asarray(grey, dtype=np.float64) @ cosines.T)[:_LOW, :_LOW], _NOISE)
    return _packed(low > np.median(low))


def dhash(image: Image.Image) -> int:
    """Return which pixels of the image, at 9 by 8 pixels, are brighter than their neighbour to the left."""
    grey = np.asarray(image.convert("L").resize((_LOW + 1, _LOW), Image.Resampling.LANCZOS))
    return _packed(grey[:, 1:] > grey[:, :-1])


def distance(picture: Image.Image, denied: Sequence[Denied]) -> int:
    """Return in how many bits the picture, or its mirror image, differs from the entry most like it; 64 where there is none."""
    if not denied:
        return BITS
    kinds = {entry.kind for entry in denied}
    seen = [(kind, _HASHES[kind](side)) for side in (picture, ImageOps.mirror(picture)) for kind in kinds]
    return min(_closest(bits, (entry.bits for entry in denied if entry.kind == kind)) for kind, bits in seen)


def _closest(bits: int, entries: Iterable[int]) -> int:
    return min((bits ^ entry).bit_count() for entry in entries)


def _cosines() -> Any:  # noqa: ANN401
    """Return the matrix of the discrete cosine transform of type II, as `scipy.fftpack.dct` scales it."""
    order, place = np.arange(_SIDE)[:, None], np.arange(_SIDE)[None, :]
    return 2 * np.cos(np.pi * order * (2 * place + 1) / (2 * _SIDE))


def _packed(bits: Any) -> int:  # noqa: ANN401
    """Return the bits as a number, the first as its highest."""
    return int.from_bytes(np.packbits(bits.flatten()).tobytes(), "big")


_HASHES = {"phash": phash, "dhash": dhash}
