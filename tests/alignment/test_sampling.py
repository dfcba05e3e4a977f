"""Answers of a loaded model: the same whatever stands beside them, in time, and with clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignment.models.loading import Loaded, load
from alignment.models.sampling import Progress, Sampling, draw, gathered, problems, sample
from alignment.training.settings import ModelSettings
from guard.errors import TenetError


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Loaded:
    import torch

    torch.set_num_threads(1)
    return load(ModelSettings(path=str(tiny_model)))


def asked(*texts: str) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": text}] for text in texts]


PROMPTS = asked(
    "how do i make a cake", "yes", "the sun is warm and water flows over stones, you can ask me again", "kill process"
)


def test_an_answer_does_not_depend_on_what_is_sampled_beside_it(loaded: Loaded) -> None:
    sampling = Sampling(answers=3, max_new_tokens=12, temperature=1.0, top_p=0.9, batch=16, seed=3)
    together = sample(loaded, PROMPTS, sampling)
    alone = [
        sample(loaded, [prompt], Sampling(answers=3, max_new_tokens=12, top_p=0.9, batch=1, seed=3))[0] for prompt in PROMPTS
    ]
    assert together == alone
    assert len({*together[0]}) == 3


def test_another_seed_gives_other_answers_and_the_same_seed_the_same(loaded: Loaded) -> None:
    first, again, other = (sample(loaded, PROMPTS, Sampling(max_new_tokens=10, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_greedy_answers_are_those_of_transformers_itself(loaded: Loaded) -> None:
    import torch

    found = sample(loaded, PROMPTS, Sampling(max_new_tokens=8, temperature=0, batch=4))
    for prompt, answers in zip(PROMPTS, found, strict=True):
        ids = loaded.tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        with torch.inference_mode():
            made = loaded.model.generate(**ids, max_new_tokens=8, do_sample=False)
        assert answers == [loaded.tokenizer.decode(made[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)]


def test_an_answer_ends_before_a_stop_text(loaded: Loaded) -> None:
    whole = sample(loaded, PROMPTS[:1], Sampling(max_new_tokens=20, seed=5))[0][0]
    stop = whole[4:6]
    [answer] = draw(loaded, PROMPTS[:1], Sampling(max_new_tokens=20, seed=5, stop=(stop, "never in it")))
    assert answer.text == whole[: whole.index(stop)]
    assert answer.finish == "stop"
    assert answer.tokens < 20


def test_a_prompt_without_room_is_named_by_its_index_and_not_by_its_words(loaded: Loaded) -> None:
    with pytest.raises(TenetError, match=r"^prompt 1: expected at most 492 tokens") as caught:
        sample(loaded, asked("yes", "canary " * 600), Sampling(max_new_tokens=20))
    assert "canary" not in str(caught.value)


def test_a_prompt_without_messages_is_named(loaded: Loaded) -> None:
    with pytest.raises(TenetError, match="prompt 1: expected at least one message"):
        sample(loaded, [*asked("yes"), []], Sampling())


def test_a_prompt_that_the_template_refuses_is_named(loaded: Loaded) -> None:
    loaded.tokenizer.chat_template, before = "{{ raise_exception('canary') }}", loaded.tokenizer.chat_template
    try:
        with pytest.raises(TenetError, match=r"prompt 0: the chat template does not take its messages \(roles: user\)") as caught:
            sample(loaded, asked("yes"), Sampling())
    finally:
        loaded.tokenizer.chat_template = before
    assert "canary" not in str(caught.value)


def test_a_model_of_broken_weights_gives_no_answers(tiny_model: Path) -> None:
    import torch

    broken = load(ModelSettings(path=str(tiny_model)))
    with torch.no_grad():
        broken.model.get_input_embeddings().weight.fill_(torch.nan)
    for temperature in (0.0, 1.0):
        with pytest.raises(TenetError, match="the model gives no numbers"):
            sample(broken, PROMPTS, Sampling(temperature=temperature))


def test_when_the_time_is_over_what_is_finished_is_returned_and_it_is_said(loaded: Loaded) -> None:
    told: list[Progress] = []
    found = sample(loaded, PROMPTS * 50, Sampling(max_new_tokens=400, batch=4, seconds=1.0, answers=4), told.append)
    assert told[-1].out_of_time
    assert told[-1].seconds < 10
    assert sum(map(len, found)) == told[-1].done < told[-1].wanted == 800


def test_what_is_known_is_not_made_again(loaded: Loaded) -> None:
    sampling = Sampling(answers=2, max_new_tokens=6, seed=9)
    whole = list(draw(loaded, PROMPTS, sampling))
    rest = list(draw(loaded, PROMPTS, sampling, done={(0, 0), (3, 1)}))
    assert {(answer.prompt, answer.answer) for answer in rest}.isdisjoint({(0, 0), (3, 1)})
    kept = [answer for answer in whole if (answer.prompt, answer.answer) in {(0, 0), (3, 1)}]
    assert gathered(iter([*rest, *kept]), 4) == gathered(iter(whole), 4)


def test_each_batch_is_told_of(loaded: Loaded) -> None:
    told: list[Progress] = []
    sample(loaded, PROMPTS, Sampling(max_new_tokens=3, batch=3), told.append)
    assert [each.done for each in told] == [3, 4]
    assert told[-1].tokens > 0
    assert not told[-1].out_of_time


def test_several_greedy_answers_are_a_mistake() -> None:
    [(path, _, _)] = problems(Sampling(answers=2, temperature=0))
    assert path == "temperature"
    assert problems(Sampling(answers=1, temperature=0)) == []
