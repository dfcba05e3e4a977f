"""The wire of `POST /guard/feedback`: what a request says, one post or a list of them, and what is wrong with it.

Errors name the place and what was expected, and repeat nothing of what was sent.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from guard.errors import BadMessage
from guard.store.identity import is_id
from guard.store.posts import Said

MOST_POSTS = 100
MOST_COMMENT = 8_192
"""Code points of a comment; `MOST_CORRECTION` of what should have been said."""
MOST_CORRECTION = 65_536
MOST_KEY = 255
"""Characters of an idempotency key."""
MOST_CHOICE = 65_534
_MOST_COMPARED = 128
_AHEAD, _BEHIND = 300.0, 366 * 86_400.0
"""Seconds that the sender's clock may be ahead of ours, and that feedback may be late."""
_CATEGORY = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}(?:/[a-z0-9][a-z0-9_-]{0,63}){0,2}")
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_FIELD = re.compile(r"unknown field `([A-Za-z0-9_-]{1,40})`")
_THUMBS = {"up": 1.0, "down": -1.0}


class Post(msgspec.Struct, forbid_unknown_fields=True):
    """One post as it is sent."""

    exchange: str
    token: str | None = None
    choice: int | None = None
    thumb: str | None = None
    score: float | None = None
    category: str | None = None
    correction: str | None = None
    preferred: int | None = None
    over: list[int] | None = None
    comment: str | None = None
    appeal: bool = False
    edited: bool = False
    said: str | float | None = None
    idempotency_key: str | None = None


class Checked(NamedTuple):
    """A post that is as it should be.

    Attributes:
        choices: Every choice that it names.
        said: In microseconds.
    """

    post: Post
    statements: tuple[Said, ...]
    choices: tuple[int, ...]
    said: int | None
    idempotency_key: str


class Asked(NamedTuple):
    """What a request says."""

    posts: Sequence[Checked]
    is_list: bool


_DECODER = msgspec.json.Decoder(Post | list[Post])


