"""Cascades: what is settled cheaply goes no further, and says so."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from runtime.models import Service

from guard.asking import ask
from guard.detectors.cascade import Band, Cascade, check
from guard.engine import Guard
from guard.errors import DetectorError, PolicyError
from guard.policy.kinds import Kind
from guard.runtime.served import Served
from guard.runtime.settings import RuntimeSettings
from guard.runtime.trace import Outcome, complete, tracing
from guard.values import Action, Finding, Item, Needs, NoVerdict, Runs, WindowReach

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


class Saying:
    """A stage that finds what it was told, whatever it is asked about."""

    version = "1"
    needs = Needs(reach=WindowReach(), runs=Runs.INLINE)

    def __init__(self, name: str, **found: float) -> None:
        self.name = name
        self.categories = tuple(found)
        self._found = found
        self.asked = 0

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        self.asked += len(items)
        return [[Finding(self.name, category, score) for category, score in self._found.items()] for _ in items]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        return self.detect(items)


async def said(stages: Sequence[Saying], bands: Sequence[Band]) -> dict[str, float]:
    [findings] = await Cascade("all", stages, bands).detect_async([Item("x")])
    return {finding.category: finding.score for finding in findings}


async def test_what_a_stage_was_sure_of_stands_whatever_later_stages_are_unsure_of():
    first = Saying("first", threat=0.6, toxicity=0.5)
    last = Saying("last", toxicity=0.1)
    bands = [Band(0.2, 0.9, ("toxicity",)), Band(0.2, 0.9)]
    assert await said([first, Saying("second"), last], bands) == {"threat": 0.6}
    assert last.asked == 0
    assert await said([first, Saying("second", toxicity=0.7), last], bands) == {"threat": 0.6, "toxicity": 0.1}


async def test_an_explanation_asks_all_stages_and_says_the_same_however_their_bands_differ():
    stages = [Saying("first", toxicity=0.6), Saying("second", toxicity=0.5), Saying("last", toxicity=0.0)]
    bands = [Band(0.3, 0.5), Band(0.2, 0.9)]
    usual = await said(stages, bands)
    with complete():
        assert await said(stages, bands) == usual == {"toxicity": 0.6}
    assert [stage.asked for stage in stages] == [2, 1, 1]


async def test_a_stage_that_fails_where_it_would_not_have_been_asked_changes_no_verdict():
    dead = Served(Service("judge", [DetectorError("judge", "it is dead")] * 9), RuntimeSettings(), timeout=5.0)
    detector = Cascade("both", [Screen(), dead], [Band(0.2, 0.9)])
    usual = await detector.detect_async([Item("0.1")])
    with complete() as trace:
        assert await detector.detect_async([Item("0.1")]) == detector.detect([Item("0.1")]) == usual
        with pytest.raises(DetectorError):
            await detector.detect_async([Item("0.1"), Item("0.5")])
    assert [step.outcome for step in trace.steps if step.detector == "judge"] == [Outcome.FAILED] * 3


async def test_a_stage_has_its_own_time_limit_and_not_that_of_the_policy():
    judge = Served(Service("judge", [0.2]), RuntimeSettings(timeout=5.0), timeout=0.05)
    answers = await ask(Cascade("both", [Screen(), judge], [Band(0.2, 0.9)]), [Item("0.5")], 0.05)
    assert not isinstance(answers, NoVerdict)
    assert [finding.score for finding in answers[0]] == [0.03]
