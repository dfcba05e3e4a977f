"""The data card: what is in an export, where it comes from, and what was left out and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

REASONS: Mapping[str, str] = {
    "not-kept": "texts of the exchange are not in the store (its policy says `store: none`, or they were pruned)",
    "withheld": "texts could not be redacted for certain, so they are withheld",
    "truncated": "texts were kept in part only, as they are too long",
    "no-exchange": "the exchange is not in the store",
    "tools": "the conversation has calls of tools, which these formats do not carry",
    "several-prompts": "the request had several prompts, and it is not known which answer belongs to which",
    "no-prompt": "there is no prompt that ends with words of the user",
    "no-answer": "there is no answer to speak of: none was given, or the choice has no words",
    "which-choice": "there were several answers, and it is not said which one is meant",
    "not-shown": "the caller was shown a refusal or a revision, so that what was said is not about the answer in the store",
    "no-correction": "the correction is empty",
    "no-value": "there is no value, or, of a category, none from 0 to 1",
    "equal": "both sides of the pair are equal",
    "undecided": "the appeal was not accepted",
    "unknown-category": "the category is none that Tenet knows, or that a detector of this installation has reported",
    "unsure": "the reviewer was not sure",
    "replaced": "the label was replaced by a later one",
    "rejected": "it was rejected by a reviewer",
    "flagged": "it was flagged as suspicious",
    "flagged-source": "its source is flagged as suspicious",
    "no-weight": "its weight, or its source's, is zero",
    "tie": "what is said for and against it weighs the same",
    "light": "less is behind it than was asked for (`--min-weight`)",
    "disliked": "more is said against the answer than for it",
    "near-duplicate": "it is nearly the same as another record of its set",
    "leak": "its prompt, or nearly the same one, is in a set that comes first (held_out, validation, train)",
}
"""What each reason for leaving something out means."""

NOTICE = (
    "Texts are words of the users of this installation and of the models behind it: what they may be used for is settled by the "
    "terms they were given under. Records from imported files have the licence that was stated at the import."
)


def dataset_page(card: Mapping[str, Any]) -> str:
    """Return the README by which `datasets.load_dataset(FOLDER)` finds the sets; it takes no empty ones."""
    filled = [name for name, count in card["splits"].items() if count]
    files = "".join(f"\n      - split: {name}\n        path: {name}.parquet" for name in filled)
    configs = f"configs:\n  - config_name: default\n    data_files:{files}\n" if files else ""
    return f"---\n{configs}tags:\n  - {card['format']}\n---\n\nWhat is in these files is in [data_card.md](data_card.md).\n"


def markdown(card: Mapping[str, Any]) -> str:
    """Return the card as a page to read."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Data card: {card['format']}"
    yield ""
    yield f"{card['records']:,} records, made of {card['statements']['taken']:,} statements. {card['columns_note']}"
    yield from _table("Sets", ("set", "records"), card["splits"])
    empty = [name for name, count in card["splits"].items() if not count]
    yield ""
    yield card["split_by"] + (f" There is nothing in {', '.join(empty)} yet." if empty else "")
    yield from _table("Statements by source and kind", ("source: kind", "statements"), card["statements"]["by"])
    yield from _table("Records by policy in force", ("policy digest", "records"), card["policies"])
    if card["counts"]:
        yield from _table("Records by what they say", ("", "records"), card["counts"])
    yield from _agreement(card["agreement"])
    yield from _section("Weights", _weights(card["weights"]))
    yield from _section("Personal data", card["redaction"]["note"])
    yield from _table("Licences", ("licence", "records"), card["licences"])
    yield ""
    yield card["notice"]
    yield from _section("Left out", "" if card["left_out"] else "Nothing.")
    for each in card["left_out"]:
        yield f"- {each['count']:,} × `{each['reason']}`: {each['meaning']}"


def _section(title: str, text: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    if text:
        yield text


def _table(title: str, header: tuple[str, str], rows: Mapping[str, int]) -> Iterator[str]:
    yield from _section(title, "" if rows else "None.")
    if rows:
        yield f"| {header[0]} | {header[1]} |"
        yield "| --- | ---: |"
        yield from (f"| {_cell(name)} | {count:,} |" for name, count in rows.items())


def _agreement(found: Mapping[str, Any]) -> Iterator[str]:
    yield from _section("Agreement between sources", found["note"])
    yield ""
    for name, each in found["by"].items():
        alpha = "unknown" if each["alpha"] is None else f"{each['alpha']:.3f}"
        yield f"- {_cell(name)}: alpha {alpha}, of {each['said_more_than_once']:,} things that were spoken of more than once"


def _weights(weights: Mapping[str, Any]) -> str:
    if weights["mean"] is None:
        return f"At least {weights['asked_for']:g} was asked for."
    low, mean, high = (weights[name] for name in ("lowest", "mean", "highest"))
    return f"From {low:g} to {high:g}, {mean:g} on average; at least {weights['asked_for']:g} was asked for."


def _cell(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "|*_<>[]`\\" else letter for letter in text).replace("\n", " ")
