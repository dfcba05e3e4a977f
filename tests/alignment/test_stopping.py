"""An online run is stopped where its reward is gamed, and keeps the weights of before."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_training import ALL, PROMPTS, SHORT

from alignment.rewards.base import Reward
from alignment.rewards.build import watched
from alignment.training.running import run
from alignment.training.settings import ModelSettings, Rloo, StopEarly
from alignment.training.stopping import Signs

pytestmark = pytest.mark.filterwarnings("default")


def seen(settings: StopEarly, *logs: dict[str, float]) -> str:
    signs, control = Signs(settings), SimpleNamespace(should_training_stop=False)
    for step, figures in enumerate(logs, 1):
        signs.on_log(None, SimpleNamespace(global_step=step), control, figures)
    assert control.should_training_stop is bool(signs.reason)
    return signs.reason


FINE = {
    "reward": 0.0,
    "kl": 0.1,
    "completions/mean_length": 20.0,
    "rewards/watch_refusals/mean": 0.1,
    "rewards/watch_model/mean": 0.5,
}
TWO = StopEarly(window=2)


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ({"kl": 30.0}, "the KL to the reference model is 30, above 10"),
        ({"completions/mean_length": 90.0}, "answers are 90 tokens long on average, 20 at first"),
        ({"rewards/watch_refusals/mean": 0.9}, "90 % of the answers refuse, 10 % at first"),
        (
            {"reward": 1.0, "rewards/watch_model/mean": 0.1},
            "the reward rises, and model, which does not count, falls from 0.5 to 0.1",
        ),
        ({"reward": 1.0}, ""),
        ({"reward": -1.0, "rewards/watch_model/mean": 0.1}, ""),
    ],
)
def test_each_sign_is_seen_and_named(later: dict[str, float], told: str):
    assert seen(TWO, FINE, FINE, {**FINE, **later}, {**FINE, **later}) == told


def test_one_log_out_of_line_and_signs_that_are_off_are_none():
    assert seen(StopEarly(window=2, longer=5.0), FINE, FINE, FINE, {**FINE, "completions/mean_length": 90.0}) == ""
    off = StopEarly(window=1, kl=None, longer=None, refusals=None)
    assert seen(off, FINE, {**FINE, "kl": 99.0, "completions/mean_length": 900.0, "rewards/watch_refusals/mean": 1.0}) == ""


def test_refusals_are_measured_and_do_not_count():
    (refusals,) = watched((), "", refusals=True)
    assert refusals.weight == 0
    assert refusals.scorer(["q"] * 2, ["Sorry, I can't help with that.", "Take flour and water."]) == [1.0, 0.0]


def test_a_real_run_stops_where_a_watched_judge_falls_and_keeps_an_earlier_checkpoint(tiny_model: Path, dataset, tmp_path: Path):
    counted = Reward(
        "e", 1.0, lambda _prompts, answers: [answer.count("e") / max(1, len(answer)) for answer in answers], "letters"
    )
    judge = Reward("watch_judge", 0.0, lambda _prompts, answers: [-float(answer.count("e")) for answer in answers], "watched")
    step = Rloo(
        max_steps=60,
        generations=4,
        max_new_tokens=12,
        beta=0.0,
        stop_early=StopEarly(window=3, fall=0.3),
        **{**SHORT, **ALL, "checkpoint_every": 2},
    )
    said: list[str] = []
    record = run(
        step,
        model=ModelSettings(path=str(tiny_model)),
        data=dataset(PROMPTS),
        out=tmp_path / "out",
        seed=3,
        rewards=[counted, judge],
        tell=said.append,
    )
    steps = [json.loads(line)["step"] for line in (tmp_path / "out/metrics.jsonl").read_text().splitlines()]
    assert max(steps) < 60
    assert "judge, which does not count, falls" in record.notes[-1]
    assert "the weights are those of step" in said[-1]
