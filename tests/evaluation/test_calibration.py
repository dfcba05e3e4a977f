"""Rules get the thresholds that their records call for, and a reason where there is none."""

from __future__ import annotations

import pytest
from stated_scores import KINDS, Row, rows

from guard.errors import DetectorError, TenetError
from guard.evaluation.calibration import Asked, Calibration, calibrate
from guard.evaluation.conformal import Control, Promise
from guard.evaluation.outcomes import Outcome, Status
from guard.policy.load import loads
from guard.values import Role, Stage

HEAD = "version: 1\ndetectors: {said: {use: stated}, words: {use: patterns, words: [bad], category: hate}}\nrules:\n"
ONE = HEAD + "- {id: hateful, detect: said, category: hate, action: block}\n"
MISSES = Promise(Control.MISSES, 0.1)
ALARMS = Promise(Control.FALSE_ALARMS, 0.1)


def run(policy: str, records: list[Row], asked: Asked) -> Calibration:
    return calibrate(loads(policy, KINDS), KINDS, lambda: records, asked)


def only(policy: str, records: list[Row], asked: Asked) -> Outcome:
    [outcome] = run(policy, records, asked).outcomes
    return outcome


def hundredths(first: int, last: int) -> list[float]:
    return [number / 100 for number in range(first, last)]


def test_the_highest_threshold_that_misses_no_more_than_asked_is_chosen():
    records = rows("hate", 1, hundredths(50, 70)) + rows("hate", 0, hundredths(10, 60))
    outcome = only(ONE, records, Asked(MISSES))
    assert (outcome.status, outcome.kept, outcome.threshold.written) == (Status.CHOSEN, True, "0.51")
    assert (outcome.chosen_from.misses.losses, outcome.chosen_from.misses.examples) == (1, 20)
    assert (outcome.chosen_from.false_alarms.losses, outcome.chosen_from.false_alarms.examples) == (9, 50)


def test_the_lowest_threshold_that_alarms_no_more_than_asked_is_chosen():
    records = rows("hate", 1, hundredths(50, 70)) + rows("hate", 0, hundredths(10, 60))
    outcome = only(ONE, records, Asked(ALARMS))
    assert outcome.threshold.written == "0.551"
    assert (outcome.allowed, outcome.chosen_from.false_alarms.losses) == (4, 4)


def test_a_rule_of_several_categories_is_one_rule_with_its_highest_score():
    policy = HEAD + "- {id: any, detect: said, category: [hate/*, toxicity], action: flag}\n"
    records = [
        *(Row(f"p{index}", "hate=0.2 toxicity=0.8 hate/threatening=0.3", {"hate/threatening": 1}) for index in range(9)),
        Row("n", "toxicity=0.9", {"hate": 0, "toxicity": 0}),
        Row("unknown", "toxicity=0.9", {"hate": 0}),
    ]
    outcome = only(policy, records, Asked(MISSES))
    assert outcome.categories == ("hate/threatening", "hate", "toxicity")
    assert outcome.threshold.written == "0.8"
    assert outcome.chosen_from.false_alarms.examples == 1


def test_an_exception_of_the_policy_holds_while_scores_are_taken():
    quoted = "detectors: {quoted: {use: patterns, patterns: [{pattern: '(?s)^quote.*', category: custom/quoted}]}, "
    policy = ONE.replace("detectors: {", quoted)
    policy += "- {id: but, detect: quoted, category: custom/quoted, action: allow, overrides: hateful}\n"
    records = [*rows("hate", 1, [0.5] * 9), Row("x", "quote hate=0.2", {"hate": 1})]
    assert only(ONE, records, Asked(MISSES)).threshold.written == "0.2"
    assert only(policy, records, Asked(MISSES)).status is Status.IMPOSSIBLE
    assert only(policy, records, Asked(Promise(Control.MISSES, 0.2))).threshold.written == "0.5"


