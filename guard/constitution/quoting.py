"""Other people's words inside a prompt, so that nothing in them can be taken for the prompt.

A text stands, character for character, between two lines that end in a mark. The mark does not occur in the text and cannot be
guessed by whoever wrote it: it is derived from the text with a key that only this process knows. So the same text gives the same
prompt, and no text can close its own block.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

Mark = Callable[[Sequence[str]], str]
"""Gives the mark for some texts; it occurs in none of them."""

_MARK_DIGITS = 32
_HALF = re.compile("[\ud800-\udfff]")


class Block(NamedTuple):
    """A text in a prompt, and the words that say what it is."""

    label: str
    text: str


def fence(blocks: Sequence[Block], mark: Mark) -> str:
    """Return the blocks one after the other, each text between two lines with the same mark."""
    shown = [Block(block.label, readable(block.text)) for block in blocks]
    word = mark([block.text for block in shown])
    return "\n\n".join(f"BEGIN {label} {word}\n{text}\nEND {label} {word}" for label, text in shown)


def mark_of(key: bytes) -> Mark:
    """Return what derives marks with `key`; another process with the same key builds the same prompts."""

    def mark(texts: Sequence[str]) -> str:
        digest = hmac.new(key, digestmod=hashlib.sha256)
        for text in texts:
            data = text.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        found = digest.hexdigest()[:_MARK_DIGITS]
        while any(found in text for text in texts):
            digest.update(b"again")
            found = digest.hexdigest()[:_MARK_DIGITS]
        return found

    return mark


def readable(text: str) -> str:
    """Return `text` with each half of a surrogate pair replaced, since no request can carry one; as long as before."""
    return _HALF.sub("\ufffd", text)


OWN_MARK = mark_of(os.urandom(32))
"""Marks of this process."""
