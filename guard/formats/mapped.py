"""Any JSON route, by a mapping in the policy that says where its texts stand.

An answer, streamed or not, counts as one text-bearing whole: its texts belong to no choice, so a refusal refuses all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from guard.errors import BadMessage
from guard.formats import encoding, openai_errors, selectors, sse, strict_json, walk
from guard.formats.base import Delta, Document, EndOfStream, Frame, Framing, Part, Piece, Request
from guard.formats.fields import is_media
from guard.formats.ndjson import NdjsonFraming
from guard.formats.pointers import replaced, without
from guard.formats.selectors import Selector
from guard.formats.walk import Speaker
from guard.media import Media
from guard.values import Role

_MEDIA = ("image/", "audio/", "video/")
_LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/stream+json")


class MappedRoute(Protocol):
    """What a policy says about a route; see `guard.policy.model.Mapped`."""

    @property
    def path(self) -> str:
        """The route; `*` matches one segment."""
        ...

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def input(self) -> tuple[str, ...]:
        """Selectors of a request's texts."""
        ...

    @property
    def output(self) -> tuple[str, ...]:
        """Selectors of an answer's texts."""
        ...

    @property
    def media(self) -> tuple[str, ...]:
        """Selectors of images in requests and answers; `$` where a body is an image."""
        ...

    @property
    def other(self) -> str:
        """What happens to other strings: `judge`, `drop` or `pass`."""
        ...


