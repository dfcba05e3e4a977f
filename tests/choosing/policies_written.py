"""Policies for files of choices, each of which blocks a word of its own."""

from __future__ import annotations

from pathlib import Path

_POLICY = """version: 1
name: {name}
{more}
detectors: {{{name}: {{use: patterns, words: [{word}], category: custom/word}}}}
rules: [{{id: {name}, detect: {name}, category: custom/word, action: block}}]
"""


def write_policy(folder: Path, name: str, word: str, more: str = "") -> None:
    """Write NAME.yaml, which blocks a word; `more` are further lines of it."""
    (folder / f"{name}.yaml").write_text(_POLICY.format(name=name, word=word, more=more))
