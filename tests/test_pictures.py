"""Generators that return images, wrapped: what leaves, in the form in which it was returned."""

from __future__ import annotations

import asyncio
import io
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures_made import drawing, encoded, guard_against, writing
from PIL import Image

import guard as tenet
from guard.engine import Guard
from guard.errors import Blocked
from guard.values import Action

DENIED, FINE = drawing(), writing("Closed on Mondays")


@pytest.fixture(scope="module")
def judging() -> Guard:
    return guard_against(DENIED)


@dataclass
class Output:
    """What an image pipeline of diffusers returns."""

    images: list[Image.Image]
    nsfw_content_detected: Any = None


FORMS = {
    "an image": lambda picture: picture,
    "a list": lambda picture: [FINE, picture],
    "a pipeline's output": lambda picture: Output([FINE, picture]),
    "bytes": encoded,
    "an image with transparency": lambda picture: picture.convert("RGBA"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_fine_image_is_returned_as_it_is(judging, form):
    answer = FORMS[form](FINE)
    assert judging.wrap(lambda prompt: answer)("a sign") is answer


@pytest.mark.parametrize("form", FORMS)
def test_a_denied_image_is_not_returned(judging, form):
    paint = judging.wrap(lambda prompt: FORMS[form](DENIED))
    with pytest.raises(Blocked, match=r"Not this image\.") as raised:
        paint("a house")
    assert raised.value.decision.rules == ("no-denied",)


def _last(answer: Any) -> Image.Image:
    images = getattr(answer, "images", answer)
    image = images[-1] if isinstance(images, list) else images
    return Image.open(io.BytesIO(image)) if isinstance(image, bytes) else image


@pytest.mark.parametrize("form", FORMS)
def test_a_grey_image_of_the_same_size_stands_in_for_a_denied_one(judging, form):
    made = FORMS[form](DENIED)
    answer = judging.wrap(lambda prompt: made, on_block="refuse")("a house")
    assert type(answer) is type(made) or isinstance(answer, Image.Image)
    shown = _last(answer)
    assert shown.size == DENIED.size
    assert set(np.unique(np.asarray(shown.convert("RGB")))) == {128}
    images = getattr(answer, "images", answer)
    if isinstance(images, list):
        assert images[0] is FINE


def test_a_coroutine_is_guarded_too_and_so_is_the_prompt(judging):
    async def paint(prompt: str) -> Image.Image:
        return DENIED

    async def refused(prompt: str) -> None:
        with pytest.raises(Blocked):
            await judging.wrap(paint)(prompt)

    asyncio.run(refused("a house"))
    with pytest.raises(Blocked):
        judging.wrap(lambda prompt: FINE)("a forbidden house")


@pytest.mark.parametrize("answer", [b"no image", 5, [], [1], [FINE, "text"], {"images": [FINE]}])
def test_what_is_neither_text_nor_image_is_an_error(judging, answer):
    with pytest.raises(TypeError, match="expected text"):
        judging.wrap(lambda prompt: answer)("a sign")


def test_images_of_any_mode_are_judged(judging):
    for mode in ("1", "L", "P", "CMYK", "F", "YCbCr"):
        assert judging.wrap(lambda prompt, mode=mode: FINE.convert(mode))("a sign").mode == mode


def test_one_image_is_checked(judging):
    assert judging.check_image_sync(encoded(FINE), "output").action is Action.ALLOW
    assert asyncio.run(judging.check_image(encoded(DENIED), "output")).rules == ("no-denied",)
    assert judging.check_image_sync(b"no image").findings[0].category == "image/unreadable"
    assert Guard("default").check_image_sync(encoded(DENIED)).action is Action.ALLOW


def test_the_guide_to_images_runs_as_shown():
    guide = (Path(__file__).parent.parent / "docs/images.md").read_text()
    for block in re.findall(r"^```python\n(.*?)^```", guide, re.DOTALL | re.MULTILINE):
        done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(r"phash:[0-9a-f]{16}\n|allow\n\(64, 64\)\n", done.stdout)


def test_the_function_wraps_the_same(judging):
    with pytest.raises(Blocked):
        tenet.wrap(lambda prompt: DENIED, policy=judging.policy)("a house")
