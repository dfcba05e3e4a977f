"""Name every string of a tree that a person or a model could have written.

What a format does not handle itself comes here: strings, and keys outside the formats' vocabulary. Identifiers of the right shape
pass; inlined media are named as what they are.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any, NamedTuple

from guard.formats.base import Document, Piece, Text
from guard.formats.fields import IDENTIFIERS, NAMES, is_identifier, is_media, is_name, is_sound
from guard.formats.pointers import escape, key_of
from guard.media import Media
from guard.values import Role

_MAY_SPEAK = (str, dict, list)


class Speaker(NamedTuple):
    """Whose words the texts of a sub-tree are."""

    role: Role
    choice: int | None = None
    turn: int = -1


def entries(tree: dict[str, Any], pointer: str, found: list[Piece], but: Container[str] = ()) -> None:
    """Add to `found` what has to be judged in an object, in the order of the document; a key before its value.

    Args:
        tree: An object of JSON.
        pointer: Where it stands.
        found: Receives the pieces. Keys that the formats do not know are among them.
        but: Keys of entries to leave alone.
    """
    for key, value in tree.items():
        if key in but:
            continue
        kind = type(value)
        if key in NAMES:
            if kind is str:
                if value and not (key in IDENTIFIERS and is_identifier(value)):
                    found.append(_piece(key, value, f"{pointer}/{key}"))
            elif kind is list or kind is dict:
                _below(key, value, f"{pointer}/{key}", found)
            continue
        where = f"{pointer}/{escape(key)}"
        if not is_name(key):
            found.append(Piece(key_of(where), key, key=True))
        strings(value, key, where, found)


def strings(value: Any, field: str, pointer: str, found: list[Piece]) -> None:  # noqa: ANN401
    """Add to `found` what has to be judged at and below `pointer`; `field` is the nearest key above it."""
    if type(value) is str:
        if value and not (field in IDENTIFIERS and is_identifier(value)):
            found.append(_piece(field, value, pointer))
    else:
        _below(field, value, pointer, found)


def _below(field: str, value: Any, pointer: str, found: list[Piece]) -> None:  # noqa: ANN401
    if type(value) is dict:
        sound = field in ("audio", "input_audio") and _is_sound_of(value)
        if sound:
            found.append(Piece(f"{pointer}/data", value["data"], medium="audio"))
        entries(value, pointer, found, ("data",) if sound else ())
    elif type(value) is list:
        for index, child in enumerate(value):
            if child and type(child) in _MAY_SPEAK:
                strings(child, field, f"{pointer}/{index}", found)


def _piece(field: str, value: str, pointer: str) -> Piece:
    return Piece(pointer, value, medium="file") if is_media(field, value) else Piece(pointer, value)


def as_texts(pieces: Sequence[Piece], speaker: Speaker) -> list[Text]:
    """Return one text for each piece, media among them; see `document`."""
    return [Text((piece,), speaker.role, speaker.choice, speaker.turn) for piece in pieces]


def document(raw: bytes, tree: Any, named: Iterable[Text]) -> Document:  # noqa: ANN401
    """Return the document in which all these were named, each medium once: as what names it first."""
    texts: list[Text] = []
    media: dict[str, Media] = {}
    for text in named:
        piece = text.pieces[0]
        if piece.medium:
            media.setdefault(piece.pointer, medium_of(piece, Speaker(text.role, text.choice, text.turn)))
        else:
            texts.append(text)
    return Document(raw, tree, tuple(texts), tuple(media.values()))


def medium_of(piece: Piece, speaker: Speaker) -> Media:
    """Return what a piece that is no text holds."""
    kind, _, named = piece.medium.partition(":")
    return Media(piece.pointer, speaker.role, kind, piece.text, bool(named), speaker.choice, speaker.turn)


def _is_sound_of(holder: dict[str, Any]) -> bool:
    data = holder.get("data")
    return type(data) is str and is_sound(data)
