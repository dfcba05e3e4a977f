"""The cores that a container's limits leave."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guard.runtime.cores import available_cores

V1_FILES = ("cpu.cfs_quota_us", "cpu.cfs_period_us")


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)


def machine(root: Path, membership: str, files: dict[str, str]) -> Path:
    for name, text in {"proc/self/cgroup": membership, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v1(folder: str, quota: str, period: str = "100000\n") -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in zip(V1_FILES, (quota, period), strict=True)}


def test_without_cgroups_it_is_the_affinity_mask(tmp_path: Path):
    assert available_cores(tmp_path) == 8


def test_without_an_affinity_mask_it_is_the_machine_s_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert available_cores(tmp_path) == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores(tmp_path) == 1


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("300000 100000\n", 3),
        ("250000 100000\n", 2),
        ("50000 100000\n", 1),
        ("1600000 100000\n", 8),
        ("max 100000\n", 8),
        ("", 8),
        ("nonsense", 8),
        ("200000 0", 8),
    ],
)
def test_a_quota_of_version_two_is_rounded_down_and_never_below_one(tmp_path: Path, limit: str, cores: int):
    assert available_cores(machine(tmp_path, "0::/\n", {"cpu.max": limit})) == cores


def test_the_tightest_of_nested_groups_counts(tmp_path: Path):
    files = {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000", "cpu.max": "400000 100000"}
    assert available_cores(machine(tmp_path, "0::/a/b\n", files)) == 2


def test_a_container_that_sees_only_its_mount_reads_that(tmp_path: Path):
    assert available_cores(machine(tmp_path, "0::/../../pods/x\n", {"cpu.max": "200000 100000"})) == 2


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_a_quota_of_version_one_counts_under_either_name_of_its_mount(tmp_path: Path, mount: str):
    membership = "5:memory:/elsewhere\n4:cpu,cpuacct:/docker/x\n"
    assert available_cores(machine(tmp_path, membership, v1(f"{mount}/docker/x", "300000\n"))) == 3


def test_version_one_without_a_limit_and_foreign_controllers_limit_nothing(tmp_path: Path):
    membership = "4:cpu:/\n3:cpuset:/\nbroken line\n"
    files = {**v1("cpu", "-1\n"), **v1("cpuset", "100000\n")}
    assert available_cores(machine(tmp_path, membership, files)) == 8


def test_a_hybrid_machine_reads_the_unified_mount(tmp_path: Path):
    assert available_cores(machine(tmp_path, "1:cpu:/\n0::/x\n", {"unified/x/cpu.max": "200000 100000"})) == 2


def test_here_it_is_some_number_of_cores():
    assert 1 <= available_cores() <= 8
