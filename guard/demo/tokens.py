"""Cut a text into the demo's tokens: words, digits by threes, single signs, each with the space before it.

Nothing is lost: the tokens of a text, joined, are the text. That is what lets the demo repeat a text token by token.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r" ?[^\W\d_]+| ?\d{1,3}| ?[^\w\s]|.", re.DOTALL)


def tokenize(text: str) -> list[str]:
    """Return the tokens of `text`, none of them empty; joined they give `text` again."""
    return _TOKEN.findall(text)
