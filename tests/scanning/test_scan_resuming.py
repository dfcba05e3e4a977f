"""A scan that was stopped goes on where it was, and ends with the bytes of one that was not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from guard.errors import TenetError
from guard.scanning import output
from guard.scanning.judging import Question
from guard.scanning.lock import locked
from guard.scanning.output import checkpoint_of
from guard.scanning.scan import Ended, Progress, Settings, scan
from guard.values import Stage

TEXTS = [
    f"number {number}: " + ("forbidden", "a@example.org", "nothing", "two words, again and again")[number % 4]
    for number in range(1500)
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    lines = [json.dumps({"text": text}) if number % 50 else "{broken" for number, text in enumerate(TEXTS)]
    path.write_text("\n\n".join(lines) + "\n")
    return path


@pytest.fixture
def settings(tmp_path: Path, source: Path, policy_file: Path) -> Callable[..., Settings]:
    def make(**given) -> Settings:
        known = {
            "source": str(source),
            "out": tmp_path / "out.jsonl",
            "policy": str(policy_file),
            "question": Question(together=8),
        }
        return Settings(**{**known, **given})

    return make


def stopped_after(settings: Settings, records: int) -> Ended:
    seen: list[Progress] = []
    ended = scan(settings, seen.append, lambda: bool(seen) and seen[-1].summary.records >= records)
    assert ended.stopped
    return ended


def uninterrupted(settings: Settings, out: Path) -> bytes:
    scan(Settings(**{name: getattr(settings, name) for name in Settings.__slots__} | {"out": out}))
    return out.read_bytes()


def test_a_scan_that_was_stopped_goes_on_and_ends_with_the_same_bytes(settings, tmp_path):
    expected = uninterrupted(settings(), tmp_path / "whole.jsonl")
    ended = stopped_after(settings(), 400)
    assert 400 <= ended.summary.records < 1500
    assert not settings().out.exists()
    seen: list[tuple[bool, int]] = []
    again = scan(settings(), lambda progress: seen.append((progress.resumed, progress.summary.records)))
    assert seen[0] == (True, ended.summary.records)
    assert settings().out.read_bytes() == expected
    assert again.summary.records == 1500
    assert again.summary.broken == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl", "whole.jsonl"]


def test_what_was_written_after_the_last_checkpoint_is_written_anew(settings, tmp_path):
    expected = uninterrupted(settings(), tmp_path / "whole.jsonl")
    stopped_after(settings(), 100)
    with (tmp_path / "out.jsonl.partial").open("ab") as partial:
        partial.write(b'{"row":101,"action":"allow"}\n{"row":102,"acti')
    scan(settings())
    assert settings().out.read_bytes() == expected


@pytest.mark.parametrize(
    ("step", "left"), [("replace", {".partial", ".checkpoint"}), ("unlink", {".checkpoint", ""})], ids=["before", "after"]
)
def test_a_scan_killed_around_its_last_step_only_needs_that_step(settings, tmp_path, monkeypatch, step, left):
    expected = uninterrupted(settings(), tmp_path / "whole.jsonl")
    whole = getattr(Path, step)

    def killed(self: Path, *arguments, **options):
        if self.name == ("out.jsonl.partial" if step == "replace" else "out.jsonl.checkpoint"):
            raise KeyboardInterrupt
        return whole(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, step, killed)
        with pytest.raises(KeyboardInterrupt):
            scan(settings())
    assert {path.name.removeprefix("out.jsonl") for path in tmp_path.glob("out.jsonl*")} == left
    assert scan(settings()).summary.records == 1500
    assert settings().out.read_bytes() == expected
    assert not checkpoint_of(settings().out).exists()


def test_a_table_goes_on_too_and_is_written_as_one(tmp_path, policy_file):
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "in.parquet", row_group_size=350)
    known = {"source": str(tmp_path / "in.parquet"), "policy": str(policy_file), "question": Question(together=8)}
    scan(Settings(out=tmp_path / "whole.parquet", **known))
    settings = Settings(out=tmp_path / "out.parquet", **known)
    stopped_after(settings, 500)
    scan(settings)
    assert settings.out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert pq.read_table(settings.out).num_rows == 1500


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"policy": "default"}, "another policy"),
        ({"text": "other"}, "another --field"),
        ({"id": "id"}, "another --id"),
        ({"question": Question(Stage.OUTPUT)}, "another --stage"),
        ({"question": Question(keep_text=True)}, "--keep-text"),
    ],
)
def test_another_command_does_not_go_on_with_it_unless_told_to_overwrite(settings, other, said):
    stopped_after(settings(), 100)
    before = checkpoint_of(settings().out).read_bytes()
    with pytest.raises(TenetError, match=f"{said}.*--overwrite"):
        scan(settings(**other))
    assert checkpoint_of(settings().out).read_bytes() == before
    assert scan(settings(**other, overwrite=True)).summary.records == 1500


def test_how_many_are_judged_together_changes_nothing(settings, tmp_path):
    expected = uninterrupted(settings(), tmp_path / "whole.jsonl")
    stopped_after(settings(), 100)
    scan(settings(question=Question(together=3)))
    assert settings().out.read_bytes() == expected


def test_an_input_that_changed_is_another_input(settings, source):
    stopped_after(settings(), 100)
    with source.open("a") as file:
        file.write('{"text": "more"}\n')
    with pytest.raises(TenetError, match=r"another size.*--overwrite"):
        scan(settings())


def test_overwriting_goes_on_with_what_fits(settings, tmp_path):
    expected = uninterrupted(settings(), tmp_path / "whole.jsonl")
    settings().out.write_text("precious")
    stopped_after(settings(overwrite=True), 100)
    assert settings().out.read_text() == "precious"
    seen: list[Progress] = []
    scan(settings(overwrite=True), seen.append)
    assert seen[0].resumed
    assert settings().out.read_bytes() == expected


def test_a_file_that_exists_is_not_replaced(settings):
    settings().out.write_text("precious")
    with pytest.raises(TenetError, match=r"exists already.*--overwrite"):
        scan(settings())
    assert settings().out.read_text() == "precious"


@pytest.mark.parametrize("spoil", [b"", b"{", b'{"version": 2}', b"\xff"])
def test_a_checkpoint_that_cannot_be_read_is_refused(settings, spoil):
    stopped_after(settings(), 100)
    checkpoint_of(settings().out).write_bytes(spoil)
    with pytest.raises(TenetError, match="--overwrite"):
        scan(settings())
    assert scan(settings(overwrite=True)).summary.records == 1500


def test_results_that_were_lost_are_noticed(settings, tmp_path):
    stopped_after(settings(), 100)
    os.truncate(tmp_path / "out.jsonl.partial", 10)
    with pytest.raises(TenetError, match=r"expected .* bytes, found 10"):
        scan(settings())


def test_somebody_elses_partial_file_is_left_alone(settings, tmp_path):
    (tmp_path / "out.jsonl.partial").write_text("mine")
    with pytest.raises(TenetError, match="no scan wrote it"):
        scan(settings())
    assert (tmp_path / "out.jsonl.partial").read_text() == "mine"


def test_two_scans_do_not_write_one_file(settings):
    with (
        locked(settings().out.with_name("out.jsonl.lock")),
        pytest.raises(TenetError, match=f"process {os.getpid()} is writing it"),
    ):
        scan(settings())
    assert scan(settings()).summary.records == 1500


def test_a_disk_that_is_full_stops_the_scan_and_keeps_what_there_is(settings, tmp_path, monkeypatch):
    expected = uninterrupted(settings(), tmp_path / "whole.jsonl")
    monkeypatch.setattr(output, "_CHECKPOINT_SECONDS", 0.0)
    real, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 12:
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(TenetError, match="No space left on device; the same command goes on later"):
            scan(settings())
    seen: list[int] = []
    scan(settings(), lambda progress: seen.append(progress.summary.records))
    assert seen[0] > 0
    assert settings().out.read_bytes() == expected


def test_the_summary_of_a_resumed_scan_is_that_of_the_whole(settings, tmp_path):
    whole = scan(settings(out=tmp_path / "whole.jsonl")).summary.as_dict()
    stopped_after(settings(), 700)
    assert scan(settings()).summary.as_dict() == whole
    assert whole["actions"] == {"allow": 735, "redact": 375, "block": 360}
    assert whole["rules"] == {"hide-email": 375, "no-forbidden": 360}
    assert whole["categories"] == {"pii/email": 375, "custom/word": 360}


@pytest.mark.parametrize("engine", ["spark", "Local", ""])
def test_an_unknown_engine_is_wrong_usage(settings, engine):
    with pytest.raises(TenetError, match="expected local or ray"):
        scan(settings(engine=engine))


def test_the_results_may_not_replace_the_input(settings, source):
    with pytest.raises(TenetError, match="another file than the input"):
        scan(settings(out=source, overwrite=True))
    assert source.stat().st_size > 1000
