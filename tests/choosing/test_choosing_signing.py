"""Signed policies: every file counts, nothing else does, and what was changed is refused before it is parsed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from guard.choosing import Policies
from guard.choosing.keys import new_key
from guard.choosing.policies import Requirements, load_all
from guard.choosing.signing import place_of, sign
from guard.choosing.writable import writable
from guard.errors import PolicyError, TenetError

CHOICES = "version: 1\nchoices: [{when: {tenant: acme}, policy: own/acme.yaml}]\ndefault: own/base.yaml\n"
BASE = "version: 1\nname: base\nrules: []\n"
ACME = """version: 1
name: acme
extends: ./base.yaml
include: [{pack: ./pack.yaml}]

"""
PACK = """version: 1
name: pack
detectors: {words: {use: patterns, words_file: words.txt, category: custom/word}}
rules: [{id: word, detect: words, category: custom/word, action: block}]
"""


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    own = tmp_path / "own"
    own.mkdir()
    (own / "base.yaml").write_text(BASE)
    (own / "acme.yaml").write_text(ACME)
    (own / "pack.yaml").write_text(PACK)
    (own / "words.txt").write_text("alpha\n")
    file = tmp_path / "policies.yaml"
    file.write_text(CHOICES)
    new_key(tmp_path / "key")
    again(file)
    return file


def again(file: Path) -> None:
    sign(file, load_all(file, serving=False).files, file.parent / "key")


def required(file: Path, **more: object) -> Requirements:
    return Requirements(keys=(file.parent / "key.pub",), **more)  # type: ignore[arg-type]


def refused(file: Path) -> str:
    with pytest.raises(PolicyError) as caught:
        load_all(file, required(file))
    return str(caught.value)


def test_a_signature_holds_for_bases_and_packs_and_lists_of_words_and_the_file_itself(signed: Path) -> None:
    loaded = load_all(signed, required(signed))
    assert {path.name for path in loaded.files} == {"policies.yaml", "acme.yaml", "base.yaml", "pack.yaml", "words.txt"}
    for name in ("policies.yaml", "own/acme.yaml", "own/base.yaml", "own/pack.yaml", "own/words.txt"):
        file = signed.parent / name
        before = file.read_text()
        file.write_text(before + "# changed\n")
        assert f"{Path(name).name}: expected a file as it was signed, got one that was changed" in refused(signed)
        file.write_text(before)
    assert load_all(signed, required(signed))


def test_a_changed_file_is_refused_before_it_is_parsed(signed: Path) -> None:
    (signed.parent / "own/pack.yaml").write_text("rules: [")
    told = refused(signed)
    assert "pack.yaml: expected a file as it was signed" in told and "expected ',' or" not in told


def test_a_file_that_was_not_signed_is_refused(signed: Path) -> None:
    (signed.parent / "own/base.yaml").write_text(BASE)
    (signed.parent / "own/new.yaml").write_text(BASE)
    manifest = json.loads(place_of(signed).read_text())
    signed.write_text(CHOICES.replace("own/base.yaml", "own/new.yaml"))
    assert "changed after it was signed" in refused(signed)
    assert "own/new.yaml" not in manifest["files"]


@pytest.mark.parametrize("change", ["files", "signed", "key", "signature", "more", "broken", "gone"])
def test_a_signature_that_was_touched_is_refused(signed: Path, change: str) -> None:
    place = place_of(signed)
    said = json.loads(place.read_text())
    if change == "files":
        said["files"]["own/base.yaml"] = "0" * 64
    elif change == "signed":
        said["signed"] += 1
    elif change in ("key", "signature"):
        said[change] = "AAAA"
    elif change == "more":
        said["also"] = 1
    place.write_text("{" if change == "broken" else json.dumps(said))
    if change == "gone":
        place.unlink()
    assert f"{place}: expected a signature" in refused(signed)


def test_another_key_does_not_do_and_each_of_several_does(signed: Path) -> None:
    new_key(signed.parent / "other")
    other = signed.parent / "other.pub"
    with pytest.raises(PolicyError, match="a signature by"):
        load_all(signed, Requirements(keys=(other,)))
    assert load_all(signed, Requirements(keys=(other, signed.parent / "key.pub")))
    with pytest.raises(TenetError, match="no place on a server"):
        load_all(signed, Requirements(keys=(signed.parent / "key",)))


def test_what_has_to_be_signed_needs_a_key_from_elsewhere(signed: Path) -> None:
    signed.write_text(CHOICES + "require: signed\n")
    with pytest.raises(PolicyError, match="--policies-key"):
        load_all(signed)
    again(signed)
    assert load_all(signed, required(signed)).require == {"signed"}


def test_an_older_signature_does_not_bring_older_policies_back(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = place_of(signed).read_text()
    monkeypatch.setattr(time, "time", lambda: json.loads(old)["signed"] + 60)
    again(signed)
    in_force = Policies(signed, requirements=required(signed))
    assert in_force.again().digest == in_force.digest
    place_of(signed).write_text(old)
    with pytest.raises(PolicyError, match="not older than the one in force"):
        in_force.again()


def test_what_was_required_once_stays_required(signed: Path) -> None:
    in_force = Policies(signed, requirements=required(signed))
    signed.write_text(CHOICES + "# by somebody else\n")
    place_of(signed).unlink()
    with pytest.raises(PolicyError, match="expected a signature"):
        in_force.again()


def test_a_policy_that_stays_the_same_keeps_its_guard(signed: Path) -> None:
    before = Policies(signed)
    (signed.parent / "own/pack.yaml").write_text(PACK.replace("custom/word", "custom/other"))
    tested: list[str] = []
    after = before.again(lambda policy: tested.append(policy.name))
    assert tested == ["acme"] and after.default is before.default
    assert [guard is old for guard, old in zip(after.guards.values(), before.guards.values(), strict=True)] == [True, False]
    assert after.digest != before.digest


def test_a_private_key_is_its_owners_alone_and_never_written_over(tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    with pytest.raises(TenetError, match="never written over"):
        new_key(tmp_path / "key")


def test_what_this_process_owns_or_can_write_is_told(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(BASE)
    file.chmod(0o400)
    assert writable(file) == file
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    assert writable(link) is not None
    with pytest.raises(PolicyError, match="a place that this process can't write"):
        (tmp_path / "c.yaml").write_text("version: 1\nrequire: read-only\ndefault: default\n")
        load_all(tmp_path / "c.yaml")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_files_of_somebody_else_are_read_only_unless_a_folder_on_the_way_is_not(tmp_path: Path) -> None:
    inner = Path("/var/lib") / f"tenet-{os.getpid()}"
    inner.mkdir(mode=0o755)
    file = inner / "p.yaml"
    try:
        file.write_text(BASE)
        file.chmod(0o644)
        found: list[str] = []
        for mode in (0o755, 0o777):
            inner.chmod(mode)
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.setuid(65534)
                    os.write(writing, str(writable(file)).encode())
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            os.close(writing)
            found.append(os.read(reading, 1000).decode())
            os.close(reading)
        assert found == ["None", str(inner)]
    finally:
        file.unlink()
        inner.rmdir()
