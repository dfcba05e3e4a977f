"""Images as arrays and tensors: what a GAN, a VAE or a diffusion pipeline returns, wrapped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pictures_made import drawing, guard_against, writing
from PIL import Image

from guard.arrays import read_array
from guard.engine import Guard
from guard.errors import Blocked

torch = pytest.importorskip("torch")
SIDE = 96
DENIED, FINE = (np.asarray(image.convert("RGB").resize((SIDE, SIDE))) for image in (drawing(), writing("Closed on Mondays")))
BOTH = np.stack([FINE, DENIED])


@pytest.fixture(scope="module")
def judging() -> Guard:
    return guard_against(Image.fromarray(DENIED))


def tensor(pixels: Any, low: float = -1.0, dtype: Any = torch.float32) -> Any:
    """Channels first, from `low` to 1, as a generator's last layer gives it."""
    moved = torch.from_numpy(np.moveaxis(pixels, -1, -3).copy()).float() / 255
    return (moved * (1 - low) + low).to(dtype)


FORMS = {
    "a batch of a GAN": tensor(BOTH),
    "in half precision": tensor(BOTH, dtype=torch.bfloat16),
    "a decoder's, from 0 to 1": tensor(BOTH, low=0.0),
    "with gradients": tensor(BOTH).requires_grad_(),
    "diffusers' arrays": BOTH.astype(np.float32) / 255,
    "bytes": BOTH,
    "channels first": np.moveaxis(BOTH, -1, 1).astype(np.float32) / 255,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_a_denied_image_of_a_batch_becomes_grey_and_the_others_stay(judging: Guard, form: Any):
    given = form.clone() if isinstance(form, torch.Tensor) else form.copy()
    shown = judging.wrap(lambda prompt: form, on_block="refuse")("a house")
    assert type(shown) is type(form) and shown.dtype == form.dtype and shown.shape == form.shape
    assert bool((shown[0] == form[0]).all())
    assert bool((form == given).all()), "what the generator returned is left as it is"
    grey = read_array(shown).images[1]
    assert grey.min() == grey.max() and 120 <= grey.min() <= 135
    with pytest.raises(Blocked, match=r"Not this image\."):
        judging.wrap(lambda prompt: form)("a house")


@pytest.mark.parametrize(
    "form", [FINE, FINE[None], tensor(FINE), tensor(FINE)[None], [FINE, FINE], SimpleNamespace(images=FINE[None] / 255.0)]
)
def test_what_is_fine_is_returned_itself(judging: Guard, form: Any):
    assert judging.wrap(lambda prompt: form)("a house") is form


def test_images_of_one_channel_are_read_with_and_without_it():
    grey = FINE[:, :, 0]
    for form in (grey, grey[None], grey[None, :, :, None], torch.from_numpy(grey.copy())[None, None], grey > 100):
        (image,) = read_array(form).images
        assert image.shape == (SIDE, SIDE, 1)
    assert len(read_array(np.stack([grey] * 5)).images) == 5


def test_pixels_are_scaled_to_the_range_that_was_said(judging: Guard):
    bright = FINE.astype(np.float32) / 510 + 0.5  # the upper half of -1 to 1: no value tells that it is no range of its own
    assert np.array_equal(read_array(bright, (0.5, 1.0)).images[0], FINE)
    assert judging.wrap(lambda prompt: bright, pixels=(-1.0, 1.0))("a house") is bright


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (np.zeros((2, 3, 4, 5, 6)), "shape"),
        (np.zeros((0, 4, 4)), "shape"),
        (np.zeros((2, 7, 8, 9)), "1, 3 or 4 channels"),
        (np.full((4, 4, 3), np.nan), "nan"),
        (np.full((4, 4, 3), 300.0), "pixels=(black, white)"),
        (np.zeros((4, 4, 3), dtype=np.int64), "int64"),
    ],
)
def test_an_array_that_holds_no_images_is_an_error_that_says_what_was_expected(judging: Guard, form: Any, told: str):
    with pytest.raises(TypeError, match="expected") as raised:
        judging.wrap(lambda prompt: form)("a house")
    assert told in str(raised.value)


def test_a_refused_prompt_gives_what_the_caller_asked_for(judging: Guard):
    nothing = torch.zeros(0, 3, SIDE, SIDE)
    guarded = judging.wrap(lambda prompt: tensor(BOTH), on_block="refuse", refused=nothing)
    assert guarded("something forbidden") is nothing


def test_steps_of_a_diffusion_are_judged_one_by_one_until_one_is_denied(judging: Guard):
    made: list[int] = []

    def steps(prompt: str) -> Iterator[Any]:
        for number, image in enumerate((FINE, DENIED, FINE)):
            made.append(number)
            yield tensor(image)

    assert [bool(image.std() > 0) for image in judging.wrap(steps, on_block="refuse")("a house")] == [True, False]
    assert made == [0, 1]
    shown = []
    with pytest.raises(Blocked):
        for image in judging.wrap(steps)("a house"):
            shown.append(image)
    assert len(shown) == 1


def test_steps_of_an_async_generator_are_judged_too(judging: Guard):
    closed = []

    async def steps(prompt: str) -> AsyncIterator[Any]:
        try:
            for image in (FINE, DENIED, FINE):
                yield image
        finally:
            closed.append(True)

    async def seen() -> list[Any]:
        return [image async for image in judging.wrap(steps, on_block="refuse")("a house")]

    first, last = asyncio.run(seen())
    assert first is FINE and last.std() == 0
    assert closed == [True]


def test_a_stream_is_of_images_or_of_text(judging: Guard):
    def mixed(prompt: str) -> Iterator[Any]:
        yield FINE
        yield "text"

    with pytest.raises(TypeError, match="images from the first piece on"):
        list(judging.wrap(mixed)("a house"))
