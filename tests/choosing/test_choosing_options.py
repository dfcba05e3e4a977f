"""Options of `guard serve` about many policies that do not go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.choosing import Policies
from guard.cli.choosing import ChoosingOptions, notes_on
from guard.errors import TenetError

FILE = Path("p.yaml")


@pytest.mark.parametrize(
    ("options", "policy", "told"),
    [
        (ChoosingOptions(keys=(Path("k"),)), "default", "expected --policies"),
        (ChoosingOptions(require=("signed",)), "default", "expected --policies"),
        (ChoosingOptions(FILE), "strict", "one of --policy and --policies"),
        (ChoosingOptions(FILE, require=("readonly",)), "default", "did you mean `read-only`"),
    ],
)
def test_options_that_do_not_go_together_are_told(options: ChoosingOptions, policy: str, told: str) -> None:
    with pytest.raises(TenetError, match=told):
        options.check(policy)
    ChoosingOptions(FILE, (Path("k"),), ("signed", "read-only")).check("default")


def test_what_a_server_holds_is_said_with_what_is_doubtful(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("version: 1\nname: own\nrules: []\n")
    file = tmp_path / "p.yaml"
    file.write_text("version: 1\nchoices: [{when: {tenant: acme}, policy: own.yaml}]\ndefault: own.yaml\n")
    policies = Policies(file)
    said = "\n".join(notes_on(policies, required=False))
    assert "1, by 1 choices" in said and "--require-key" in said and f"it can write {file}" in said
    assert "--require-key" not in "\n".join(notes_on(policies, required=True))


def test_nothing_is_tried_beside_policies_that_have_to_be_signed_or_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.choosing.policies.writable", lambda _path: None)
    file = tmp_path / "p.yaml"
    file.write_text("version: 1\ndefault: default\n")
    options = ChoosingOptions(file)
    assert options.check_trials(Policies(file), wanted=True)
    file.write_text("version: 1\nrequire: read-only\ndefault: default\n")
    held = Policies(file)
    assert not options.check_trials(held, wanted=False)
    with pytest.raises(TenetError, match="which a candidate is not"):
        options.check_trials(held, wanted=True)
