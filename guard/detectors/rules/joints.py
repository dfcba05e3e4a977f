r"""Find suffixes that a search against a model made (Zou et al., 2023, "GCG"): tokens of a vocabulary, joined without sense.

What gives them away are joints that neither prose nor code has, such as `oppositeley.](Me`, `giving**ONE` and `"\!--Two`. A line
is found where several kinds of them stand in it, and it is no code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.values import Span

KINDS = 3
"""Kinds of odd joints that a line has at least."""

_LINE = re.compile(r"[^\n]+")
_JOINTS = tuple(
    re.compile(expression)
    for expression in (
        r"[a-z][.,!?]?[\])}]{1,2}[(\[{][A-Za-z]",  # oppositeley.](Me
        r"[a-z]{2}(?:\*\*|~~|\^\^|\|\|)[A-Z]{2}",  # giving**ONE
        r"(?<![\w.])[a-z]{3,}[A-Z][a-z]{2,}(?![\w(.=:])",  # similarlyNow
        r"\\[!?+;,](?=[\s\-\w])|[\"'.]\\(?=[\s!+])",  # .\ and "\!
        r"[!?.;]--\w",  # !--Two
        r"(?<!\S)[!?.;,]{1,2}[)\]}]+\w|[:;][)\]}][a-z]{2}|\w[)\]}]{2,}\s[!?]{2}",  # :)ish
        r"\w\{\{\s|(?<!\S)\[\{\s|(?<!\S)[+=]{1,2}(?=\s[a-z]+[A-Z][a-z])",
    )
)
_CODE = re.compile(r"[;{]\s*$|\)\s*[:{]\s*$|\w\([^()]*\)\s*[;{.]|=>|[!=]=\s|\+=|\$|</\w|https?://|\\[a-z]+\{|\":\s")


def salads(text: str) -> Iterator[Span]:
    """Yield, for each line of `text` with odd joints of many kinds, where they begin and end."""
    for line in _LINE.finditer(text):
        if "(" not in line[0] and "\\" not in line[0] and "{" not in line[0]:
            continue
        found = [match for joint in _JOINTS if (match := joint.search(line[0]))]
        if len(found) >= KINDS and not _CODE.search(line[0]):
            first, last = min(match.start() for match in found), max(match.end() for match in found)
            yield Span(line.start() + first, line.start() + last)
