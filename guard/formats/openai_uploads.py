"""OpenAI's edits and variations of images: `POST /v1/images/edits` and `/v1/images/variations`, which upload them."""

from __future__ import annotations

from collections.abc import Mapping

from guard.errors import BadMessage
from guard.formats import multipart, walk
from guard.formats.base import Document, Format, Piece, Request, Text
from guard.formats.fields import is_name
from guard.formats.multipart import Field
from guard.formats.openai_images import OpenAIImages
from guard.formats.openai_request import Remembered
from guard.formats.pointers import escape
from guard.formats.walk import Speaker
from guard.media import Media
from guard.values import Role

_IMAGES = ("image", "image[]", "mask")
_SPEAKER = Speaker(Role.USER, turn=0)
_FLAGS = {"": False, "false": False, "true": True}


class OpenAIUploads(OpenAIImages):
    """Reads uploaded images, and the same requests as JSON; answers are those of `OpenAIImages`."""

    def __init__(self, depth: int = 64, boundary: bytes = b"") -> None:
        """Accept uploads with this boundary, or JSON where there is none."""
        super().__init__(depth)
        self._boundary = boundary

    def received_as(self, content_type: str) -> Format:
        """See `Format.received_as`: an upload, or JSON."""
        if content_type.strip().lower().startswith("multipart/"):
            return OpenAIUploads(self._depth, multipart.boundary_of(content_type))
        return super().received_as(content_type)

    def read_request(self, body: bytes) -> Request:
        """See `Format.read_request`."""
        if not self._boundary:
            return super().read_request(body)
        fields = multipart.read(body, self._boundary)
        values = {field.name: field.data.decode("latin-1") for field in fields if not field.is_file}
        stream = _FLAGS.get(values.get("stream", "").lower())
        if stream is None:
            raise BadMessage("stream: expected true or false", code="invalid_value")
        if not any(field.name in _IMAGES and field.is_file for field in fields):
            raise BadMessage("image: expected an uploaded image, got none", code="missing_image")
        texts = tuple(text for index, field in enumerate(fields) for text in _texts(field, f"/{index}/{escape(field.name)}"))
        media = tuple(_media(field, f"/{index}/{escape(field.name)}") for index, field in enumerate(fields) if field.is_file)
        return Request(Document(body, fields, texts, media), values.get("model", ""), stream, extra=Remembered(n=1))

    def rewrite(self, document: Document, changes: Mapping[str, str]) -> bytes:
        """See `Format.rewrite`."""
        if not changes or not isinstance(document.tree, list):
            return super().rewrite(document, changes)
        fields = list(document.tree)
        for pointer, text in changes.items():
            place = int(pointer.split("/")[1])
            fields[place] = multipart.with_text(fields[place], text)
        return multipart.write(fields, self._boundary)


def _texts(field: Field, pointer: str) -> list[Text]:
    """Return what was written in a field: its text, its file's name, and its own name where no format knows it."""
    found = [] if is_name(field.name.removesuffix("[]")) else [Piece(pointer + "~", field.name, key=True)]
    if field.filename:
        found.append(Piece(f"{pointer}/filename", field.filename, key=True))
    if not field.is_file and field.data:
        try:
            found.append(Piece(pointer, field.data.decode()))
        except UnicodeDecodeError:
            raise BadMessage(f"{field.name}: expected text in UTF-8", code="invalid_unicode") from None
    return walk.as_texts(found, _SPEAKER)


def _media(field: Field, pointer: str) -> Media:
    kind = "image" if field.name in _IMAGES else "file"
    return Media(pointer, Role.USER, kind, field.data, turn=_SPEAKER.turn, declared=field.type)
