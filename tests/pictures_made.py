"""Real images for the tests, made with Pillow: drawings, writing, and what should not be opened."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from guard.detectors.images.hashing import phash
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.policy.load import loads


def guard_against(denied: Image.Image) -> Guard:
    """A guard that blocks one image, and the word `forbidden`."""
    return Guard(
        loads(
            f"""
version: 1
detectors:
  pictures: {{use: image, nudity: false, deny_hashes: ["{phash(denied):016x}"], runtime: {{timeout: 30}}}}
  words: {{use: patterns, words: [forbidden], category: custom/word}}
rules:
  - {{id: no-denied, on: [input, output], detect: pictures, category: image/*, action: block, message: Not this image.}}
  - {{id: no-word, detect: words, category: custom/word, action: block}}
""",
            kinds(),
        )
    )


def drawing(size: tuple[int, int] = (320, 240), shift: int = 0) -> Image.Image:
    """A house under a sun, moved to the right by `shift`."""
    picture = Image.new("RGB", size, (150, 200, 255))
    pen = ImageDraw.Draw(picture)
    width, height = size
    pen.rectangle((0, height * 2 // 3, width, height), fill=(70, 150, 60))
    pen.rectangle((width // 4 + shift, height // 3, width // 2 + shift, height * 3 // 4), fill=(160, 60, 40))
    pen.ellipse((width * 3 // 4, 10, width * 3 // 4 + 40, 50), fill=(255, 230, 60))
    return picture


def writing(text: str, size: tuple[int, int] = (900, 140)) -> Image.Image:
    """A line of black text on white."""
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).text((20, 40), text, fill="black", font=ImageFont.load_default(36))
    return picture


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    into = io.BytesIO()
    picture.save(into, kind, **options)
    return into.getvalue()


def animation(frames: list[Image.Image], kind: str = "GIF") -> bytes:
    """An animated image."""
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, loop=0)


def data_url(data: bytes, media_type: str = "image/png") -> str:
    """The image as a data URL."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def claiming(width: int, height: int) -> bytes:
    """A small PNG that claims to have this many pixels, and holds as many zeros as a compressor allows in little space."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * min((width + 1) * height, 4_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", rows) + block(b"IEND", b"")
