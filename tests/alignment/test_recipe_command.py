"""`align recipe`: what is wrong with a recipe, what may stand in it, what is shipped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from alignment.recipe.reading import SHIPPED, digest, folder_of, load_recipe, shipped
from alignment.recipe.reference import page, schema
from guard.errors import PolicyError
from guard.policy.yaml_source import read_file

ROOT = Path(__file__).parents[2]
SMALL = "version: 1\nname: small\nmodel: {path: m}\nsteps: [{method: sft, data: d}]\n"


def command(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "alignment", "recipe", *arguments]
    return subprocess.run(run, capture_output=True, text=True, timeout=60, cwd=cwd, env={"PYTHONPATH": str(ROOT)})


def written(folder: Path, text: str = SMALL) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "r.yaml").write_text(text)
    return folder / "r.yaml"


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_schema_takes_what_is_shipped(name: str):
    assert list(jsonschema.Draft202012Validator(schema()).iter_errors(read_file(shipped()[name], name).plain)) == []


def test_the_check_passes_all_that_is_shipped_where_its_files_are(tmp_path: Path):
    for folder in ("model", "small-model", "large-model", "feedback"):
        (tmp_path / folder).mkdir()
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "hello"}\n')
    checked = command("check", *sorted(shipped()), cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (tmp_path / "prompts.jsonl").unlink()
    missing = command("check", *sorted(shipped()), cwd=tmp_path)
    assert missing.returncode == 1
    assert "smoke.yaml" in missing.stdout + missing.stderr
    assert {"constitutional", "smoke"} <= set(shipped())


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": {"path": "m", "dtyp": "float32"}},
        {"steps": []},
        {"steps": [{"method": "dpoo", "data": "d"}]},
        {"steps": [{"method": "dpo", "data": "d", "learning_rate": 2}]},
        {"steps": [{"data": "d"}]},
        {"seed": -1},
        {"name": "Not A Name"},
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(wrong: dict[str, Any], tmp_path: Path):
    right = {"version": 1, "name": "small", "model": {"path": "m"}, "steps": [{"method": "sft", "data": "d"}]}
    validator = jsonschema.Draft202012Validator(schema())
    validator.validate(right)
    assert not validator.is_valid(right | wrong)
    with pytest.raises(PolicyError):
        load_recipe(str(written(tmp_path, json.dumps(right | wrong))))


def test_the_page_of_keys_is_the_one_that_is_printed():
    assert (ROOT / "docs/recipe-reference.md").read_text() == page()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version: 1\nversion: 1\nname: x\n", "each key once"),
        ("a: &a [x, x, x]\nb: [*c]\n", "an anchor defined before"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
            "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
            "at most 20,000 values",
        ),
        ("!!python/object/apply:os.system [ls]\n", "no tag"),
        ("", "an empty file"),
        ("- 1\n", "expected a mapping, got a list"),
        ("x" * 1_000_001, "at most 1,000,000 bytes"),
    ],
)
def test_a_hostile_file_is_refused_as_a_policy_would_be(text: str, told: str, tmp_path: Path):
    with pytest.raises(PolicyError, match=told):
        load_recipe(str(written(tmp_path, text)))


def test_the_same_recipe_has_the_same_digest_wherever_it_stands(tmp_path: Path):
    def digest_in(folder: Path, text: str = SMALL) -> str:
        path = str(written(folder, text))
        return digest(load_recipe(path), folder_of(path))

    here = digest_in(tmp_path / "here")
    assert digest_in(tmp_path / "there") == here
    assert digest_in(tmp_path / "said", SMALL + "policy: constitution\nseed: 0\n") == here
    assert digest_in(tmp_path / "other", SMALL.replace("path: m", "path: n")) != here
    assert digest_in(tmp_path / "seed", SMALL + "seed: 1\n") != here


def test_all_that_is_not_there_is_told_before_any_work(tmp_path: Path):
    text = """version: 1
name: x
model: {path: model, adapters: [a]}
policy: ./policy.yaml
data: {pairs: {kind: pairs, sources: [feedback, more]}}
critique: {prompts: [prompts.jsonl]}
evaluation: {prompts: {harmful: [h.jsonl]}, evaluators: {reward_model: rm}}
steps:
  - {method: dpo, data: pair}
  - {method: sft, data: critique/sft}
  - {method: grpo, data: folder, rewards: [{kind: model, path: judge}]}
  - {method: distil, data: folder, teacher: large}
"""
    (tmp_path / "more").mkdir()
    path = written(tmp_path, text)
    load_recipe(str(path))
    with pytest.raises(PolicyError) as caught:
        load_recipe(str(path), there=True)
    assert [problem.path for problem in caught.value.problems] == [
        "model.path",
        "model.adapters[0]",
        "data.pairs.sources[0]",
        "critique.prompts[0]",
        "evaluation.prompts.harmful[0]",
        "evaluation.evaluators.reward_model",
        "steps[2].rewards[0].path",
        "steps[3].teacher",
        "steps[0].data",
        "steps[2].data",
        "steps[3].data",
        "policy",
    ]
    assert all(problem.line for problem in caught.value.problems)
    assert "did you mean `pairs`" in str(caught.value)


def test_paths_of_a_shipped_recipe_are_relative_to_where_one_is(tmp_path: Path):
    missing = command("check", "sft-dpo", cwd=tmp_path)
    assert missing.returncode == 1
    assert f"expected a file or folder that is there, got {tmp_path / 'feedback'}" in missing.stdout
    right = command("check", "sft-dpo", "--no-files", cwd=tmp_path)
    assert right.returncode == 0, right.stdout
    assert right.stdout.startswith("sft-dpo: sft-dpo, 2 steps, digest ")


def test_every_mistake_of_every_file_is_told_and_an_unknown_name_is_wrong_usage(tmp_path: Path):
    found = command("check", str(written(tmp_path / "a", "version: 2\n")), str(written(tmp_path / "b")), "--no-files")
    assert found.returncode == 1
    assert "version: expected 1, got 2" in found.stdout
    assert "small, 1 step" in found.stdout
    unknown = command("check", "sft-dpi")
    assert (unknown.returncode, unknown.stderr.count("did you mean `sft-dpo`")) == (2, 1)


def test_what_is_shipped_is_listed_with_its_purpose_and_found_by_name():
    listed = command("list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == sorted(shipped())
    assert all(len(line.split()) > 3 for line in listed)
    assert command("path", "accelerate/fsdp2").stdout.strip() == str(SHIPPED / "accelerate" / "fsdp2.yaml")
    assert "did you mean `fsdp2`" in command("path", "accelerate/fsdp").stderr
    assert command("schema").stdout == json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
