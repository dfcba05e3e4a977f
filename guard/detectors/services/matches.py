"""Find in a text what a service says that it has matched, where it does not say at which place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from guard.values import Span


def occurrences(text: str, match: str) -> Sequence[Span | None]:
    """Return where `match` stands in `text`, whatever its case; a single None, for the whole text, where it does not."""
    found = [Span(*one.span()) for one in re.finditer(re.escape(match), text, re.IGNORECASE)] if match else []
    return found or [None]
