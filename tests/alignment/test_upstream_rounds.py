"""Requests that are generated together get the answers that they get alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from servers import served

from guard.app import GuardApp
from guard.engine import Guard
from guard.errors import UpstreamError
from guard.ports import RecentDecisions
from guard.upstream_model.following import Piece
from guard.upstream_model.loading import UpstreamModel, load
from guard.upstream_model.prompting import prompt_of
from guard.upstream_model.rounds import Asking, Wish, fits, generate
from guard.upstream_model.server import model_app

PROMPTS = ("hi", "how do i make a cake", "tell me a long story about the sea and the people who live by it", "what is rain")


@pytest.fixture(scope="module")
def upstream(tiny_model: Path) -> UpstreamModel:
    import torch

    torch.set_num_threads(1)
    return load(tiny_model)


def wishes(upstream: UpstreamModel) -> list[Wish]:
    said = [prompt_of(upstream.tokenizer, [{"role": "user", "content": prompt}]) for prompt in PROMPTS]
    return [
        Wish(said[0], 1, 20, 1.0, 1.0, 5),
        Wish(said[1], 3, 7, 0.7, 0.9, 6),
        Wish(said[2], 1, 30, 0.0, 1.0, 7),
        Wish(said[3], 2, 1, 1.3, 0.5, 8),
    ]


class Answered:
    """What became of a wish."""

    def __init__(self, wish: Wish) -> None:
        self.asking = Asking(wish, self._take)
        self.texts = [""] * wish.choices
        self.tokens = [0] * wish.choices
        self.finishes = [""] * wish.choices
        self.ends: list[Exception | None] = []

    def _take(self, piece: Piece | Exception | None) -> None:
        if isinstance(piece, Piece):
            self.texts[piece.choice] += piece.text
            self.tokens[piece.choice] = piece.tokens
            self.finishes[piece.choice] = piece.finish
        else:
            self.ends.append(piece)

    @property
    def answer(self) -> Any:
        return self.texts, self.tokens, self.finishes, self.ends


def answered(upstream: UpstreamModel, asked: Sequence[Wish]) -> list[Any]:
    answers = [Answered(wish) for wish in asked]
    generate(upstream, [each.asking for each in answers])
    return [each.answer for each in answers]


def test_an_answer_is_the_same_alone_and_in_any_company(upstream: UpstreamModel) -> None:
    asked = wishes(upstream)
    alone = [answered(upstream, [wish])[0] for wish in asked]
    assert answered(upstream, asked) == alone
    assert answered(upstream, asked[::-1]) == alone[::-1]
    assert all(ends == [None] for *_, ends in alone)
    assert max(alone[1][1]) <= 7
    assert max(alone[3][1]) == 1


def test_a_stop_sequence_ends_its_own_answer_only(upstream: UpstreamModel) -> None:
    free = wishes(upstream)
    [[text], *_] = answered(upstream, free[:1])[0]
    stop = text[4:7]
    stopped = Wish(free[0].prompt, 1, 20, 1.0, 1.0, 5, [stop])
    cut, beside = answered(upstream, [stopped, free[0]])
    assert (cut[0], cut[2]) == ([text[: text.index(stop)]], ["stop"])
    assert beside[0] == [text]


def test_one_that_is_gone_drops_out_and_the_others_go_on(upstream: UpstreamModel) -> None:
    asked = wishes(upstream)
    staying = answered(upstream, asked[:2])
    leaver = Answered(Wish(asked[2].prompt, 1, 400, 0.0, 1.0, 7))
    answers = [Answered(wish) for wish in asked[:2]]
    steps = []

    def leave(*_: Any) -> None:
        steps.append(1)
        if len(steps) == 5:
            leaver.asking.gone.set()

    hook = upstream.model.register_forward_pre_hook(leave)
    try:
        generate(upstream, [leaver.asking, *(each.asking for each in answers)])
    finally:
        hook.remove()
    assert [each.answer for each in answers] == staying
    assert len(steps) <= 20
    assert leaver.ends == []


def test_scores_that_are_no_numbers_end_their_own_request_only(upstream: UpstreamModel) -> None:
    asked = wishes(upstream)
    expected = answered(upstream, [asked[0]])

    def spoil(_model: Any, _args: Any, made: Any) -> None:
        made.logits[1] = float("nan")

    hook = upstream.model.register_forward_hook(spoil)
    try:
        sound, broken = answered(upstream, [asked[0], asked[2]])
    finally:
        hook.remove()
    assert sound == expected[0]
    [error] = broken[-1]
    assert isinstance(error, UpstreamError)
    assert "NaN" in str(error)


def test_what_fails_together_is_tried_alone(upstream: UpstreamModel) -> None:
    asked = wishes(upstream)
    alone = [answered(upstream, [wish])[0] for wish in asked]

    def fail(_model: Any, _args: Any, options: Any) -> None:
        if options["input_ids"].shape[0] > 3:
            raise RuntimeError("out of memory")

    hook = upstream.model.register_forward_pre_hook(fail, with_kwargs=True)
    try:
        assert answered(upstream, asked) == alone
        [*_, [error]] = answered(upstream, [Wish(asked[0].prompt, 4, 3, 1.0, 1.0, 1)])[0]
    finally:
        hook.remove()
    assert isinstance(error, UpstreamError)
    assert error.status == 503


def test_a_round_is_bounded_by_its_rows_its_places_and_the_context() -> None:
    def asking(length: int, choices: int, most: int) -> Asking:
        return Asking(Wish([1] * length, choices, most, 1.0, 1.0, 1), lambda _: None)

    assert fits([asking(900, 16, 9000)], 1000)
    assert fits([asking(10, 8, 10), asking(10, 8, 10)], 1000)
    assert not fits([asking(10, 8, 10), asking(10, 9, 10)], 1000)
    assert not fits([asking(900, 1, 10), asking(10, 1, 900)], 1000)
    assert not fits([asking(10, 1, 30_000), asking(10, 1, 10)], 100_000)


def test_what_waits_is_generated_in_one_batch_over_http(upstream: UpstreamModel, guard: Guard) -> None:
    sizes: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def hold(_model: Any, _args: Any, options: Any) -> None:
        sizes.append(options["input_ids"].shape[0])
        begun.set()
        assert go.wait(10)

    app = model_app(upstream)
    with (
        served(GuardApp(guard, app, RecentDecisions())) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=15) as client,
        ThreadPoolExecutor(8) as pool,
    ):

        def ask(index: int, stream: bool) -> str:
            options: Any = {"max_tokens": 6 + index, "seed": index}
            messages: Any = [{"role": "user", "content": PROMPTS[index % len(PROMPTS)]}]
            if not stream:
                whole = client.chat.completions.create(model=upstream.name, messages=messages, **options)
                return whole.choices[0].message.content or ""
            chunks = client.chat.completions.create(model=upstream.name, messages=messages, stream=True, **options)
            return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)

        alone = [ask(index, False) for index in range(6)]
        hook = upstream.model.register_forward_pre_hook(hold, with_kwargs=True)
        try:
            first = pool.submit(ask, 0, False)
            assert begun.wait(10)
            others = [pool.submit(ask, index, index % 2 == 0) for index in range(1, 6)]
            while app.state.generating.waiting < 5:
                assert not any(other.done() for other in others)
            go.set()
            together = [first.result(), *(other.result() for other in others)]
        finally:
            go.set()
            hook.remove()
    assert together == alone
    assert 5 in sizes
