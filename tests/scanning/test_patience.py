"""A scan waits for a detector in trouble, but not for ever."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from guard.detectors.running import Threaded
from guard.errors import DetectorError
from guard.runtime.served import Served
from guard.runtime.settings import RuntimeSettings
from guard.scanning.patience import Patience
from guard.values import Finding, Item, Needs

pytestmark = pytest.mark.anyio


class Broken(Threaded):
    """Never gives a verdict."""

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        raise DetectorError(self.name, "not now")


def left_alone_for(seconds: float) -> Served:
    return Served(Broken("broken", "1", Needs(), ("custom/x",)), RuntimeSettings(failures=1, recovery=seconds), timeout=5)


async def fail(detector: Served) -> None:
    with pytest.raises(DetectorError):
        await detector.detect_async([Item("a text")])


async def test_a_rest_lasts_until_a_detector_may_be_asked_again():
    detector = left_alone_for(0.2)
    patience = Patience([detector])
    assert not patience.helps(0.1)
    await fail(detector)
    assert detector.breaker == "open"
    assert patience.helps(0.0)
    assert await patience.rest(0)
    assert detector.breaker == "half-open"


async def test_a_rest_ends_with_the_patience():
    detector = left_alone_for(1000)
    await fail(detector)
    patience = Patience([detector], seconds=0.1)
    began = time.monotonic()
    assert not await patience.rest(0)
    assert not await patience.rest(0)
    assert not await patience.rest(7)
    assert time.monotonic() - began < 5


async def test_patience_is_used_up_and_grows_again_slowly():
    patience = Patience(seconds=0.1)
    assert await patience.rest(0.08)
    assert not await patience.rest(5)
    assert await patience.rest(0)


async def test_a_rest_helps_against_slowness_only():
    patience = Patience([left_alone_for(1)])
    assert patience.helps(4.9)
    assert not patience.helps(0.5)
    assert not Patience().helps(1e9), "there is no time limit"
