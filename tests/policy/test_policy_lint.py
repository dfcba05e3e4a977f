"""Lint: what loads and is doubtful all the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from guard.policy.kinds import Kind, Option, Scores
from guard.policy.lint import Level, lint
from guard.policy.load import load, loads
from guard.policy.remarks import CODES
from guard.policy.speculation import rules_against_speculation


def _kind(use: str, categories: tuple[str, ...], *, spans: bool = True, reach: str = "pattern") -> Kind:
    return Kind(use, use, lambda *_: pytest.fail("lint builds nothing"), lambda _: categories, spans=spans, reach=reach)


KINDS = {
    kind.use: kind
    for kind in (
        _kind("pii", ("pii/email", "pii/phone")),
        _kind("harm", ("hate", "hate/threatening", "violence"), spans=False, reach="window"),
        _kind("judge", ("ungrounded",), spans=False, reach="whole"),
        _kind("takeover", ("injection",)),
        _kind("image", ("image/nudity",), spans=False, reach="media"),
    )
}
DETECTORS = "version: 1\ndetectors: {people: pii, harm: harm, judge: judge, takeover: takeover}\n"


def _codes(rules: str, more: str = "") -> set[tuple[str, str, str]]:
    """Return level, code and subject of the remarks, detectors that no rule reads and images left out."""
    policy = loads(f"{DETECTORS}rules: [{rules}]\n{more}", KINDS)
    remarks = [remark for remark in lint(policy, KINDS) if remark.code not in ("L007", "L023")]
    return {(remark.level.value, remark.code, remark.subject) for remark in remarks}


GOOD = "{id: good, on: input, detect: harm, category: hate, action: block}"


def test_a_sound_policy_gets_no_remark() -> None:
    assert _codes(GOOD) == set()


@pytest.mark.parametrize(
    ("rules", "more", "remark"),
    [
        ("{id: r, detect: people, category: pii/iban, action: block}", "", ("error", "L001", "r")),
        ("{id: r, detect: people, category: [pii/email, secret/*], action: flag}", "", ("warning", "L001", "r")),
        ("{id: r, detect: harm, category: hate, action: redact}", "", ("error", "L002", "r")),
        ("{id: r, on: output, detect: takeover, category: injection, action: block}", "", ("error", "L003", "r")),
        ("{id: r, on: input, detect: harm, category: hate, action: block, threshold: 0}", "", ("error", "L004", "r")),
        ("{id: r, on: input, detect: harm, category: hate, action: flag, threshold: 0}", "", ("warning", "L004", "r")),
        (GOOD + ", {id: r, on: input, detect: harm, category: hate, action: flag, threshold: 0.6}", "", ("warning", "L005", "r")),
        (GOOD.replace("hate", "hate/*") + ", {id: r, on: input, detect: harm, category: hate/threatening, action: block}", "",
         ("warning", "L005", "r")),
        (GOOD + ", {id: r, on: input, detect: harm, category: hate, action: block}", "", ("warning", "L005", "r")),
        (GOOD, "principles: [{id: kind, text: x}]", ("info", "L006", "kind")),
        (GOOD, "defaults: {release: optimistic}", ("warning", "L008", "")),
        ("{id: r, on: input, detect: harm, category: hate, action: block, on_error: flag}", "", ("warning", "L009", "r")),
        ("{id: r, on: input, detect: harm, category: hate, action: block, when: 'request.headers[\"x-a\"] != \"staff\"'}", "",
         ("warning", "L010", "r")),
        (GOOD + ", {id: r, detect: harm, category: violence, action: allow, overrides: good}", "", ("info", "L020", "r")),
        ("{id: r, on: output, detect: judge, category: ungrounded, action: block}", "", ("info", "L021", "judge")),
        ("{id: r, on: output, detect: harm, category: hate, action: block}", "", ("info", "L022", "harm")),
        ("{id: r, detect: people, category: pii/email, action: redact}", "", ("info", "L030", "")),
        ("{id: r, detect: people, category: pii/email, action: redact}", "routes: {speculate: [POST /x]}", ("error", "L030", "")),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_remarked_upon(rules: str, more: str, remark: tuple[str, str, str]) -> None:
    assert remark in _codes(rules, more)


@pytest.mark.parametrize(
    "rules",
    [
        GOOD + ", {id: r, on: input, detect: harm, category: hate, action: flag, threshold: 0.4}",
        GOOD + ", {id: r, on: output, detect: harm, category: hate, action: flag}",
        GOOD + ", {id: r, on: input, detect: harm, category: hate/*, action: flag}",
        GOOD + ", {id: r, on: input, detect: harm, category: hate, action: flag, roles: system}",
        GOOD + ", {id: r, on: input, detect: harm, category: hate, action: block, message: Another.}",
        GOOD.replace("action", "when: 'model == \"x\"', action")
        + ", {id: r, on: input, detect: harm, category: hate, action: flag}",
    ],
)
def test_a_rule_that_does_more_than_a_stricter_one_is_not_shadowed(rules: str) -> None:
    assert not any(code == "L005" for _, code, _ in _codes(rules))


def test_a_condition_that_holds_only_with_a_header_tightens() -> None:
    when = 'when: \'request.headers["x-audience"] == "teen"\', action'
    assert _codes(GOOD.replace("action", when)) == set()


def test_of_two_equal_rules_only_the_later_is_remarked_upon() -> None:
    assert {subject for _, code, subject in _codes(GOOD + ", " + GOOD.replace("good", "twin")) if code == "L005"} == {"twin"}


def test_a_detector_that_no_rule_reads_is_remarked_upon() -> None:
    policy = loads(f"{DETECTORS}rules: [{GOOD}]", KINDS)
    assert {remark.subject for remark in lint(policy, KINDS) if remark.code == "L007"} == {"people", "judge", "takeover"}


def test_a_policy_without_tests_beside_it_is_remarked_upon(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("version: 1")
    assert [remark.code for remark in lint(load(path, KINDS), KINDS)] == ["L040", "L023"]
    (tmp_path / "p_test.yaml").write_text("tests: []")
    assert [remark.code for remark in lint(load(path, KINDS), KINDS)] == ["L023"]


@pytest.mark.parametrize(
    ("media", "judged", "remarks"),
    [
        ("", False, [("info", "L023")]),
        ("pass", False, [("info", "L023")]),
        ("judge", False, [("warning", "L024")]),
        ("reject", False, []),
        ("", True, []),
        ("judge", True, []),
        ("pass", True, [("warning", "L023")]),
    ],
)
def test_images_that_pass_unjudged_are_remarked_upon(media: str, judged: bool, remarks: list[tuple[str, str]]) -> None:
    rule = "{id: r, on: input, detect: pictures, category: image/nudity, action: block}" if judged else GOOD
    routes = f"routes: {{media: {media}}}" if media else ""
    detectors = DETECTORS.replace("people: pii", "people: pii, pictures: image")
    policy = loads(f"{detectors}rules: [{rule}]\n{routes}", KINDS)
    found = [(remark.level.value, remark.code) for remark in lint(policy, KINDS) if remark.code != "L007"]
    assert found == remarks


def test_errors_come_before_warnings_and_say_the_way_out() -> None:
    rules = "{id: r, detect: people, category: [pii/iban, pii/email], action: redact, on_error: flag}"
    remarks = lint(loads(f"version: 1\ndetectors: {{people: pii}}\nrules: [{rules}]", KINDS), KINDS)
    assert [remark.level for remark in remarks] == [Level.ERROR, Level.WARNING, Level.INFO, Level.INFO]
    assert (
        str(remarks[0]) == "error L001: r: no detector that it reads can report `pii/iban` (they report pii/email or pii/phone)"
    )


@pytest.mark.parametrize(
    ("rule", "forbids"),
    [
        ("detect: people, category: pii/email, action: redact", True),
        ("detect: people, category: pii/email, action: block", True),
        ("detect: takeover, category: injection, action: block", True),
        ("detect: takeover, category: injection, action: flag", False),
        ("detect: harm, category: hate, action: block", False),
        ("on: output, detect: people, category: pii/email, action: redact", False),
    ],
)
def test_only_input_rules_that_protect_more_than_the_client_forbid_speculation(rule: str, forbids: bool) -> None:
    policy = loads(f"{DETECTORS}rules: [{{id: r, {rule}}}]", KINDS)
    assert bool(rules_against_speculation(policy)) is forbids


SCORED = {
    **KINDS,
    "model": replace(KINDS["harm"], use="model", scores=lambda _options: Scores(0.05, graded=True)),
    "list": replace(KINDS["pii"], use="list", scores=lambda _options: Scores(0.4, 0.8)),
}


def _threshold(detect: str, threshold: float) -> list[tuple[str, str]]:
    category = {"list": "pii/email"}.get(detect, "hate")
    rule = f"{{id: r, on: input, detect: {detect}, category: {category}, action: block, threshold: {threshold}}}"
    policy = loads(f"version: 1\ndetectors: {{{detect}: {detect}}}\nrules: [{rule}]", SCORED)
    return [(remark.level.value, remark.code) for remark in lint(policy, SCORED) if remark.code in ("L004", "L013")]


@pytest.mark.parametrize(
    ("detect", "threshold", "remarks"),
    [
        ("model", 0.05, [("warning", "L004")]),
        ("model", 0.06, []),
        ("model", 1, [("warning", "L013")]),
        ("model", 0.99, []),
        ("list", 0.81, [("error", "L013")]),
        ("list", 0.8, []),
        ("list", 0.1, []),
        ("harm", 1, []),
    ],
)
def test_a_threshold_that_every_score_reaches_or_none_is_remarked_upon(
    detect: str, threshold: float, remarks: list[tuple[str, str]]
) -> None:
    assert _threshold(detect, threshold) == remarks


EXCEPTION = ", {id: x, on: input, detect: harm, category: hate/*, action: allow, overrides: good}"


@pytest.mark.parametrize(
    ("rules", "code", "subject"),
    [
        (GOOD + EXCEPTION, "L011", "good"),
        (GOOD.replace("action", "when: 'false', action"), "L012", "good"),
        (GOOD.replace("action", "when: stage == 'output', action"), "L012", "good"),
        (GOOD.replace("action", "when: stage == 'input', action"), "L012", "good"),
        ("{id: a, detect: people, category: pii/*, action: redact}, {id: b, detect: people, category: pii/email, action: redact}",
         "L005", "b"),
        ("{id: a, detect: people, category: pii/*, action: redact}, {id: b, detect: people, category: pii/email, action: flag}",
         "L005", "b"),
        (GOOD + EXCEPTION + EXCEPTION.replace("id: x", "id: y").replace("hate/*", "hate"), "L005", "y"),
        (GOOD + ", {id: r, on: input, detect: harm, category: hate, action: flag, turns: last}", "L005", "r"),
    ],
)  # fmt: skip
def test_a_rule_that_never_matters_is_remarked_upon(rules: str, code: str, subject: str) -> None:
    assert subject in {remark for _, each, remark in _codes(rules) if each == code}


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        (GOOD + EXCEPTION.replace("hate/*", "violence"), "L011"),
        (GOOD + EXCEPTION.replace("action", "threshold: 0.6, action"), "L011"),
        (GOOD + EXCEPTION.replace("action", "roles: user, action"), "L011"),
        (GOOD.replace("on: input, ", "").replace("action", "when: stage == 'input', action"), "L012"),
        (GOOD.replace("action", "when: model == '', action"), "L012"),
        ("{id: a, detect: people, category: pii/*, action: redact, redact: hash},"
         "{id: b, detect: people, category: pii/email, action: redact}", "L005"),
        ("{id: a, detect: people, category: pii/*, action: block}, {id: b, detect: people, category: pii/email, action: redact}",
         "L005"),
        (GOOD + EXCEPTION + EXCEPTION.replace("id: x", "id: y").replace("hate/*", "violence"), "L005"),
        (GOOD.replace("action", "turns: last, action")
         + ", {id: r, on: input, detect: harm, category: hate, action: flag}", "L005"),
    ],
)  # fmt: skip
def test_its_near_misses_are_not(rules: str, code: str) -> None:
    assert code not in {each for _, each, _ in _codes(rules)}


def test_a_principle_that_a_detector_judges_by_is_served() -> None:
    judging = replace(KINDS["judge"], options={"principles": Option("strings", "ids", principles=True)})
    text = "version: 1\nprinciples: [{id: p, text: Be kind.}]\ndetectors: {judge: {use: judge, principles: [p]}}\nrules: []"
    assert "L006" not in {remark.code for remark in lint(loads(text, {**KINDS, "judge": judging}), {**KINDS, "judge": judging})}


def test_every_remark_has_a_level_that_its_code_allows() -> None:
    remarks = lint(loads(f"{DETECTORS}rules: [{GOOD}{EXCEPTION}]\nprinciples: [{{id: kind, text: x}}]", KINDS), KINDS)
    assert {remark.code for remark in remarks} >= {"L006", "L007", "L011", "L023"}
    assert all(remark.level in CODES[remark.code].levels for remark in remarks)