class MappedFormat:
    """Reads and writes the JSON of one mapped route; streams are server-sent events or lines of JSON."""

    def __init__(self, route: MappedRoute, depth: int = 64, *, lines: bool = False, uploads: str = "") -> None:
        """Read the route's selectors. Raises PolicyError where one of them cannot be read.

        Args:
            lines: Whether streams are lines of JSON.
            uploads: The type of a request's body, where it is no JSON but an image or a sound.
        """
        self.name = f"mapped:{route.path}"
        self.media_type = _LINES[0] if lines else "text/event-stream"
        self._route = route
        self._depth = depth
        self._lines = lines
        self._input = [selectors.parse(source) for source in route.input]
        self._output = [selectors.parse(source) for source in route.output]
        self._media = [selectors.parse(source) for source in route.media]
        self._uploads = uploads

    def received_as(self, content_type: str) -> MappedFormat:
        """See `Format.received_as`: JSON; an image or a sound, where `media` says that a body may be one."""
        media_type = content_type.lower().partition(";")[0].strip()
        if media_type.startswith(_MEDIA) and () in self._media:
            return MappedFormat(self._route, self._depth, lines=self._lines, uploads=media_type)
        encoding.check_json_type(content_type)
        return self

    def streamed_as(self, media_type: str) -> MappedFormat:
        """Return the format for a stream of this Content-Type: lines of JSON where it says so, else server-sent events."""
        lines = media_type.partition(";")[0].strip().lower() in _LINES
        return self if lines == self._lines else MappedFormat(self._route, self._depth, lines=lines)

    def read_request(self, body: bytes) -> Request:
        """See `Format.read_request`. A request in which no selector finds anything is refused."""
        if self._uploads:
            return Request(_whole(body, Role.USER, self._uploads))
        tree = strict_json.decode(body, self._depth)
        selected = _selected(tree, self._input)
        if self._input and not any(True for selector in self._input for _ in selectors.select(tree, selector)):
            raise BadMessage(f"the request: expected one of {', '.join(self._route.input)}, got none", code="missing_text")
        document = self._document(body, tree, selected, self._input, Role.USER)
        fields = tree if isinstance(tree, dict) else {}
        model = fields.get("model")
        return Request(document, model if isinstance(model, str) else "", fields.get("stream") is True)

    def read_answer(self, body: bytes, request: Request) -> Document:
        """See `Format.read_answer`."""
        tree = strict_json.decode(body, self._depth)
        return self._document(body, tree, _selected(tree, self._output), self._output, Role.ASSISTANT)

    def read_media(self, body: bytes, media_type: str) -> Document | None:
        """See `Format.read_media`: where `media` says that a body may be one."""
        return _whole(body, Role.ASSISTANT, media_type) if media_type.startswith(_MEDIA) and () in self._media else None

    def rewrite(self, document: Document, changes: Mapping[str, str]) -> bytes:
        """See `Format.rewrite`."""
        return strict_json.encode(replaced(document.tree, changes)) if changes else document.raw

    def refuse(self, request: Request, message: str, mode: str) -> tuple[int, bytes]:
        """See `Format.refuse`. In mode `field`, there being no such field, the answer's text is empty."""
        if mode == "error" or not self._output:
            return 400, self.error(message, status=400, code="content_filter")
        return 200, strict_json.encode(selectors.build(self._output[0], message if mode == "message" else ""))

    def refuse_choices(
        self, document: Document, changes: Mapping[str, str], choices: Sequence[int], message: str, mode: str
    ) -> bytes:
        """See `Format.refuse_choices`; the whole answer is refused."""
        return self.refuse(Request(document), message, mode)[1]

    def error(self, message: str, *, status: int, code: str) -> bytes:
        """See `Format.error`; the shape is OpenAI's."""
        return openai_errors.error_body(message, status=status, code=code)

    def framing(self, limit: int) -> Framing:
        """See `Format.framing`."""
        return NdjsonFraming(limit) if self._lines else sse.SseFraming(limit)

    def read_event(self, frame: Frame) -> Sequence[Part] | EndOfStream:
        """See `Format.read_event`. Keys that neither a selector nor a format knows are left out."""
        if frame.data is None:
            return ()
        if frame.data.strip() == "[DONE]" and not self._lines:
            return EndOfStream(b"data: [DONE]\n\n")
        tree = strict_json.decode(frame.data.encode(), self._depth)
        kept, found = self._heard(tree)
        heard = walk.document(b"", kept, walk.as_texts(found, Speaker(Role.ASSISTANT)))
        pieces = [text.pieces[0] for text in heard.texts]
        plain = kept is tree and (self._lines or sse.is_plain(frame.raw))
        deltas = tuple(Delta(piece.pointer[1:], Role.ASSISTANT, piece.text, piece.pointer) for piece in pieces)
        return (
            Part(None, deltas, False, kept, frame.raw if plain else self._framed(kept), bare=bool(deltas), media=heard.media),
        )

    def write_part(self, part: Part, texts: Mapping[str, str | None]) -> bytes:
        """See `Format.write_part`."""
        if not texts and part.raw is not None:
            return part.raw
        return self._framed(replaced(part.tree, texts))

    def refuse_stream(self, request: Request, last: Part | None, choice: int, message: str, mode: str, *, started: bool) -> bytes:
        """See `Format.refuse_stream`. Where text has left, or in mode `field`, the stream only ends."""
        if mode == "error":
            return self.stream_error(message, code="content_filter")
        if mode != "message" or started or not self._output:
            return b""
        tree = last.tree if last else None
        named = [selector for selector in self._output if any(True for _ in selectors.select(tree, selector))]
        return self._framed(selectors.build((named or self._output)[0], message))

    def end_stream(self, request: Request, last: Part | None, *, usage: bool) -> bytes:
        """See `Format.end_stream`: nothing, since closing the connection is the only end that all such streams share."""
        return b""

    def stream_error(self, message: str, *, code: str) -> bytes:
        """See `Format.stream_error`."""
        return self._framed(openai_errors.error_object(message, status=400 if code == "content_filter" else 502, code=code))

    def heartbeat(self) -> bytes:
        """See `Format.heartbeat`; lines of JSON have none."""
        return b"" if self._lines else sse.HEARTBEAT

    def _heard(self, tree: Any) -> tuple[Any, list[Piece]]:  # noqa: ANN401
        """Return an event without what is left out of it, and the strings in it."""
        selected = _selected(tree, self._output)
        carried = self._carried(tree)
        others = self._others(tree, [*selected, *carried], self._output)
        keys = [piece.pointer for piece in (*selected, *others) if piece.key]
        if keys:
            return self._heard(without(tree, keys))
        if self._drops(selected) and others:
            return replaced(tree, {piece.pointer: None for piece in others}), [*carried, *selected]
        return tree, [*carried, *selected, *others]

    def _framed(self, tree: Any) -> bytes:  # noqa: ANN401
        data = strict_json.encode(tree)
        return data + b"\n" if self._lines else sse.event(data)

    def _drops(self, selected: Sequence[Piece]) -> bool:
        """Return whether other strings are dropped; where nothing was selected, as in an error, they are judged instead."""
        return self._route.other == "drop" and bool(selected)

    def _carried(self, tree: Any) -> list[Piece]:  # noqa: ANN401
        """Return what the route's `media` names; what could hold words besides is named as a text too."""
        found: list[Piece] = []
        for selector in self._media:
            for pointer, value in selectors.select(tree, selector):
                if type(value) is str and value:
                    found.append(Piece(pointer, value, medium="image"))
                    if not is_media("url", value) and not is_media("b64_json", value):
                        found.append(Piece(pointer, value))
        return found

    def _others(self, tree: Any, selected: Sequence[Piece], named: Sequence[Selector]) -> list[Piece]:  # noqa: ANN401
        """Return the strings that no selector names, and the keys that nobody knows."""
        if self._route.other == "pass" and selected:
            return []
        found: list[Piece] = []
        walk.strings(tree, "", "", found)
        known = {step for selector in (*named, *self._media) for step in selector if isinstance(step, str)}
        taken = {piece.pointer for piece in selected}
        return [piece for piece in found if piece.pointer not in taken and not (piece.key and piece.text in known)]

    def _document(
        self,
        body: bytes,
        tree: Any,  # noqa: ANN401
        selected: list[Piece],
        named: Sequence[Selector],
        role: Role,
    ) -> Document:
        carried = self._carried(tree)
        others = self._others(tree, [*selected, *carried], named)
        if self._drops(selected):
            dropped = [piece.pointer for piece in others if not piece.key]
            if dropped:
                tree = replaced(tree, dict.fromkeys(dropped))
                body = strict_json.encode(tree)
            others = [piece for piece in others if piece.key]
        return walk.document(body, tree, walk.as_texts([*carried, *selected, *others], Speaker(role)))


def _whole(body: bytes, role: Role, media_type: str) -> Document:
    """Return the document of a body that is an image or a sound."""
    kind = media_type.partition("/")[0]
    return Document(body, None, (), (Media("", role, kind, body, declared=media_type),))


def _selected(tree: Any, named: Sequence[Selector]) -> list[Piece]:  # noqa: ANN401
    """Return every string that a selector names, once; where it names more than a string, what is to be judged below."""
    found: list[Piece] = []
    for selector in named:
        for pointer, value in selectors.select(tree, selector):
            if not isinstance(value, str):
                walk.strings(value, "", pointer, found)
            elif value:
                found.append(Piece(pointer, value))
    return list({piece.pointer: piece for piece in found}.values())
