"""Lint: what loads and is doubtful all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.policy.lint import Level, lint
from guard.policy.load import load, loads
from guard.policy.model import Kind
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
