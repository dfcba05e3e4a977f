"""Recipes: every mistake at once with its place, and steps that are done once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alignment.recipe.doing import Doing
from alignment.recipe.reading import digest, load_recipe, shipped
from guard.errors import PolicyError, TenetError

pytestmark = pytest.mark.filterwarnings("default")
METHODS = "sft, reward, dpo, kto, orpo, cpo, distil, rloo, grpo or online_dpo"
ALIGN = [sys.executable, "-c", "from alignment.cli import main; main()"]
RECIPE = """\
version: 1
name: tried
model: {{path: {model}}}
data:
  answers: {{kind: sft, sources: [chats.jsonl], validation: 0, held_out: 0}}
  pairs: {{kind: pairs, sources: [pairs.jsonl], validation: 0, held_out: 0, limits: limits.yaml}}
steps:
  - {{method: sft, data: answers, max_steps: 2, batch_size: 2, max_length: 128}}
  - {{method: dpo, data: pairs, max_steps: 2, batch_size: 2, max_length: 128, learning_rate: {rate}}}
"""


@pytest.mark.parametrize("name", sorted(shipped()))
def test_what_is_shipped_can_be_read(name: str):
    recipe = load_recipe(name)
    assert recipe.steps
    assert len(digest(recipe)) == 64


def mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        load_recipe(str(path))
    return [line.replace(str(path), "r") for line in str(caught.value).splitlines()]


def test_every_mistake_is_told_with_its_place_and_the_nearest_name(tmp_path: Path):
    assert mistakes(
        tmp_path,
        """version: 2
name: Bad Name
model: {path: x, dtyp: float32}
seed: yes
steps:
  - {method: dpoo}
  - {method: dpo, learning_rate: high, beta: 20, lora: {rank: 0}}
  - {method: sft, batch_size: 1.5, data: d}
  - {method: grpo, data: d, rewards: [{kind: polcy}]}
  - {data: d}
""",
    ) == [
        "r:1:10: version: expected 1, got 2",
        'r:2:7: name: expected a text of the form ^[a-z0-9][a-z0-9-]*$, got "Bad Name"',
        'r:3:18: model.dtyp: expected a known key, got "dtyp" (did you mean `dtype`?)',
        'r:4:7: seed: expected a whole number in [0, 2,147,483,647], got "yes"',
        f'r:6:14: steps[0].method: expected {METHODS}, got "dpoo" (did you mean `dpo`?)',
        'r:7:34: steps[1].learning_rate: expected a number in (0, 1], got "high"',
        "r:7:46: steps[1].beta: expected a number in (0, 10], got 20",
        "r:7:63: steps[1].lora.rank: expected a whole number in [1, 1,024], got 0",
        "r:8:31: steps[2].batch_size: expected a whole number in [1, 4,096], got 1.5",
        'r:9:46: steps[3].rewards[0].kind: expected policy, model, step, judge, length or repetition, got "polcy"'
        " (did you mean `policy`?)",
        f"r:10:5: steps[4]: expected the key `method`: {METHODS}, got none",
    ]


def test_what_does_not_fit_together_is_told_where_it_stands(tmp_path: Path):
    found = mistakes(
        tmp_path,
        """version: 1
name: x
model: {path: m}
data: {answers: {kind: sft, sources: [a]}}
gate: {conditions: [{measure: compliance}]}
steps:
  - {method: dpo, data: answers}
  - {method: dpo}
  - {method: rloo, data: p, rewards: [{kind: step, step: rm}]}
""",
    )
    assert found == [
        "r:5:21: gate.conditions[0]: expected one of at_most, at_least, change_at_most and change_at_least, got none",
        "r:5:7: gate: expected an `evaluation` beside it, which it is held against, got none",
        "r:7:25: steps[0].data: expected a set of the kind pairs, as dpo trains on, got answers of the kind sft",
        "r:8:5: steps[1].name: expected a name of its own, as another step has this one, got dpo",
        "r:8:5: steps[1].data: expected the name of a set under `data`, or a folder that `align data` wrote, got nothing",
        "r:9:58: steps[2].rewards[0].step: expected an earlier step of the method reward (there is none), got rm",
    ]


def test_a_judge_that_rewards_is_named_where_evaluators_are_held_against_it(tmp_path: Path):
    step = "{method: grpo, data: p, rewards: [{kind: judge, url: u, model: big}]}"
    head = (
        "version: 1\nname: x\nmodel: {path: m}\nevaluation: {prompts: {harmful: [h.jsonl], benign: [b.jsonl]}%s}\nsteps:\n  - "
        + step
    )
    (told,) = mistakes(tmp_path, head % "")
    assert "evaluation.rewards: expected big among them, as it rewards steps[0]" in told
    (tmp_path / "r.yaml").write_text(head % ", rewards: [big]")
    assert load_recipe(str(tmp_path / "r.yaml"), ()).evaluation is not None


def test_values_are_changed_by_name_and_unknown_recipes_get_a_hint():
    recipe = load_recipe("sft-dpo", ["steps[1].max_steps=7", "model.path=./here", "steps[0].lora=null"])
    assert recipe.steps[1].max_steps == 7
    assert recipe.steps[0].lora is None
    assert recipe.model.path == str(Path("here").absolute())
    for change, told in (("steps", "KEY=VALUE"), ("nothing.x=1", "no such place")):
        with pytest.raises(TenetError, match=told):
            load_recipe("sft-dpo", [change])
    with pytest.raises(TenetError, match="did you mean `sft-dpo`"):
        load_recipe("sft-dpi")


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Path) -> Path:
    import json

    questions = [f"how do i make a cake {number}" for number in range(6)]
    pairs = [{"prompt": each, "chosen": f"take some flour {each}", "rejected": f"no you idiot {each}"} for each in questions]
    chats = [
        {"messages": [{"role": "user", "content": p["prompt"]}, {"role": "assistant", "content": p["chosen"]}]} for p in pairs
    ]
    for name, rows in (("pairs", pairs), ("chats", chats)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "limits.yaml").write_text("length_bias: null\n")
    (tmp_path / "r.yaml").write_text(RECIPE.format(model=tiny_model, rate="1.0e-3"))
    return tmp_path


def test_steps_build_on_each_other_and_only_what_changed_is_done_again(folder: Path, tiny_model: Path):
    def done() -> list[tuple[str, bool]]:
        steps = Doing(load_recipe(str(folder / "r.yaml")), folder / "out", lambda _line: None).train()
        assert len(steps[-1].model.adapters) == 2
        return [(each.name, each.again) for each in steps]

    assert done() == [("sft", False), ("dpo", False)]
    assert done() == [("sft", True), ("dpo", True)]
    (folder / "r.yaml").write_text(RECIPE.format(model=tiny_model, rate="2.0e-3"))
    assert done() == [("sft", True), ("dpo", False)]
    with (folder / "chats.jsonl").open("a") as file:
        file.write('{"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "thanks"}]}\n')
    assert done() == [("sft", False), ("dpo", False)]


def test_the_command_trains_and_tells_what_came_of_it(folder: Path):
    command = [*ALIGN, "train", str(folder / "r.yaml"), "--out", str(folder / "run"), "--step", "sft"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "sft, " in done.stdout
    wrong = subprocess.run([*command, "--set", "steps[0].batch_size=0"], capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 2
    assert "steps[0].batch_size: expected a whole number in [1, 4,096], got 0" in wrong.stderr
