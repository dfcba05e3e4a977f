"""Log probabilities repeat a text token by token: whether they say the same as the text that was judged.

Tokens that were not chosen say something else by nature; they pass where each is one short word of a vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

_TOKEN = frozenset(("token", "logprob", "bytes"))
_ENTRY = _TOKEN | {"top_logprobs"}
_LEGACY = frozenset(("tokens", "token_logprobs", "top_logprobs", "text_offset"))
_LONGEST_TOKEN = 128
_LONGEST_PART = len("bytes:") + 4 * 8
_LONGEST_WORD = 16
"""Vocabularies hold hardly any longer word; a longer alternative may be something that was put there to be said."""


def faithful(logprobs: Any, spoken: dict[str, str]) -> bool:  # noqa: ANN401
    """Return whether `logprobs` spell the choice's own texts and hold nothing else.

    Args:
        logprobs: What stands at a choice's `logprobs`, in the form of chat or of completions.
        spoken: The texts that may be spelled: `content`, `refusal` or `text`.
    """
    if logprobs is None:
        return True
    if type(logprobs) is not dict:
        return False
    if "tokens" in logprobs:
        return _legacy_faithful(logprobs, spoken.get("text", ""))
    return all(
        key in spoken and (entries is None or (type(entries) is list and _spelled(entries) == spoken[key].encode()))
        for key, entries in logprobs.items()
    )


def strings(value: Any) -> Iterator[str]:  # noqa: ANN401
    """Return every string in `value`, keys too, in the order of the document."""
    if type(value) is str:
        yield value
    elif type(value) is dict:
        for key, child in value.items():
            yield key
            yield from strings(child)
    elif type(value) is list:
        for child in value:
            yield from strings(child)


def _spelled(entries: list[Any]) -> bytes | None:
    """Return the text that the entries spell; None where one of them holds something else."""
    spelled: list[bytes] = []
    for entry in entries:
        token = _token(entry, _ENTRY)
        if token is None:
            return None
        alternatives = entry.get("top_logprobs") or []
        if type(alternatives) is not list or not all(map(_is_alternative, alternatives)):
            return None
        spelled.append(token)
    return b"".join(spelled)


def _token(entry: Any, fields: frozenset[str]) -> bytes | None:  # noqa: ANN401
    """Return an entry's bytes; None where its fields are not those of a token or do not agree."""
    if type(entry) is not dict or not entry.keys() <= fields or type(entry.get("token")) is not str:
        return None
    token: str = entry["token"]
    if len(token) > _LONGEST_TOKEN or not _is_number(entry.get("logprob")):
        return None
    numbers = entry.get("bytes")
    if numbers is None:
        return token.encode()
    if type(numbers) is not list or not all(type(number) is int and 0 <= number < 256 for number in numbers):
        return None
    raw = bytes(numbers)
    if token.encode() == raw or (_is_part_of_a_character(raw) and len(token) <= len("bytes:") + 4 * len(raw) <= _LONGEST_PART):
        return raw
    return None


def _is_alternative(entry: Any) -> bool:  # noqa: ANN401
    return _token(entry, _TOKEN) is not None and _is_one_word(entry["token"])


def _is_one_word(token: str) -> bool:
    """Return whether a token that was not chosen can be no more than one short word, or signs."""
    words = token.split()
    if len(words) > 1 or len(token) > _LONGEST_TOKEN:
        return False
    return not words or len(words[0]) <= _LONGEST_WORD or not any(character.isalnum() for character in words[0])


def _is_part_of_a_character(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return True
    return False


def _legacy_faithful(logprobs: dict[str, Any], text: str) -> bool:
    """Return the same for `{tokens, token_logprobs, top_logprobs, text_offset}`."""
    tokens = logprobs["tokens"]
    if not logprobs.keys() <= _LEGACY or type(tokens) is not list or any(type(token) is not str for token in tokens):
        return False
    numbers = [*_items(logprobs.get("token_logprobs")), *_items(logprobs.get("text_offset"))]
    for other in _items(logprobs.get("top_logprobs")):
        if other is None:
            continue
        if type(other) is not dict or not all(map(_is_one_word, other)):
            return False
        numbers += other.values()
    return "".join(tokens) == text and all(map(_is_number, numbers))


def _items(value: Any) -> list[Any]:  # noqa: ANN401
    """Return a list's items; a value of another kind stands for itself, to be refused."""
    return [] if value is None else value if type(value) is list else [value]


def _is_number(value: Any) -> bool:  # noqa: ANN401
    return value is None or type(value) in (int, msgspec.Raw)
