"""Local classifiers as a policy names them: mistakes at their place, verdicts through the whole guard, streams too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.detectors.registry import kinds
from guard.engine import Guard, new_exchange
from guard.errors import PolicyError
from guard.policy.load import load
from guard.values import Action

for package in ("transformers", "onnx", "tokenizers"):
    pytest.importorskip(package)

POLICY = """
version: 1
name: classified
defaults: {{timeout: 30}}
detectors:
  tone: {{use: {use}}}
rules:
  - {{id: hate, on: [input, output], detect: tone, category: hate, threshold: {threshold}, action: block}}
"""


def policy(folder: Path, use: str, threshold: float = 0.0) -> Path:
    path = folder / "classified.yaml"
    path.write_text(POLICY.format(use=use, threshold=threshold))
    return path


def problems(folder: Path, use: str) -> str:
    with pytest.raises(PolicyError) as raised:
        load(policy(folder, use), kinds())
    return str(raised.value)


@pytest.mark.parametrize(
    ("use", "told"),
    [
        ("transformers, model: ./nowhere", "detectors.tone.model: expected a readable file"),
        ("transformers", "model"),
        ("transformers, model: org/name", "expected the commit of the hub's model"),
        (
            "onnx, model: org/name, allow_unpinned: true, labels: {X: toxicty}",
            "detectors.tone.labels.X: expected a category of Tenet's",
        ),
        ("onnx, model: org/name, allow_unpinned: true, dtype: float16", "dtype"),
        ("detoxify, model: largest", "detectors.tone.model: expected original, unbiased"),
        ("detoxify, labels: {toxicity: [hate, hat]}", "detectors.tone.labels.toxicity[1]: expected a category of Tenet's"),
        ("transformers, model: org/name, allow_unpinned: true, task: zero-shot", "`candidates`"),
    ],
)
def test_a_mistake_is_told_where_it_stands_when_the_policy_is_loaded(tmp_path: Path, use: str, told: str):
    assert told in problems(tmp_path, use)


def test_a_path_is_relative_to_the_policy_and_its_files_are_in_the_digest(tmp_path: Path):
    from detectors.classifiers import checkpoints

    checkpoints.save_onnx(tmp_path / "model")
    first = load(policy(tmp_path, "onnx, model: ./model"), kinds())
    assert first.detectors["tone"].options["model"] == str(tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text("{}")
    assert load(tmp_path / "classified.yaml", kinds()).digest != first.digest


@pytest.mark.parametrize(
    "use",
    [
        "transformers, model: {transformers}",
        "transformers, model: {nli}, task: zero-shot, candidates: {{hate of people: hate}}",
        "detoxify, checkpoint: {detoxify}, allow_pickle: true",
        "onnx, model: {onnx}",
        "onnx, model: {int8}, runtime: {{batch: 8}}",
    ],
)
def test_the_guard_blocks_on_a_classifier_s_word(
    tmp_path: Path, use: str, transformers_folder, nli_folder, detoxify_checkpoint, onnx_folder, int8_folder
):
    if use.startswith("detoxify"):
        pytest.importorskip("detoxify")
    use = use.format(
        transformers=transformers_folder, nli=nli_folder, detoxify=detoxify_checkpoint, onnx=onnx_folder, int8=int8_folder
    )
    text = "I hate you and I will find you."
    [score] = [finding.score for finding in Guard(policy(tmp_path, use)).check_sync(text).findings if finding.category == "hate"]
    assert Guard(policy(tmp_path, use, score - 0.02)).check_sync(text).action is Action.BLOCK
    assert Guard(policy(tmp_path, use, score + 0.02)).check_sync(text).action is Action.ALLOW


def test_a_stream_waits_for_the_classifier_and_ends_at_its_word(tmp_path: Path, onnx_folder: Path):
    async def pieces() -> AsyncIterator[str]:
        for word in ("Good ", "morning, ", "I hate ", "you. ") * 40:
            yield word

    async def streamed(threshold: float) -> str:
        guard = Guard(policy(tmp_path, f"onnx, model: {onnx_folder}, after: 40, most: 80, context: 0", threshold))
        return "".join([piece async for piece in guard.guard_stream(pieces(), new_exchange(), lambda _: "(refused)")])

    assert asyncio.run(streamed(0.0)) == "(refused)"
    assert asyncio.run(streamed(1.0)) == "Good morning, I hate you. " * 40


def test_two_policies_with_one_model_load_it_once(tmp_path: Path, onnx_folder: Path):
    one, other = (Guard(policy(tmp_path, f"onnx, model: {onnx_folder}", threshold)) for threshold in (0.2, 0.4))
    assert one.detectors["tone"].inner._network is other.detectors["tone"].inner._network
