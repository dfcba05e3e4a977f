"""A model's own answers as training data: by the policy's detectors, by a larger model, and after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers import body_of, served

from alignment.critique.journal import FILE, Known, journal_in
from alignment.critique.making import MEASURED, Wanted, make
from alignment.critique.settings import CritiqueSettings
from alignment.data.preparing import Asked, prepare
from alignment.evaluation.settings import Server
from alignment.models.sampling import Sampling
from alignment.records import Kind
from alignment.training.rows import read as read_for_training
from alignment.training.settings import ModelSettings
from guard.errors import TenetError

POLICY = """
version: 1
name: tested
defaults:
  message: I can't help with that.
principles:
  - {id: vowels, text: Do not use the letter e.}
  - {id: kind, text: Be kind.}
detectors:
  letters: {use: patterns, patterns: [{pattern: e, category: custom/letter}]}
rules:
  - {id: no-e, on: output, principle: vowels, detect: letters, category: custom/letter, action: block, message: No such letter.}
"""
STOPS = (" ", "a", "o")
WORDS = "the quick brown fox jumps over a lazy dog while seven wizards mix daft potions beside frozen lakes at dawn"


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return str(path)


@pytest.fixture
def prompts(tmp_path: Path) -> str:
    """Twelve prompts that are not alike, every other one harmful."""
    path, words = tmp_path / "asked.jsonl", WORDS.split()
    rows = [
        {
            "text": " ".join(words[(number * 3 + step * 7) % len(words)] for step in range(4)),
            "labels": {"illicit": number % 2},
        }
        for number in range(12)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def wanted(model: Path, policy: str, prompts: str, out: Path, **changes: Any) -> Wanted:
    how = Sampling(answers=4, max_new_tokens=40, batch=8, seed=1, stop=STOPS, **changes.pop("sampling", {}))
    settings = CritiqueSettings(prompts=(prompts,), answers=how, **{"validation": 0.0, **changes})
    return Wanted(settings, ModelSettings(path=str(model)), policy, out)


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_policy_makes_refusals_pairs_and_keeps_what_was_good(
    tiny_model: Path, policy: str, prompts: str, tmp_path: Path
) -> None:
    card = make(wanted(tiny_model, policy, prompts, tmp_path / "out", benign_share=0.3))
    taught = list(read_for_training(tmp_path / "out" / "sft" / "train.jsonl", "sft"))
    answers = [row["messages"][-1]["content"] for row in rows(tmp_path / "out" / "sft" / "train.jsonl")]
    pairs = rows(tmp_path / "out" / "pairs" / "train.jsonl")
    assert len(taught) == card["sets"]["sft"]["train"] == sum(card["demonstrations"].values())
    assert "No such letter." in answers
    assert all("e" not in answer for answer in answers if answer not in ("No such letter.", "I can't help with that."))
    assert pairs
    assert list(read_for_training(tmp_path / "out" / "pairs" / "train.jsonl", "pairs"))
    assert all("e" in row["rejected"][0]["content"] and row["margin"] >= 0.1 for row in pairs)
    assert all("e" not in row["chosen"][0]["content"] or row["chosen"][0]["content"] in answers for row in pairs)
    assert {row["policy"] for row in pairs} == {card["policy"]["digest"]}
    assert card["benign_share"] >= 0.3
    assert card["pairs_by_principle"] == {"vowels": len(pairs)}
    assert not {"kind"} & set(card["broken_principles"])


def test_what_is_labelled_as_harmful_is_refused_in_the_words_of_its_category(
    tiny_model: Path, policy: str, prompts: str, tmp_path: Path
) -> None:
    rule = "  - {id: crime, on: output, detect: letters, category: illicit/*, action: block, message: 'No {category}.'}\n"
    Path(policy).write_text(POLICY.replace("pattern: e,", "pattern: zzzz,") + rule)
    make(wanted(tiny_model, policy, prompts, tmp_path / "out", benign_share=0.0))
    taught = rows(tmp_path / "out" / "sft" / "train.jsonl")
    answers = [row["messages"][-1]["content"] for row in taught if row["benign"] == "no"]
    assert answers == ["No illicit."] * 6


def test_align_data_reads_what_was_made(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    card = make(wanted(tiny_model, policy, prompts, tmp_path / "out", benign_share=0.0))
    again = prepare(Asked((tmp_path / "out" / "sft",), Kind.SFT, tmp_path / "again", limits=MEASURED))
    assert again["records"] == sum(card["demonstrations"].values())
    assert again["policies"] == {card["policy"]["digest"]: again["records"]}


def test_at_least_the_wanted_share_is_benign(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    card = make(wanted(tiny_model, policy, prompts, tmp_path / "out", benign_share=0.6))
    assert card["benign_share"] >= 0.6
    assert card["left_out"]["benign-share"] > 0


def test_without_benign_prompts_nothing_is_begun(tiny_model: Path, policy: str, tmp_path: Path) -> None:
    (tmp_path / "asked.jsonl").write_text('{"text": "canary words", "labels": {"illicit": 1}}\n')
    with pytest.raises(TenetError, match="benign_share: expected prompts that are labelled as benign") as caught:
        make(wanted(tiny_model, policy, str(tmp_path / "asked.jsonl"), tmp_path / "out"))
    assert "canary" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_was_made_is_not_made_again(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    asked = wanted(tiny_model, policy, prompts, tmp_path / "out", benign_share=0.3)
    card, said = make(asked), list[str]()
    assert make(asked, said.append) == card
    assert said == [f"{tmp_path / 'out'}: made already, with the same settings"]
    other = wanted(tiny_model, policy, prompts, tmp_path / "out", benign_share=0.4)
    with pytest.raises(TenetError, match="found sets of another settings"):
        make(other)
    said.clear()
    before = (tmp_path / "out" / FILE).read_bytes()
    make(Wanted(other.settings, other.model, other.policy, other.out, overwrite=True), said.append)
    assert (tmp_path / "out" / FILE).read_bytes() == before


def test_with_more_prompts_the_answers_so_far_are_kept(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    make(wanted(tiny_model, policy, prompts, tmp_path / "cut", most=5, benign_share=0.0))
    before = (tmp_path / "cut" / FILE).read_bytes()
    whole = wanted(tiny_model, policy, prompts, tmp_path / "cut", benign_share=0.0)
    make(Wanted(whole.settings, whole.model, whole.policy, whole.out, overwrite=True))
    make(wanted(tiny_model, policy, prompts, tmp_path / "whole", benign_share=0.0))
    assert before.count(b"\n") == 1 + 5 * 4
    assert (tmp_path / "cut" / FILE).read_bytes().startswith(before)
    for name in ("sft", "pairs"):
        assert (tmp_path / "cut" / name / "train.jsonl").read_bytes() == (tmp_path / "whole" / name / "train.jsonl").read_bytes()


def test_a_time_that_is_too_short_for_one_answer_is_said(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    with pytest.raises(TenetError, match=r"seconds for answers were over after \d+ of 48"):
        make(wanted(tiny_model, policy, prompts, tmp_path / "out", sampling={"seconds": 1e-9}))


def test_a_kill_loses_no_answer(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    command = [str(Path(sys.executable).with_name("align")), "critique", "--model", str(tiny_model), "--policy", policy]
    how = [
        "answers.answers=4",
        "answers.max_new_tokens=40",
        "answers.batch=1",
        "answers.seed=1",
        "validation=0",
        "benign_share=0",
    ]
    how.append(f"answers.stop={json.dumps(STOPS)}")
    options = [option for change in how for option in ("--set", change)]
    process = subprocess.Popen([*command, "--prompts", prompts, "--out", str(out), *options], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    next(line for line in process.stderr if line.startswith("answers:"))  # the first of them
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with (out / FILE).open("ab") as journal:
        journal.write(b'{"digest": "half a li')
    known = (out / FILE).read_bytes().splitlines()[1:-1]
    settings = CritiqueSettings(
        prompts=(prompts,),
        answers=Sampling(answers=4, max_new_tokens=40, batch=1, seed=1, stop=STOPS),
        validation=0.0,
        benign_share=0.0,
    )
    make(Wanted(settings, ModelSettings(path=str(tiny_model)), policy, out, overwrite=True))
    make(Wanted(settings, ModelSettings(path=str(tiny_model)), policy, tmp_path / "whole"))
    assert (out / FILE).read_bytes().splitlines()[1 : len(known) + 1] == known
    assert len((out / FILE).read_bytes().splitlines()) == 49
    assert (out / "sft" / "train.jsonl").read_bytes() == (tmp_path / "whole" / "sft" / "train.jsonl").read_bytes()


def test_two_runs_in_one_folder_are_told_apart(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with journal_in(out) as journal:
        journal.add("a", Known("text", "stop"))
        with pytest.raises(TenetError, match="another run is at work"):
            make(wanted(tiny_model, policy, prompts, out))
    with journal_in(out) as journal:
        assert journal.get("a") == Known("text", "stop")


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("canary\n")
    with pytest.raises(TenetError, match="1: expected a line of a journal") as caught, journal_in(tmp_path):
        pass
    assert "canary" not in str(caught.value)
    assert (tmp_path / FILE).read_text() == "canary\n"


class CriticServer:
    """A large model that answers by a script: it sees which of the three questions it is asked."""

    def __init__(self, script: Callable[[str, str], Any]) -> None:
        self.script = script
        self.asked: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await body_of(scope, receive, send)
        if body is None:
            return
        system, user = (message["content"] for message in json.loads(body)["messages"])
        kind = next(word for word in ("examine", "rewrite", "compare") if f"You {word}" in system)
        self.asked.append(kind)
        said = self.script(kind, user)
        choice = {
            "message": {"role": "assistant", "content": said if isinstance(said, str) else json.dumps(said)},
            "finish_reason": "stop",
        }
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps({"choices": [choice]}).encode()})


def block(user: str, label: str) -> str:
    """Return what stands in a block of the question."""
    return user.split(f"BEGIN {label} ")[1].split("\n", 1)[1].split(f"\nEND {label} ")[0]


def fair(kind: str, user: str) -> Any:
    """A critic that dislikes long answers."""
    if kind == "examine":
        return {"violates": len(block(user, "answer")) > 12, "critique": "too long"}
    if kind == "rewrite":
        return {"revision": "Short, sir."}
    first, second = (len(block(user, name)) for name in ("first", "second"))
    return {"better": "first" if first < second else "second" if second < first else "equal", "confidence": 0.8}


def by_server(script: Callable[[str, str], Any], tiny_model: Path, policy: str, prompts: str, out: Path, **changes: Any) -> Any:
    server = CriticServer(script)
    quiet = Path(policy).with_name("quiet.yaml")  # one that minds nothing, so that all answers come through
    quiet.write_text(POLICY.replace("pattern: e,", "pattern: zzzz,"))
    with served(server) as url:
        asked = wanted(
            tiny_model, str(quiet), prompts, out, critic="server", server=Server(url=f"{url}/v1", model="m"), **changes
        )
        return make(asked), server, asked


def test_a_large_critic_revises_and_labels(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    card, server, _ = by_server(fair, tiny_model, policy, prompts, tmp_path / "out", rounds=2, labels=2, benign_share=0.0)
    pairs = rows(tmp_path / "out" / "pairs" / "train.jsonl")
    assert card["demonstrations"]["revised"] > 0
    assert sum(card["demonstrations"].values()) == 12
    assert {*card["broken_principles"]} <= {"vowels", "kind"}
    assert all(len(row["chosen"][0]["content"]) < len(row["rejected"][0]["content"]) for row in pairs)
    assert {row["margin"] for row in pairs} == {0.8}
    assert card["disagreement"] == 0
    assert {*card["pairs_by_principle"]} == {"vowels", "kind"}
    assert {*server.asked} == {"examine", "rewrite", "compare"}
    taught = [row["messages"][-1]["content"] for row in rows(tmp_path / "out" / "sft" / "train.jsonl")]
    assert all(len(answer) <= 12 for answer in taught)


def test_a_critic_that_favours_a_place_labels_nothing(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    def biased(kind: str, user: str) -> Any:
        return {"better": "first", "confidence": 1.0} if kind == "compare" else fair(kind, user)

    card, _, _ = by_server(biased, tiny_model, policy, prompts, tmp_path / "out", rounds=1, labels=1, benign_share=0.0)
    assert card["disagreement"] == 1
    assert card["pairs"] == 0
    assert not (tmp_path / "out" / "pairs").exists()
    assert any("no set `pairs`" in note for note in card["notes"])


def test_a_critic_that_cannot_answer_in_form_is_refused(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    with pytest.raises(TenetError, match=r"take a larger model, or let the policy be the critic \(critic: policy\)"):
        by_server(lambda _kind, _user: "I think it is fine.", tiny_model, policy, prompts, tmp_path / "out", benign_share=0.0)
    assert not (tmp_path / "out" / "sft").exists()


def test_what_a_critic_answered_is_not_asked_again(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    calls = 0

    def breaks(kind: str, user: str) -> Any:
        nonlocal calls
        calls += 1
        return fair(kind, user) if calls < 15 else "no JSON"

    changes = {"rounds": 2, "labels": 1, "benign_share": 0.0, "critic_batch": 1}
    with pytest.raises(TenetError, match="the critic"):
        by_server(breaks, tiny_model, policy, prompts, tmp_path / "out", **changes)
    answered = len((tmp_path / "out" / FILE).read_bytes().splitlines())
    assert answered > 49


def test_the_model_itself_may_be_the_critic_and_is_refused_where_it_is_too_small(
    tiny_model: Path, policy: str, prompts: str, tmp_path: Path
) -> None:
    with pytest.raises(TenetError):  # its context is too short for the questions, or its answers are no JSON
        make(wanted(tiny_model, policy, prompts, tmp_path / "out", critic="self", critic_tokens=16, benign_share=0.0))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prompts", "PROMPTS"], "--model: expected the folder of a model"),
        (["--model", "MODEL"], "prompts: expected files of prompts, got none"),
        (["--model", "MODEL", "--prompts", "PROMPTS", "--critic", "nowhere"], "expected policy, self, a folder or a URL"),
        (["--model", "MODEL", "--prompts", "PROMPTS", "--critic", "http://localhost:1"], "--critic-model"),
        (["--model", "MODEL", "--prompts", "PROMPTS", "--set", "answers.ansers=3"], "did you mean `answers`?"),
        (
            ["--model", "MODEL", "--prompts", "PROMPTS", "--set", "answers.answers=1"],
            "at least 2, as the policy compares answers",
        ),
        (["--model", "MODEL", "--prompts", "PROMPTS", "--set", "answers"], "--set: expected KEY=VALUE"),
        (["--model", "/nowhere", "--prompts", "PROMPTS"], "expected the folder of a model"),
        (["--model", "MODEL", "--prompts", "/nowhere.jsonl"], "found nothing there"),
        (["--model", "MODEL", "--prompts", "PROMPTS", "--policy", "/nowhere.yaml"], "/nowhere.yaml"),
    ],
)
def test_a_wrong_command_says_what_was_expected(
    arguments: list[str], said: str, tiny_model: Path, prompts: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from typer.testing import CliRunner

    from alignment.cli import app

    filled = [{"MODEL": str(tiny_model), "PROMPTS": prompts}.get(each, each) for each in arguments]
    result = CliRunner().invoke(app, ["critique", *filled, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "out").exists()


def test_a_recipe_finds_in_training_what_its_critique_made(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from alignment.cli import app
    from alignment.recipe.doing import Doing
    from alignment.recipe.reading import load_recipe

    said = {
        "version": 1,
        "name": "small",
        "model": {"path": str(tiny_model)},
        "policy": policy,
        "critique": {
            "prompts": [prompts],
            "answers": {"answers": 4, "max_new_tokens": 40, "stop": STOPS},
            "benign_share": 0,
            "validation": 0,
        },
        "steps": [{"method": "sft", "data": "critique/sft"}],
    }
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(said))
    result = CliRunner().invoke(app, ["critique", str(recipe), "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    told: list[str] = []
    folder, _ = Doing(load_recipe(str(recipe)), tmp_path / "run", told.append).data("critique/sft")
    assert told == []
    assert list(read_for_training(folder / "train.jsonl", "sft"))
    said.pop("critique")
    recipe.write_text(json.dumps({**said, "steps": [{"method": "sft", "data": "x"}]}))
    result = CliRunner().invoke(app, ["critique", str(recipe), "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "expected `critique:` in the recipe" in result.output


def test_held_out_prompts_are_not_asked(tiny_model: Path, policy: str, prompts: str, tmp_path: Path) -> None:
    from alignment.critique.prompts import read_prompts
    from alignment.data.limits import Limits
    from alignment.data.splitting import Shares

    made = prepare(Asked((Path(prompts),), Kind.PROMPTS, tmp_path / "set", Shares(0.2, 0.4, 3), Limits(empty_sets=None)))
    found = read_prompts([str(tmp_path / "set")], 100)
    assert len(found.all) == made["splits"]["train"] + made["splits"]["validation"]
    assert found.left_out["held-out"] == made["splits"]["held_out"] > 0
    assert read_prompts([str(tmp_path / "set")], 2).left_out["more-than-most"] == len(found.all) - 2
    assert read_prompts([prompts, prompts], 100).left_out["near-duplicate"] == 12
    assert {prompt.prompt[0].role for prompt in read_prompts([prompts], 5, "Be brief.").all} == {"system"}
