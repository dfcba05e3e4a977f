"""Which detectors there are: Tenet's own, and those that other packages offer by the group `tenet.detectors`.

A kind is looked up without importing what it needs; only `make` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points

from guard.detectors.catalogue import basic, cascades, images, judges, meaning, models, presidio_kind, rules, services
from guard.errors import DetectorError, TenetError
from guard.policy.kinds import Kind
from guard.policy.model import DetectorConfig
from guard.values import Detector

ENTRY_POINT_GROUP = "tenet.detectors"

_FAMILIES = (basic, rules, models, presidio_kind, meaning, images, judges, services, cascades)
_OWN: dict[str, Kind] = {kind.use: kind for family in _FAMILIES for kind in family.KINDS}


@cache
def kinds() -> Mapping[str, Kind]:
    """Return every kind of detector by the word that `use:` takes.

    An entry point names a `Kind`; it cannot replace one of Tenet's own.
    """
    found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    return {**{name: point.load() for name, point in found.items()}, **_OWN}


def build(
    configs: Mapping[str, DetectorConfig],
    known: Mapping[str, Kind],
    run: Callable[[DetectorConfig, Detector], Detector] = lambda _config, detector: detector,
    loading: Callable[[DetectorConfig], None] = lambda _config: None,
) -> dict[str, Detector]:
    """Return the detectors of a policy, by name, in its order.

    Args:
        configs: As the policy declares them.
        known: What stands behind `use:`.
        run: Puts the runtime around a detector that was made; one that refers to others is handed what this returned for them.
        loading: Told of each before it is made.

    Raises:
        MissingExtra: Where one needs packages that are not installed.
        DetectorError: Where a model cannot be loaded.
        TenetError: Where detectors refer to each other in a circle.
    """
    made: dict[str, Detector] = {}

    def make(name: str, within: tuple[str, ...]) -> Detector:
        if name in within:
            raise TenetError(f"detectors.{name}: expected no circle, got {' → '.join((*within, name))}")
        if name not in made:
            config = configs[name]
            kind = known[config.use]
            others = {other: make(other, (*within, name)) for other in kind.refers(config.options)}
            loading(config)
            detector = kind.make(name, config.options, others) if others else kind.make(name, config.options)
            if detector.name != name:  # no rule would see its findings or its failures
                raise DetectorError(
                    name, f"`{config.use}` made a detector named '{detector.name}', expected the name it was given"
                )
            made[name] = run(config, detector)
        return made[name]

    return {name: make(name, ()) for name in configs}
