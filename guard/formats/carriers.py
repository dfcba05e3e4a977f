"""The fields that carry an image, a sound, a video or a file beside the words of a message."""

from __future__ import annotations

from typing import Any

from guard.formats.base import Piece

_CARRIERS = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "video_url": "video",
    "audio_url": "audio",
    "input_audio": "audio",
    "file": "file",
    "file_data": "file",
    "file_url": "file",
}
"""What a field of a content part carries: OpenAI's, and those that vLLM, OpenRouter and Hugging Face add."""
_LISTS = ("content", "images")
"""Fields of a message that list its parts."""
_IN_CARRIER = ("url", "data", "file_data", "file_url", "b64_json")
"""Fields of an object that carries something."""
_IDS = ("file_id",)
"""Fields that name what the upstream keeps."""
_NAMED = ":named"


def of_message(message: dict[str, Any], pointer: str) -> list[Piece]:
    """Return what the parts of a message, or of a streamed piece of one, carry.

    Addresses and broken data URLs are texts too, and named as such elsewhere.
    """
    return [
        piece
        for field in _LISTS
        if type(message.get(field)) is list
        for index, part in enumerate(message[field])
        if type(part) is dict
        for piece in _of_part(part, f"{pointer}/{field}/{index}")
    ]


def of_image(image: dict[str, Any], pointer: str) -> list[Piece]:
    """Return what an entry of a generator's answer carries: base64, or an address."""
    return _strings(image, ("b64_json", "url"), pointer, "image")


def _of_part(part: dict[str, Any], pointer: str) -> list[Piece]:
    found: list[Piece] = []
    for key, kind in _CARRIERS.items():
        value = part.get(key)
        if type(value) is dict:
            found += _strings(value, _IN_CARRIER, f"{pointer}/{key}", kind)
            found += _strings(value, _IDS, f"{pointer}/{key}", kind + _NAMED)
        elif type(value) is str and value:
            found.append(Piece(f"{pointer}/{key}", value, medium=kind))
    return found + _strings(part, _IDS, pointer, "file" + _NAMED)


def _strings(holder: dict[str, Any], keys: tuple[str, ...], pointer: str, kind: str) -> list[Piece]:
    return [Piece(f"{pointer}/{key}", holder[key], medium=kind) for key in keys if type(holder.get(key)) is str and holder[key]]
