"""The envelope that OpenAI's chat completions and completions share: answers, refusals, errors and streams."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from guard.formats import logprobs, openai_errors, openai_stream, strict_json, walk
from guard.formats.base import Document, EndOfStream, Frame, Part, Piece, Request, Text
from guard.formats.encoding import check_json_type
from guard.formats.fields import is_identifier
from guard.formats.openai_stream import Body
from guard.formats.pointers import replaced
from guard.formats.shape import as_object, objects, wrong
from guard.formats.sse import HEARTBEAT, SseFraming, event, is_plain
from guard.formats.walk import Speaker
from guard.values import Role

_DONE = b"data: [DONE]\n\n"
_KEPT = ("id", "object", "created", "model", "system_fingerprint", "service_tier")
_IN_CHOICE = re.compile(r"/choices/([0-9]+)/(logprobs/)?")
_NO_TOKENS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
_STOPPED = "content_filter"


class OpenAIFormat(ABC):
    """A wire format with OpenAI's envelope; what its choices look like is left to chat and completions."""

    name: ClassVar[str]
    media_type: ClassVar[str] = "text/event-stream"
    _object: ClassVar[str]
    _chunk: ClassVar[str]
    _prefix: ClassVar[str]
    _body: ClassVar[Body]

    def __init__(self, depth: int = 64) -> None:
        """Accept JSON of at most `depth` levels."""
        self._depth = depth

    @abstractmethod
    def read_request(self, body: bytes) -> Request:
        """See `Format.read_request`."""

    @abstractmethod
    def _choice_texts(self, choice: dict[str, Any], pointer: str, speaker: Speaker) -> list[Text]:
        """Return the texts of an answer's choice, log probabilities apart."""

    @abstractmethod
    def _spoken(self, choice: dict[str, Any]) -> dict[str, str]:
        """Return the texts of an answer's choice that its log probabilities may spell."""

    @abstractmethod
    def _refused(self, message: str, mode: str) -> dict[str, Any]:
        """Return what a refused choice says, in an answer that is not streamed."""

    @abstractmethod
    def _refusal_chunks(self, message: str, mode: str, *, opens: bool, started: bool) -> list[dict[str, Any]]:
        """Return what a refused choice says in a stream, chunk by chunk; the last one ends it.

        Args:
            opens: Whether the role has to be named.
            started: Whether some of the choice's text has left.
        """

    def received_as(self, content_type: str) -> OpenAIFormat:
        """See `Format.received_as`: JSON."""
        check_json_type(content_type)
        return self

    def streamed_as(self, media_type: str) -> OpenAIFormat:
        """See `Format.streamed_as`: there is one framing."""
        return self

    def read_answer(self, body: bytes, request: Request) -> Document:
        """See `Format.read_answer`."""
        tree = strict_json.decode(body, self._depth)
        if type(tree) is not dict:
            found: list[Piece] = []
            walk.strings(tree, "", "", found)
            return walk.document(body, tree, walk.as_texts(found, Speaker(Role.ASSISTANT)))
        choices = [] if tree.get("choices") is None else objects(tree["choices"], "choices")
        texts = [text for position, choice in enumerate(choices) for text in self._read_choice(choice, position)]
        beside: list[Piece] = []
        walk.entries(tree, "", beside, ("choices",))
        return walk.document(body, tree, texts + walk.as_texts(beside, Speaker(Role.ASSISTANT)))

    def read_media(self, body: bytes, media_type: str) -> Document | None:
        """See `Format.read_media`: an answer is JSON."""
        return None

    def rewrite(self, document: Document, changes: Mapping[str, str]) -> bytes:
        """See `Format.rewrite`."""
        return strict_json.encode(_changed(document.tree, changes)) if changes else document.raw

    def refuse(self, request: Request, message: str, mode: str) -> tuple[int, bytes]:
        """See `Format.refuse`."""
        if mode == "error":
            return 400, self.error(message, status=400, code=_STOPPED)
        choices = [self._refused_choice(index, message, mode) for index in range(request.extra.get("n", 1))]
        answer = {**self._new_envelope(request, self._object), "choices": choices, "usage": _NO_TOKENS}
        return 200, strict_json.encode(answer)

    def refuse_choices(
        self, document: Document, changes: Mapping[str, str], choices: Sequence[int], message: str, mode: str
    ) -> bytes:
        """See `Format.refuse_choices`."""
        tree = _changed(document.tree, changes)
        for position, choice in enumerate(tree["choices"]):
            index = _index(choice, position)
            if index in choices:
                tree["choices"][position] = self._refused_choice(index, message, mode)
        return strict_json.encode(tree)

    def error(self, message: str, *, status: int, code: str) -> bytes:
        """See `Format.error`."""
        return openai_errors.error_body(message, status=status, code=code)

    def framing(self, limit: int) -> SseFraming:
        """See `Format.framing`."""
        return SseFraming(limit)

    def read_event(self, frame: Frame) -> Sequence[Part] | EndOfStream:
        """See `Format.read_event`."""
        if frame.data is None:
            return ()
        if frame.data.strip() == "[DONE]":
            return EndOfStream(_DONE)
        tree = as_object(strict_json.decode(frame.data.encode(), self._depth), "the event")
        return openai_stream.read_parts(tree, frame.raw if is_plain(frame.raw) else None, self._body)

    def write_part(self, part: Part, texts: Mapping[str, str | None]) -> bytes:
        """See `Format.write_part`."""
        return openai_stream.write_part(part, texts)

    def refuse_stream(self, request: Request, last: Part | None, choice: int, message: str, mode: str, *, started: bool) -> bytes:
        """See `Format.refuse_stream`; in mode `error` it is the stream's error event."""
        if mode == "error":
            return self.stream_error(message, code=_STOPPED)
        chunks = self._refusal_chunks(message, mode, opens=not started and _opens(last, choice), started=started)
        envelope = self._envelope_of(request, last)
        return b"".join(
            event(
                strict_json.encode(
                    {**envelope, "choices": [{"index": choice, **said, "logprobs": None, "finish_reason": reason}]}
                )
            )
            for said, reason in zip(chunks, [*[None] * (len(chunks) - 1), _STOPPED], strict=True)
        )

    def end_stream(self, request: Request, last: Part | None, *, usage: bool) -> bytes:
        """See `Format.end_stream`.

        Token counts are zero where the upstream was never asked, and null where it was stopped before it told them.
        """
        if not usage:
            return _DONE
        counts = _usage_of(last) if last else _NO_TOKENS
        return event(strict_json.encode({**self._envelope_of(request, last), "choices": [], "usage": counts})) + _DONE

    def stream_error(self, message: str, *, code: str) -> bytes:
        """See `Format.stream_error`."""
        return event(self.error(message, status=400 if code == _STOPPED else 502, code=code))

    def heartbeat(self) -> bytes:
        """See `Format.heartbeat`."""
        return HEARTBEAT

    def _read_choice(self, choice: dict[str, Any], position: int) -> list[Text]:
        pointer = f"/choices/{position}"
        speaker = Speaker(Role.ASSISTANT, _index(choice, position))
        texts = self._choice_texts(choice, pointer, speaker)
        spelled = choice.get("logprobs")
        if not logprobs.faithful(spelled, self._spoken(choice)):
            said = [text for text in logprobs.strings(spelled) if text]
            pieces = tuple(Piece(f"{pointer}/logprobs/{index}", text) for index, text in enumerate(said))
            texts += [Text(pieces, *speaker)] if pieces else []
        return texts

    def _refused_choice(self, index: int, message: str, mode: str) -> dict[str, Any]:
        return {"index": index, **self._refused(message, mode), "logprobs": None, "finish_reason": _STOPPED}

    def _new_envelope(self, request: Request, kind: str) -> dict[str, Any]:
        return {
            "id": f"{self._prefix}{request.extra['id']}",
            "object": kind,
            "created": request.extra["created"],
            "model": request.model,
        }

    def _envelope_of(self, request: Request, last: Part | None) -> dict[str, Any]:
        """Return the envelope of the stream that `last` is from, or a new one."""
        if last is None:
            return self._new_envelope(request, self._chunk)
        known = {key: last.tree[key] for key in _KEPT if key in last.tree and _is_plain(last.tree[key])}
        return {**self._new_envelope(request, self._chunk), **known}