def test_conditions_and_stages_do_not_keep_a_rule_from_being_measured():
    policy = HEAD + (
        '- {id: minors, on: output, detect: said, category: hate, action: block, when: \'request.headers["x"] == "y"\'}\n'
        "- {id: answers, on: output, roles: assistant, detect: said, category: harmful-response, action: block}\n"
    )
    records = rows("hate", 1, [0.4] * 9) + rows("harmful-response", 1, [0.6] * 9)
    outcomes = run(policy, records, Asked(MISSES)).outcomes
    assert [outcome.threshold.written for outcome in outcomes] == ["0.4", "0.6"]


def test_words_that_a_rule_does_not_read_say_nothing_about_it():
    policy = HEAD + "- {id: tools, on: input, roles: tool_result, detect: said, category: hate, action: block}\n"
    records = rows("hate", 1, [0.4] * 9)
    outcome = only(policy, records, Asked(MISSES))
    assert (outcome.status, outcome.kept) == (Status.NOT_READ, False)
    assert "input by tool_result" in outcome.reason
    assert only(policy, records, Asked(MISSES, role=Role.TOOL_RESULT)).threshold.written == "0.4"
    assert only(policy, records, Asked(MISSES, stage=Stage.OUTPUT)).status is Status.NOT_READ


@pytest.mark.parametrize(
    ("records", "promise", "status", "said"),
    [
        (rows("hate", 1, [0.5] * 8), MISSES, Status.TOO_FEW, "8 records labelled 1 for it; at least 9 are needed, 99 are"),
        (rows("hate", 0, [0.5] * 8), MISSES, Status.TOO_FEW, "0 records labelled 1 for it; at least 9"),
        (rows("hate", 1, [0.5] * 8), ALARMS, Status.TOO_FEW, "0 records known to be free of what it covers; at least 9"),
        (
            rows("hate", 1, [0.5] * 28),
            Promise(Control.MISSES, 0.1, 0.95),
            Status.TOO_FEW,
            "28 records labelled 1 for it; at least 29",
        ),
        (
            rows("hate", 1, ["", *[0.5] * 8]),
            MISSES,
            Status.IMPOSSIBLE,
            "nothing at all in 1 of 9 records labelled 1 for it, and 0 may",
        ),
        (
            rows("hate", 0, [1, *[0.5] * 8]),
            ALARMS,
            Status.IMPOSSIBLE,
            "1 of 9 records known to be free of what it covers have score 1",
        ),
        (rows("toxicity", 1, [0.5] * 9), MISSES, Status.NOT_LABELLED, "no record has a label"),
        ([], MISSES, Status.NOT_LABELLED, "no record has a label"),
    ],
)
def test_where_there_is_no_threshold_there_is_a_reason(records: list[Row], promise: Promise, status: Status, said: str):
    calibration = run(ONE, records, Asked(promise))
    [outcome] = calibration.outcomes
    assert (outcome.status, outcome.threshold, calibration.kept, calibration.thresholds) == (status, None, False, {})
    assert said in outcome.reason


def test_few_examples_are_enough_but_said_to_be_few():
    assert "99 are worth having" in only(ONE, rows("hate", 1, [0.5] * 9), Asked(MISSES)).reason
    assert only(ONE, rows("hate", 1, [0.5] * 99), Asked(MISSES)).reason == ""


def test_a_rule_that_is_certain_of_all_it_finds_has_no_threshold_to_choose():
    policy = HEAD + "- {id: words, detect: words, category: hate, action: block}\n"
    records = [Row(str(index), "bad", {"hate": 1}) for index in range(18)] + [Row("x", "good", {"hate": 1})]
    kept = only(policy, records, Asked(MISSES))
    assert (kept.status, kept.kept, kept.threshold) == (Status.NOTHING_TO_CHOOSE, True, None)
    assert (kept.chosen_from.misses.losses, kept.chosen_from.misses.examples) == (1, 19)
    worse = [*records, Row("y", "good", {"hate": 1})]
    assert not only(policy, worse, Asked(MISSES)).kept