def read(body: bytes, header_key: str = "", clock: float | None = None) -> Asked:
    """Return what a request says.

    Args:
        header_key: The header `Idempotency-Key`; each post of a list has its own by it.
        clock: Seconds since 1970; now, where not given.

    Raises:
        BadMessage: With the place in the body.
    """
    try:
        sent = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong(_described(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadMessage("the body: expected JSON in UTF-8, got something else", code="invalid_json") from None
    at = time.time() if clock is None else clock
    if isinstance(sent, Post):
        return Asked((_checked(sent, "", header_key, at),), is_list=False)
    if not 1 <= len(sent) <= MOST_POSTS:
        raise _wrong(f"the body: expected an object, or a list of 1 to {MOST_POSTS}, got a list of {len(sent)}")
    keys = [f"{header_key} {index}" if header_key else "" for index in range(len(sent))]
    return Asked(
        tuple(_checked(post, f"[{index}].", key, at) for index, (post, key) in enumerate(zip(sent, keys, strict=True))), True
    )


def _checked(post: Post, where: str, header_key: str, at: float) -> Checked:
    if not is_id(post.exchange):
        raise _wrong(f"{where}exchange: expected the id of an exchange (ex_…), as x-guard-exchange said it")
    key = header_key if post.idempotency_key is None else post.idempotency_key
    if (key and (len(key) > MOST_KEY + 4 or _KEY.fullmatch(key) is None)) or post.idempotency_key == "":
        raise _wrong(f"{where}idempotency_key: expected 1 to {MOST_KEY} printable ASCII characters")
    return Checked(post, _statements(post, where), _choices(post, where), _moment(post.said, f"{where}said", at), key)


def _statements(post: Post, where: str) -> tuple[Said, ...]:
    """Return what a post states, each as one statement; a comment goes with the first."""
    category = _category(post.category, f"{where}category")
    comment = _words(post.comment, MOST_COMMENT, f"{where}comment")
    correction = _words(post.correction, MOST_CORRECTION, f"{where}correction")
    said: list[Said] = []
    if post.thumb is not None:
        if post.thumb not in _THUMBS:
            raise _wrong(f"{where}thumb: expected up or down")
        said.append(Said("thumb", _THUMBS[post.thumb]))
    if post.score is not None:
        if not (math.isfinite(post.score) and 0 <= post.score <= 1):
            raise _wrong(f"{where}score: expected a number from 0 to 1")
        said.append(Said("score", post.score, category))
    if correction is not None:
        said.append(Said("correction", correction=correction))
    if post.preferred is not None:
        said.append(Said("preference", preferred=post.preferred, compared=tuple(post.over or ())))
    elif post.over is not None:
        raise _wrong(f"{where}over: expected `preferred` beside it")
    if post.appeal:
        said.append(Said("appeal", category=category))
    elif category and post.score is None:
        said.append(Said("category", 1.0, category))
    if post.edited:
        said.append(Said("edit"))
    if comment is not None and not said:
        said.append(Said("comment"))
    if not said:
        expected = "thumb, score, category, correction, preferred, comment, appeal or edited"
        raise _wrong(f"{where.rstrip('.') or 'the body'}: expected something that is said: {expected}")
    if comment is not None:
        said[0] = replace(said[0], comment=comment)
    return tuple(said)


def _choices(post: Post, where: str) -> tuple[int, ...]:
    named = [("choice", post.choice), ("preferred", post.preferred), *(("over", index) for index in post.over or ())]
    for name, index in named:
        if index is not None and not 0 <= index <= MOST_CHOICE:
            raise _wrong(f"{where}{name}: expected the index of a choice, from 0")
    over = post.over or []
    if len(over) > _MOST_COMPARED or len(set(over)) != len(over) or post.preferred in over:
        raise _wrong(f"{where}over: expected at most {_MOST_COMPARED} other choices, each once")
    return tuple(index for _, index in named if index is not None)


def _category(name: str | None, where: str) -> str:
    if name is None:
        return ""
    if _CATEGORY.fullmatch(name) is None:
        raise _wrong(f"{where}: expected the name of a category, such as harassment/threatening")
    return name


def _words(text: str | None, most: int, where: str) -> str | None:
    if text is None:
        return None
    if not text.strip():
        raise _wrong(f"{where}: expected a text, got an empty one")
    if len(text) > most:
        raise BadMessage(f"{where}: expected at most {most:,} characters, got {len(text):,}", status=413, code="too_long")
    return text


def _moment(said: str | float | None, where: str, at: float) -> int | None:
    if said is None:
        return None
    expected = "expected seconds since 1970, or a time with its zone such as 2026-01-31T12:00:00Z"
    if isinstance(said, str):
        try:
            moment = datetime.fromisoformat(said)
            if moment.tzinfo is None:
                raise _wrong(f"{where}: {expected}")
            seconds = moment.astimezone(UTC).timestamp()
        except (ValueError, OverflowError):
            raise _wrong(f"{where}: {expected}") from None
    else:
        seconds = said
    if not at - _BEHIND <= seconds <= at + _AHEAD:
        off = "in the future" if seconds > at else "more than a year ago"
        raise BadMessage(
            f"{where}: expected a time of the past year by this server's clock, got one {off}; is the sender's clock right?",
            code="clock_skew",
        )
    return round(seconds * 1_000_000)


def _wrong(message: str) -> BadMessage:
    return BadMessage(message, code="invalid_feedback")


def _described(error: msgspec.ValidationError) -> str:
    """Return a mistake without what was sent; the name of a field is shown where it can be nothing but one."""
    what, _, place = str(error).partition(" - at `$")
    where = place.rstrip("`").removeprefix(".") or "the body"
    if "unknown field" in what:
        named = _FIELD.search(what)
        return f"{where}: expected only {', '.join(Post.__struct_fields__)}; got {named[1] if named else 'another field'}"
    return f"{where}: {what[:1].lower()}{what[1:]}"
