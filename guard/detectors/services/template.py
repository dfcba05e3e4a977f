"""Bodies of requests as policies write them: any JSON in which `{text}` or `{texts}` stands for what is judged.

Texts are put in as values of the tree, never into its source, so that no text can change the request around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

ONE = "{text}"
MANY = "{texts}"


def filled(template: Any, texts: Sequence[str]) -> Any:  # noqa: ANN401
    """Return a copy of `template` with the texts in it: `{texts}` becomes the list of them, `{text}` the first."""
    if isinstance(template, str):
        return list(texts) if template == MANY else template.replace(ONE, texts[0])
    if isinstance(template, dict):
        return {name: filled(value, texts) for name, value in template.items()}
    return [filled(value, texts) for value in template] if isinstance(template, list) else template


def strings(template: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield every string value of a template."""
    if isinstance(template, str):
        yield template
    elif isinstance(template, dict | list):
        for value in template.values() if isinstance(template, dict) else template:
            yield from strings(value)


def takes_many(template: Any) -> bool:  # noqa: ANN401
    """Return whether a template has a place for a list of texts."""
    return MANY in strings(template)


def takes_one(template: Any) -> bool:  # noqa: ANN401
    """Return whether a template has a place for a single text."""
    return any(ONE in value for value in strings(template))
