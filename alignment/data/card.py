"""The data card: what is in a set, where it comes from, how it was checked, and what was left out and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

REASONS: Mapping[str, str] = {
    "contradicts": "it says the opposite of what another record says of nearly the same texts",
    "disagreement": "what is said for and against it weighs the same",
    "disliked": "the answer is labelled as bad, and so not to be learned",
    "duplicate": "it is said once already; scores of the same answer are averaged",
    "equal": "both answers of the pair are the same",
    "media": "there are images, sounds or files in it",
    "near-duplicate": "nearly the same is said once already",
    "no-answer": "there is no answer that begins and ends with words of the assistant",
    "no-prompt": "there is no prompt that ends with words of the user",
    "no-value": "none of its answers has a score",
    "no-weight": "its weight is zero",
    "no-words": "one of its texts is empty",
    "other-source": "its prompt is nearly one of a source that is held out as a whole",
    "outvoted": "more weight is behind the opposite",
    "tie": "its answers have the same score",
    "tools": "there are calls of tools in it",
    "withheld": "private data in it could not be replaced for certain",
    "worse": "its chosen answer has the lower score",
}
"""What each reason for leaving something out means."""


def markdown(card: Mapping[str, Any]) -> str:
    """Return the card as a page to read."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Data card: {card['format']}"
    yield ""
    yield f"{card['records']:,} records. {card['columns_note']}"
    yield from _table("Sets", ("set", "records"), card["splits"])
    yield from ("", card["split_by"])
    yield from _table("Sources", ("source", "records"), card["sources"])
    yield from _table("Licences", ("licence", "records"), card["licences"])
    yield from _table("Policies in force", ("policy digest", "records"), card["policies"])
    yield from ("", "## Inputs", "", f"Digest of all of them: `{card['inputs']['digest']}`", "")
    for each in card["inputs"]["files"]:
        yield f"- {_cell(each['file'])}: {each['rows']:,} rows, SHA-256 `{each['sha256']}`"
    yield from ("", "## Checks", "", "| measure | value | limit | |", "| --- | ---: | ---: | --- |")
    for name, each in card["checks"].items():
        yield f"| {name} | {_number(each['value'])} | {_number(each['limit'])} | {each['meaning']} |"
    yield from ("", "## Left out", "")
    if not card["left_out"]:
        yield "Nothing."
    for each in card["left_out"]:
        yield f"- {each['count']:,} × `{each['reason']}`: {each['meaning']}"


def _table(title: str, header: tuple[str, str], rows: Mapping[str, int]) -> Iterator[str]:
    yield from ("", f"## {title}", "", f"| {header[0]} | {header[1]} |", "| --- | ---: |")
    yield from (f"| {_cell(name)} | {count:,} |" for name, count in rows.items())


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _cell(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "|*_<>[]`\\" else letter for letter in text).replace("\n", " ")