def _changed(tree: Any, changes: Mapping[str, str]) -> Any:  # noqa: ANN401
    """Return a copy with the changes made, without what else in a changed choice still says the old text."""
    places = {pointer: match for pointer in changes if (match := _IN_CHOICE.match(pointer))}
    if type(tree) is not dict or type(tree.get("choices")) is not list:
        places = {}
    touched = {int(match[1]) for match in places.values() if type(tree["choices"][int(match[1])]) is dict}
    kept = {
        pointer: text
        for pointer, text in changes.items()
        if not (pointer in places and places[pointer][2] and int(places[pointer][1]) in touched)
    }
    copy = replaced(tree, kept)
    for position in touched:
        choice = copy["choices"][position]
        said_again = [(choice, field) for field in ("logprobs", *openai_stream.SPELLED_IN_NUMBERS)]
        for holder, field in (*said_again, (choice.get("message"), "audio")):
            if type(holder) is dict and field in holder:
                holder[field] = None
    return copy


def _index(choice: dict[str, Any], position: int) -> int:
    index = choice.get("index")
    if index is None:
        return position
    if type(index) is not int or index < 0:
        raise wrong(f"choices[{position}].index", "a whole number", index)
    return index


def _opens(last: Part | None, choice: int) -> bool:
    """Return whether the refusal has to name the role, no chunk having done so: clients join strings that come twice."""
    if last is None:
        return True
    choices = last.tree.get("choices") or [{}]
    return last.choice == choice and bool(last.deltas) and bool((choices[0].get("delta") or {}).get("role"))


def _is_plain(value: Any) -> bool:  # noqa: ANN401
    return value is None or type(value) is int or (type(value) is str and is_identifier(value))


def _usage_of(last: Part) -> dict[str, Any] | None:
    """Return the token counts that the upstream told last, if they are nothing but counts."""
    usage = last.tree.get("usage")
    found: list[Piece] = []
    walk.strings(usage, "usage", "", found)
    return usage if type(usage) is dict and not found else None
