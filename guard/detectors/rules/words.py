"""What counts as a word, in any script."""

from __future__ import annotations

import re
from itertools import islice

_WORD = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]{1,2}"  # kana and Han
    "|[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]{1,4}"  # Thai, Lao, Burmese, Khmer
    r"|[^\W\d_]+"
)


def has_words(text: str, least: int) -> bool:
    """Return whether `text` has at least so many words; where a script does not part them, a few signs count as one."""
    return sum(1 for _ in islice(_WORD.finditer(text), least)) >= least
