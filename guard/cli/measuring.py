"""Measure what a detector costs on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from time import perf_counter
from typing import NamedTuple

from guard.detectors import registry
from guard.errors import TenetError
from guard.policy.kinds import Kind
from guard.policy.load import load
from guard.policy.model import DetectorConfig
from guard.values import Detector, Item, Role

_TEXTS = (
    "Thanks, that worked!",
    "Could you tell me when the next train to Hamburg leaves, and whether I have to change on the way?",
    "My order from last Tuesday has not arrived yet. The tracking page has said the same thing for three days, and nobody "
    "answers the phone. I would like to know where the parcel is, and what I can do if it is lost.",
    "Write a short story about a lighthouse keeper who finds a letter in a bottle. It should begin on a calm morning, and end "
    "with a decision that nobody expects. Keep the sentences simple, and let the sea be a character of its own.",
    "The meeting is moved to Thursday at ten.",
)
"""Everyday texts of 20 to 230 characters."""

_ROUNDS = 5


class Measured(NamedTuple):
    """What one detector costs.

    Attributes:
        detector: Its name in the policy, or its kind where there is none.
        milliseconds: For a text, one at a time: the median; None where it could not be measured.
        reason: Why not; empty where it was.
    """

    detector: str
    use: str
    milliseconds: float | None
    reason: str = ""


def measure_kinds(kinds: Mapping[str, Kind]) -> list[Measured]:
    """Measure every kind that needs no configuration, sends no text away and fetches no model."""
    return [_measured(use, use, partial(kind.make, use, {})) for use, kind in kinds.items() if _is_ready(kind)]


def measure_policy(policy: str, kinds: Mapping[str, Kind]) -> list[Measured]:
    """Measure the detectors that a policy declares, each without the cache and the batches around it.

    Raises:
        PolicyError: For mistakes in the policy.
    """
    configs = load(policy, kinds).detectors
    return [_measured(name, config.use, partial(_built, name, configs, kinds)) for name, config in configs.items()]


def _is_ready(kind: Kind) -> bool:
    fetched = kind.options.get("model")
    if kind.remote or any(option.required for option in kind.options.values()) or (fetched is not None and fetched.choices):
        return False
    try:
        return bool(kind.categories({})) and not kind.check({})
    except (LookupError, TypeError, AttributeError):
        return False


def _built(name: str, configs: Mapping[str, DetectorConfig], kinds: Mapping[str, Kind]) -> Detector:
    wanted = {name: configs[name]}
    pending = [name]
    while pending:
        config = configs[pending.pop()]
        others = [other for other in kinds[config.use].refers(config.options) if other not in wanted]
        wanted |= {other: configs[other] for other in others}
        pending += others
    return registry.build(wanted, kinds)[name]


def _measured(name: str, use: str, make: Callable[[], Detector]) -> Measured:
    try:
        detector = make()
        if detector.needs.media:
            return Measured(name, use, None, "it judges images, and no texts")
        seconds = [_seconds(detector, text) for text in _TEXTS]
    except TenetError as error:
        return Measured(name, use, None, str(error))
    except Exception as error:  # whatever one detector does, the others are listed
        return Measured(name, use, None, type(error).__name__)
    return Measured(name, use, round(median(seconds) * 1000, 3))


def _seconds(detector: Detector, text: str) -> float:
    """Return the median of some looks at a text, after one that does not count."""
    item = Item(text, role=Role.USER)
    spent = []
    for _ in range(_ROUNDS + 1):
        began = perf_counter()
        detector.detect([item])
        spent.append(perf_counter() - began)
    return median(spent[1:])
