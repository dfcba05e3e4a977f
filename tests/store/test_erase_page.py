"""The page about erasing shows what happens: its commands run in order, and print what it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from feedback_given import keep_answers, say
from typer.testing import CliRunner

from guard.cli.main import app
from guard.store import open_store
from guard.store.backup import backup

PAGE = Path(__file__).parent.parent.parent / "docs" / "erase.md"


def shown() -> Iterator[tuple[list[str], str]]:
    """Each command of the page, with what the page says that it prints."""
    for block in re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        for command, output in re.findall(r"^\$ guard (.*)\n((?:(?!\$).*\n)*)", block, re.MULTILINE):
            yield shlex.split(command), output


def test_the_commands_of_the_page_print_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    store = open_store("tenet.db")
    exchange = keep_answers(store, "I am Jane.", ["Hello."], subject="jane@example.org")
    say(store, exchange, "correction", correction="Hello, Jane.")
    kept = keep_answers(store, "I am Joan.", ["Hello."], subject="joan@example.org")
    backup(store.engine, Path("old.zip"))
    store.close()
    commands = list(shown())
    assert len(commands) == 6
    for command, output in commands:
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, (command, done.output, done.exception)
        if output:
            assert re.sub(r"er_[0-9a-f]{24}", "er_0123456789abcdef01234567", done.stdout) == output
    restored = open_store("restored.db")
    assert [each.id for each in restored.exchanges.every("")] == [kept]
    assert list(restored.feedback.every("")) == []
    restored.close()
