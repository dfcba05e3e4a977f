"""Exceptions to lint, written as comments: `# noqa: L005 the stricter rule comes with the next release`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from guard.policy.remarks import CODES
from guard.policy.shapes import did_you_mean
from guard.policy.written import Comment

_NOQA = re.compile(r"#\s*noqa\b\s*:?\s*(?P<codes>[A-Z]+[0-9]+(?:\s*,\s*[A-Z]+[0-9]+)*)?(?P<reason>.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Exemption:
    """A comment that takes remarks out.

    Attributes:
        covers: The lines, from 1, whose remarks it may take out: its own, and the first one below that is no comment.
        fault: The code of what is wrong with it, if it doesn't hold; else empty.
        said: What is wrong with it.
    """

    line: int
    column: int
    codes: tuple[str, ...]
    reason: str
    covers: frozenset[int]
    fault: str = ""
    said: str = ""


def exemptions(comments: list[Comment]) -> list[Exemption]:
    """Return what the comments of a file take out, those that don't hold among them."""
    alone = {comment.line for comment in comments if comment.alone}
    found = []
    for comment in comments:
        match = _NOQA.match(comment.text)
        if match is not None:
            found.append(_exemption(comment, match, alone))
    return found


def _exemption(comment: Comment, match: re.Match[str], alone: set[int]) -> Exemption:
    codes = tuple(code.upper() for code in re.split(r"\s*,\s*", match["codes"])) if match["codes"] else ()
    reason = match["reason"].strip(" \t:-–—()")
    unknown = [code for code in codes if code not in CODES]
    fault, said = "", ""
    if not codes:
        fault, said = "L090", "an exception that names no code"
    elif unknown:
        meant = did_you_mean(unknown[0], CODES)
        fault, said = "L090", f"no such code as {unknown[0]}{f'; {meant}' if meant else ''}"
    elif not reason:
        fault, said = "L091", f"an exception to {', '.join(codes)} without a reason"
    below = comment.line
    while comment.alone and below in alone:
        below += 1
    return Exemption(comment.line, comment.column, codes, reason, frozenset({comment.line, below}), fault, said)
