"""A policy file is replaced at once or not at all, and never where it would say anything but new thresholds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from guard.detectors.registry import kinds
from guard.errors import TenetError
from guard.evaluation.policy_file import PolicyFile
from guard.policy.load import load

TEXT = """\
version: 1  # ours
extends: ./base.yaml
detectors: {h: {use: embedded}}
rules:
  - {id: own, detect: h, category: toxicity, threshold: 0.5, action: flag}
"""
BASE = "version: 1\ndetectors: {b: {use: embedded}}\nrules: [{id: inherited, detect: b, category: hate, action: block}]\n"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    path = tmp_path / "policy.yaml"
    path.write_text(TEXT)
    return path


def set_thresholds(policy: Path | str, thresholds: dict[str, str], out: Path | None = None) -> Path:
    file = PolicyFile(str(policy), out)
    data, changed = file.edited(load(str(policy), kinds()), thresholds, kinds())
    file.write(data)
    assert load(file.target, kinds()).digest == changed.digest
    return file.target


def thresholds(policy: Path) -> dict[str, float]:
    return {rule.id: rule.threshold for rule in load(policy, kinds()).rules}


def test_a_file_gets_its_thresholds_and_keeps_its_mode_and_the_link_to_it(policy: Path):
    policy.chmod(0o640)
    link = policy.with_name("link.yaml")
    link.symlink_to(policy.name)
    set_thresholds(link, {"own": "0.25", "inherited": "0.75"})
    assert thresholds(policy) == {"inherited": 0.75, "own": 0.25}
    assert (policy.stat().st_mode & 0o777, link.is_symlink()) == (0o640, True)
    assert policy.read_text() == TEXT.replace("0.5,", "0.25,") + "  - override: inherited\n    threshold: 0.75\n"
    assert sorted(path.name for path in policy.parent.iterdir()) == ["base.yaml", "link.yaml", "policy.yaml"]


def test_a_mark_of_byte_order_and_foreign_line_ends_stay(policy: Path):
    policy.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    set_thresholds(policy, {"own": "0.25"})
    assert policy.read_bytes() == b"\xef\xbb\xbf" + TEXT.replace("0.5,", "0.25,").replace("\n", "\r\n").encode()


def test_another_file_is_a_copy_and_a_shipped_policy_is_extended(policy: Path):
    out = policy.with_name("new.yaml")
    set_thresholds(policy, {"own": "0.25"}, out)
    assert (policy.read_text(), out.read_text()) == (TEXT, TEXT.replace("0.5,", "0.25,"))
    with pytest.raises(TenetError, match="exists already"):
        PolicyFile(str(policy), out)
    PolicyFile(str(policy), out, overwrite=True)
    shipped = set_thresholds("default", {"gore": "0.25"}, policy.with_name("mine.yaml"))
    assert shipped.read_text() == "version: 1\nextends: default\nrules:\n  - override: gore\n    threshold: 0.25\n"
    with pytest.raises(TenetError, match="--out"):
        PolicyFile("default", None)


def test_a_copy_whose_paths_would_lead_elsewhere_is_refused(policy: Path, tmp_path: Path):
    (tmp_path / "away").mkdir()
    with pytest.raises(TenetError, match="paths in it are relative"):
        set_thresholds(policy, {"own": "0.25"}, tmp_path / "away" / "new.yaml")
    (tmp_path / "away" / "base.yaml").write_text(BASE.replace("hate", "sexual"))
    with pytest.raises(TenetError, match="more than thresholds would change"):
        set_thresholds(policy, {"own": "0.25"}, tmp_path / "away" / "new.yaml")
    assert not (tmp_path / "away" / "new.yaml").exists()


def test_what_lint_finds_wrong_or_the_language_forbids_is_not_written(policy: Path):
    for rule, number in [("inherited", "0"), ("own", "1.5")]:
        with pytest.raises(TenetError, match="expected to change nothing but thresholds"):
            set_thresholds(policy, {rule: number})
    assert policy.read_text() == TEXT


def test_a_file_that_may_not_be_written_is_said_to_be_before_any_work(policy: Path, tmp_path: Path):
    policy.chmod(0o444)
    with pytest.raises(TenetError, match="is read-only"):
        PolicyFile(str(policy), None)
    with pytest.raises(TenetError, match="expected a folder"):
        PolicyFile(str(policy), tmp_path / "nowhere" / "new.yaml")
    with pytest.raises(TenetError, match="expected a file"):
        PolicyFile(str(policy), tmp_path, overwrite=True)


def test_of_two_at_once_the_second_is_told_that_the_file_was_changed(policy: Path):
    files = [PolicyFile(str(policy), None) for _ in range(8)]
    edits = [file.edited(load(policy, kinds()), {"own": f"0.{index + 1}"}, kinds())[0] for index, file in enumerate(files)]
    outcomes: list[str] = []

    def write(index: int) -> None:
        try:
            files[index].write(edits[index])
            outcomes.append("written")
        except TenetError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=write, args=(index,)) for index in range(len(files))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("written") == 1
    assert sum("was changed" in outcome for outcome in outcomes) == len(files) - 1


KILLED = """
import os, signal, sys
from guard.detectors.registry import kinds
from guard.evaluation.policy_file import PolicyFile
from guard.policy.load import load

os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
file = PolicyFile(sys.argv[1], None)
file.write(file.edited(load(sys.argv[1], kinds()), {"own": "0.25"}, kinds())[0])
"""


def test_a_kill_between_writing_and_renaming_leaves_the_old_policy(policy: Path):
    result = subprocess.run([sys.executable, "-c", KILLED, str(policy)], capture_output=True, timeout=30, check=False)
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert policy.read_text() == TEXT
    left = [path.name for path in policy.parent.iterdir() if path.name not in ("policy.yaml", "base.yaml")]
    assert len(left) == 1 and not left[0].endswith(".yaml")
    set_thresholds(policy, {"own": "0.25"})
    assert thresholds(policy)["own"] == 0.25


def test_a_full_disk_leaves_the_old_policy_and_nothing_else(policy: Path, monkeypatch: pytest.MonkeyPatch):
    file = PolicyFile(str(policy), None)
    data, _ = file.edited(load(policy, kinds()), {"own": "0.25"}, kinds())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TenetError, match="No space left"):
        file.write(data)
    assert policy.read_text() == TEXT
    assert sorted(path.name for path in policy.parent.iterdir()) == ["base.yaml", "policy.yaml"]
