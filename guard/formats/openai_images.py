"""OpenAI's images: `POST /v1/images/generations`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from guard.formats import carriers, encoding, openai_errors, strict_json, walk
from guard.formats.base import Delta, Document, EndOfStream, Format, Frame, Part, Piece, Request
from guard.formats.openai_request import Remembered, read_object
from guard.formats.pointers import replaced, without
from guard.formats.shape import as_flag, as_object, as_string, objects, wrong
from guard.formats.sse import HEARTBEAT, SseFraming, event, is_plain
from guard.formats.walk import Speaker
from guard.values import Role

_REFUSED = "content_filter"


class OpenAIImages:
    """Reads and writes images. An answer counts as one whole: an image that is blocked takes the others with it.

    There is no field for a refusal: in every mode it is an error of status 400, which is how OpenAI refuses a prompt.
    """

    name: ClassVar[str] = "openai-images"
    media_type: ClassVar[str] = "text/event-stream"

    def __init__(self, depth: int = 64) -> None:
        """Accept JSON of at most `depth` levels."""
        self._depth = depth

    def received_as(self, content_type: str) -> Format:
        """See `Format.received_as`."""
        encoding.check_json_type(content_type)
        return self

    def streamed_as(self, media_type: str) -> Format:
        """See `Format.streamed_as`: there is one framing."""
        return self

    def read_request(self, body: bytes) -> Request:
        """See `Format.read_request`."""
        tree = read_object(body, self._depth)
        prompt = as_string(tree.get("prompt"), "prompt")
        if not prompt.strip():
            raise wrong("prompt", "a text", prompt)
        found = carriers.of_message(tree, "")
        walk.entries(tree, "", found)
        document = walk.document(body, tree, walk.as_texts(found, Speaker(Role.USER, turn=0)))
        model = "" if tree.get("model") is None else as_string(tree["model"], "model")
        return Request(document, model, as_flag(tree.get("stream"), "stream"), extra=Remembered(n=1))

    def read_answer(self, body: bytes, request: Request) -> Document:
        """See `Format.read_answer`."""
        tree = strict_json.decode(body, self._depth)
        found: list[Piece] = []
        if type(tree) is dict and tree.get("data") is not None:
            for index, image in enumerate(objects(tree["data"], "data")):
                found += carriers.of_image(image, f"/data/{index}")
        walk.strings(tree, "", "", found)
        return walk.document(body, tree, walk.as_texts(found, Speaker(Role.ASSISTANT)))

    def read_media(self, body: bytes, media_type: str) -> Document | None:
        """See `Format.read_media`: an answer is JSON."""
        return None

    def rewrite(self, document: Document, changes: Mapping[str, str]) -> bytes:
        """See `Format.rewrite`."""
        return strict_json.encode(replaced(document.tree, changes)) if changes else document.raw

    def refuse(self, request: Request, message: str, mode: str) -> tuple[int, bytes]:
        """See `Format.refuse`."""
        return 400, self.error(message, status=400, code=_REFUSED)

    def refuse_choices(
        self, document: Document, changes: Mapping[str, str], choices: Sequence[int], message: str, mode: str
    ) -> bytes:
        """See `Format.refuse_choices`; there are no choices, so the whole answer is refused."""
        return self.error(message, status=400, code=_REFUSED)

    def error(self, message: str, *, status: int, code: str) -> bytes:
        """See `Format.error`."""
        return openai_errors.error_body(message, status=status, code=code)

    def framing(self, limit: int) -> SseFraming:
        """See `Format.framing`."""
        return SseFraming(limit)

    def read_event(self, frame: Frame) -> Sequence[Part] | EndOfStream:
        """See `Format.read_event`. Keys that nobody knows are left out."""
        if frame.data is None:
            return ()
        if frame.data.strip() == "[DONE]":
            return EndOfStream(b"data: [DONE]\n\n")
        tree = as_object(strict_json.decode(frame.data.encode(), self._depth), "the event")
        kept, found = _heard(tree)
        document = walk.document(b"", kept, walk.as_texts(found, Speaker(Role.ASSISTANT)))
        raw = frame.raw if kept is tree and is_plain(frame.raw) else None
        return (Part(None, _deltas(document), False, kept, raw, bare=False, media=document.media),)

    def write_part(self, part: Part, texts: Mapping[str, str | None]) -> bytes:
        """See `Format.write_part`."""
        if not texts and part.raw is not None:
            return part.raw
        return event(strict_json.encode(replaced(part.tree, texts)))

    def refuse_stream(self, request: Request, last: Part | None, choice: int, message: str, mode: str, *, started: bool) -> bytes:
        """See `Format.refuse_stream`: it is the stream's error event."""
        return self.stream_error(message, code=_REFUSED)

    def end_stream(self, request: Request, last: Part | None, *, usage: bool) -> bytes:
        """See `Format.end_stream`: nothing follows the error."""
        return b""

    def stream_error(self, message: str, *, code: str) -> bytes:
        """See `Format.stream_error`."""
        return event(self.error(message, status=400 if code == _REFUSED else 502, code=code))

    def heartbeat(self) -> bytes:
        """See `Format.heartbeat`."""
        return HEARTBEAT


def _heard(tree: dict[str, Any]) -> tuple[dict[str, Any], list[Piece]]:
    """Return an event without keys that nobody knows, and what is in it."""
    found = carriers.of_image(tree, "")
    walk.entries(tree, "", found)
    keys = [piece.pointer for piece in found if piece.key]
    return _heard(without(tree, keys)) if keys else (tree, found)


def _deltas(document: Document) -> tuple[Delta, ...]:
    pieces = [text.pieces[0] for text in document.texts]
    return tuple([Delta(piece.pointer[1:], Role.ASSISTANT, piece.text, piece.pointer) for piece in pieces])
