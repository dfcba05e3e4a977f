"""Images and sounds before they are judged: which may be, what happens to the rest, and what is written in them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from guard.errors import BadMessage
from guard.formats.base import Piece, Text
from guard.formats.fields import public_pointer
from guard.judging import Origin, Question, Readers
from guard.media import Media
from guard.values import Detector, Exchange, Finding, Item, Location, NoVerdict, Stage

Answer = tuple[Question, "list[list[Finding]] | NoVerdict"]

_WHAT = {"image": "this image", "audio": "this sound", "video": "this video", "file": "this file"}
_WAY_OUT = "or set `routes.media` to pass in the policy"


class Looking:
    """What one policy does with media."""

    def __init__(self, media: str, readers: Mapping[str, Detector]) -> None:
        """Prepare.

        Args:
            media: The policy's `routes.media`.
            readers: What reads the words in images, by the name of the detector for which it does.
        """
        self._media = media
        self._words = readers

    def admitted(self, media: Iterable[Media], readers: Readers) -> list[Text]:
        """Return those that are to be judged, decoded; others are let through.

        Raises:
            BadMessage: Where one may not pass, as nobody can judge it.
        """
        seen = []
        for medium in media:
            if self._is_judged(medium, readers):
                place = Piece(medium.pointer, "", key=True, medium=medium.type)
                seen.append(Text((place,), medium.role, medium.choice, medium.turn, medium.data()))
        return seen

    def in_stream(self, medium: Media, readers: Readers) -> str:
        """Return why a stream that carries this has to end; empty where it passes."""
        try:
            judged = self._is_judged(medium, readers)
        except BadMessage as error:
            return str(error)
        what = _WHAT[medium.kind]
        return f"{_path(medium.pointer)}: {what} cannot be judged while it streams; ask without `stream`" if judged else ""

    def to_read(self, texts: Sequence[Text], readers: Readers, stage: Stage, exchange: Exchange) -> list[Question]:
        """Return what has to be asked of those that read the words in images."""
        questions = []
        for name, reader in self._words.items():
            places = [index for index, text in enumerate(texts) if text.media is not None and name in _looking(text, readers)]
            items = [_item(texts[index], stage, exchange) for index in places]
            if items:
                questions.append(Question(reader, tuple(items), tuple(Origin(index, 0) for index in places)))
        return questions

    @staticmethod
    def read(texts: Sequence[Text], answers: Sequence[Answer], readers: Readers) -> tuple[list[Text], list[Answer]]:
        """Return the words that were read, as texts of whoever sent the images, and the answers that were none.

        The words cannot be redacted where they stand, so a rule that would blocks. Of words that could not be read, no detector
        that judges them has a verdict.
        """
        found: dict[tuple[int, str], Text] = {}
        failed: list[Answer] = []
        for question, answer in answers:
            if isinstance(answer, NoVerdict):
                failed.append((question, answer))
                failed += ((unasked, answer) for unasked in _unasked(question, texts, readers))
                continue
            for origin, findings in zip(question.origins, answer, strict=True):
                image = texts[origin.text]
                for finding in findings:
                    words = Piece(image.pieces[0].pointer, finding.category, key=True)
                    found[origin.text, finding.category] = Text((words,), image.role, image.choice, image.turn)
        return list(found.values()), failed

    def _is_judged(self, medium: Media, readers: Readers) -> bool:
        looking = readers.of_media(medium.role)
        what, path = _WHAT[medium.kind], _path(medium.pointer)
        if self._media == "reject":
            raise BadMessage(f"{path}: expected text only, got {what[5:]}", code="media_not_allowed")
        if not medium.remote and readers.of_media(medium.role, medium.type):
            return True
        if self._media == "judge" or (not self._media and looking):
            if medium.remote:
                reason = f"only the address of {what} was sent, so it cannot be judged; send it inline, {_WAY_OUT}"
            else:
                reason = f"no detector of this policy judges {what} ({medium.type}); leave it out, {_WAY_OUT}"
            raise BadMessage(f"{path}: {reason}", code="media_not_judged")
        return False


def _unasked(reading: Question, texts: Sequence[Text], readers: Readers) -> Iterator[Question]:
    """Yield what would have been asked about the words of images that could not be read."""
    for item, origin in zip(reading.items, reading.origins, strict=True):
        for name in readers.of(texts[origin.text].role):
            yield Question(readers.detectors[name], (item,), (origin,))


def _item(text: Text, stage: Stage, exchange: Exchange) -> Item:
    place = Location(text.pieces[0].pointer, text.choice)
    return Item("", stage, text.role, place, exchange=exchange, media=text.media)


def _looking(text: Text, readers: Readers) -> tuple[str, ...]:
    return readers.of_media(text.role, text.pieces[0].medium)


def _path(pointer: str) -> str:
    """Return a pointer as messages write it: `messages[0].content[1].image_url.url`."""
    path = ""
    for segment in public_pointer(pointer).split("/")[1:]:
        path += f"[{segment}]" if segment.isdigit() else f".{segment}"
    return path.removeprefix(".") or "the body"