def test_a_rule_that_finds_nothing_raises_no_false_alarm():
    outcome = only(ONE, rows("hate", 0, [""] * 9), Asked(ALARMS))
    assert (outcome.status, outcome.kept) == (Status.NOTHING_TO_CHOOSE, True)


def test_benign_records_are_those_with_nothing_but_zeros():
    records = [
        *rows("hate", 0, [0.3] * 9),
        *(Row(f"b{index}", "hate=0.5", {"toxicity": 0}) for index in range(9)),
        *(Row(f"t{index}", "hate=0.7", {"hate": 0, "toxicity": 1}) for index in range(9)),
        Row("nothing known", "hate=0.99"),
    ]
    assert only(ONE, records, Asked(ALARMS)).threshold.written == "0.701"
    benign = only(ONE, records, Asked(ALARMS, benign_only=True))
    assert (benign.threshold.written, benign.chosen_from.false_alarms.examples) == ("0.501", 18)


def test_held_out_records_are_not_chosen_from_and_are_the_same_for_the_same_seed():
    records = rows("hate", 1, hundredths(1, 100) * 3)
    first, again, other = (only(ONE, records, Asked(MISSES, holdout=0.3, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    chosen_from, held_out = first.chosen_from.misses.examples, first.held_out.misses.examples
    assert chosen_from + held_out == len(records)
    assert 0.2 < held_out / len(records) < 0.4
    assert first.held_out.misses.interval.low <= first.held_out.misses.share <= first.held_out.misses.interval.high
    reordered = only(ONE, records[::-1], Asked(MISSES, holdout=0.3, seed=1))
    assert reordered.held_out.misses == first.held_out.misses


def test_only_the_named_rules_change_and_locked_ones_never():
    policy = ONE + (
        "- {id: toxic, detect: said, category: toxicity, action: flag}\n"
        "- {id: fixed, detect: said, category: toxicity, action: flag, locked: true}\n"
        "- {id: but, detect: words, category: hate, action: allow, overrides: hateful}\n"
    )
    records = rows("hate", 1, [0.3] * 9) + rows("toxicity", 1, [0.4] * 9)
    everything = run(policy, records, Asked(MISSES))
    assert everything.thresholds == {"hateful": "0.3", "toxic": "0.4"}
    assert not everything.kept
    assert everything.outcomes[-1].status is Status.LOCKED
    named = run(policy, records, Asked(MISSES, rules=("toxic",)))
    assert (named.thresholds, named.kept, named.uncovered) == ({"toxic": "0.4"}, True, ("hate",))
    for name, said in [("fixed", "locked"), ("but", "exception"), ("toxik", "toxic")]:
        with pytest.raises(TenetError, match=said):
            run(policy, records, Asked(MISSES, rules=(name,)))


def test_a_detector_without_a_verdict_ends_it_and_says_nothing_of_the_text(caplog: pytest.LogCaptureFixture):
    records = [*rows("hate", 1, [0.3] * 9), Row("x", "broken CANARY", {"hate": 1})]
    with pytest.raises(DetectorError, match="said") as raised:
        run(ONE, records, Asked(MISSES))
    assert "CANARY" not in str(raised.value) + caplog.text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"promise": Promise(Control.MISSES, 0.0)}, "--risk"),
        ({"promise": Promise(Control.MISSES, 1.0)}, "--risk"),
        ({"promise": Promise(Control.MISSES, float("nan"))}, "--risk"),
        ({"promise": Promise(Control.MISSES, 0.1, 1.0)}, "--confidence"),
        ({"promise": MISSES, "holdout": 1.0}, "--holdout"),
        ({"promise": MISSES, "benign_only": True}, "--benign-only"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(asked: dict[str, object], said: str):
    with pytest.raises(TenetError, match=said):
        Asked(**asked)
