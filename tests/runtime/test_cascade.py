"""Cascades: what is settled cheaply goes no further, and says so."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from runtime.models import Service

from guard.detectors.cascade import Band, Cascade, check
from guard.engine import Guard
from guard.errors import PolicyError
from guard.policy.model import Kind
from guard.runtime.served import Served
from guard.runtime.settings import RuntimeSettings
from guard.runtime.trace import complete, tracing
from guard.values import Action, Finding, Item, Needs, Runs, WindowReach

pytestmark = pytest.mark.anyio


class Screen:
    """A cheap detector: a text is a number, its score."""

    name = "screen"
    version = "1"
    needs = Needs(reach=WindowReach(), runs=Runs.INLINE)
    categories = ("custom/length",)

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        return [[Finding(self.name, "custom/length", float(item.text), None, item.location, item.role)] for item in items]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        return self.detect(items)


def cascade(low: float = 0.2, high: float = 0.9) -> tuple[Cascade, Service]:
    service = Service("judge")
    judge = Served(service, RuntimeSettings(), timeout=5.0)
    return Cascade("both", [Screen(), judge], [Band(low, high)]), service


async def test_only_the_unsure_go_on_and_get_the_last_stages_verdict():
    detector, service = cascade()
    answers = await detector.detect_async([Item(text) for text in ("0.1", "0.95", "0.5000")])
    assert [[finding.score for finding in findings] for findings in answers] == [[0.1], [0.95], [0.06]]
    assert {finding.detector for findings in answers for finding in findings} == {"both"}
    assert service.calls == 1


async def test_what_was_spared_is_noted_and_in_an_explanation_all_stages_run_with_the_same_verdict():
    detector, service = cascade()
    with tracing() as trace:
        spared = await detector.detect_async([Item("0.1")])
    assert trace.not_run == ("judge",)
    with complete() as trace:
        assert await detector.detect_async([Item("0.1")]) == spared
    assert trace.not_run == ()
    assert service.calls == 1


async def test_a_screen_only_suspects():
    detector, _ = cascade(high=1.0)
    [[finding]] = await detector.detect_async([Item("1.0")])
    assert finding.score == 0.03


def test_it_works_without_an_event_loop():
    detector, _ = cascade()
    assert [finding.score for finding in detector.detect([Item("0.5")])[0]] == [0.03]


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"stages": ["a"]}, ("stages",)),
        ({"stages": ["a", "a"]}, ("stages",)),
        ({"stages": ["a", "b"], "bands": {"b": {}}}, ("bands", "b")),
        ({"stages": ["a", "b"], "bands": {"a": {"lo": 1}}}, ("bands", "a")),
        ({"stages": ["a", "b"], "low": 0.9, "high": 0.1}, ("bands", "a")),
    ],
)
def test_options_that_make_no_sense_are_named(options, where):
    assert [mistake.path for mistake in check(options)] == [where]


KINDS = {
    "screen": Kind("screen", "", lambda _name, _options: Screen(), lambda _options: ("custom/length",)),
    "judge": Kind("judge", "", lambda name, _options: Service(name), lambda _options: ("custom/length",)),
}

POLICY = """
version: 1
name: cascaded
detectors:
  both: {use: cascade, stages: [screen, judge]}
  judge: {use: judge}
  screen: {use: screen}
rules:
  - {id: length, detect: both, category: custom/length, action: block}
"""


def guarded(tmp_path, policy: str) -> Guard:
    from guard.detectors.registry import kinds

    path = tmp_path / "policy.yaml"
    path.write_text(policy)
    return Guard(path, kinds={**kinds(), **KINDS})


async def test_a_policy_puts_its_detectors_into_a_cascade(tmp_path):
    guard = guarded(tmp_path, POLICY)
    sure = await guard.check("0.95")
    assert (sure.action, sure.not_run) == (Action.BLOCK, ("judge",))
    unsure = await guard.check("0.51")
    assert (unsure.action, unsure.not_run) == (Action.ALLOW, ())


@pytest.mark.parametrize(
    ("stages", "message"),
    [("[screen, judeg]", "did you mean `judge`"), ("[screen, both]", "in a circle"), ("[screen]", "at least two different")],
)
def test_stages_that_cannot_be_asked_are_mistakes_of_the_policy(tmp_path, stages, message):
    with pytest.raises(PolicyError, match=message):
        guarded(tmp_path, POLICY.replace("[screen, judge]", stages))
