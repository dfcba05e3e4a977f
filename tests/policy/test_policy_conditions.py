"""Conditions in CEL: typed when loaded, absent headers blank, errors applying the rule."""

from __future__ import annotations

import subprocess
import sys

import pytest

from guard.policy.conditions import MAX_LENGTH, BadCondition, compile_condition
from guard.policy.counting import Past
from guard.values import Action, Caller, Exchange, Finding, Span, Stage

EXCHANGE = Exchange(
    "1",
    method="POST",
    route="/v1/chat/completions",
    headers={"x-audience": "teen", "x-other": "1"},
    model="small",
    caller=Caller("acme", "k1", "s1", ("staff", "admin")),
)


@pytest.mark.parametrize(
    "source",
    [
        'request.headers["x-audience"] == "teen"',
        "request.headers['x-audience'] == 'teen'",
        'request . headers [ "x-audience" ] == "teen"',
        'request.headers["x-absent"] == ""',
        'request.method == "POST" && request.route.startsWith("/v1/")',
        'model == "small" && stage == "input"',
        'caller.tenant == "acme" && caller.key == "k1" && caller.subject == "s1"',
        '"staff" in caller.roles',
        'caller.roles.exists(role, role == "admin")',
        "// a remark on request.headers\nstage != 'output'",
        '"request.headers" != model && r"\\d" != model',
        'model.matches("^s.*l$")',
    ],
)
def test_a_condition_reads_request_model_stage_and_caller(source: str) -> None:
    assert compile_condition(source).holds(Stage.INPUT, EXCHANGE) is True


def test_a_condition_can_be_false() -> None:
    assert compile_condition('request.headers["x-absent"] == "teen"').holds(Stage.INPUT, EXCHANGE) is False
    assert compile_condition('stage == "input"').holds(Stage.OUTPUT, EXCHANGE) is False
    assert compile_condition('"staff" in caller.roles').holds(Stage.INPUT, Exchange("2")) is False


@pytest.mark.parametrize("source", ["1 / size(caller.roles) == 7", "caller.roles[5] == 'x'", "dyn(model)", "model.matches('(')"])
def test_a_condition_that_fails_while_it_runs_applies_its_rule(source: str) -> None:
    assert compile_condition(source).holds(Stage.INPUT, Exchange("3")) is True


def test_a_condition_that_costs_too_much_while_it_runs_applies_its_rule() -> None:
    many = Exchange("4", caller=Caller(roles=tuple(map(str, range(1_000)))))
    source = "caller.roles.exists(a, caller.roles.exists(b, a == b + 'x'))"
    assert compile_condition(source).holds(Stage.INPUT, EXCHANGE) is False
    assert compile_condition(source).holds(Stage.INPUT, many) is True


@pytest.mark.parametrize(
    ("source", "line", "column", "expected", "hint"),
    [
        ("model ==", 1, 9, "valid CEL", ""),
        ("model == 1", 1, 7, "valid CEL", ""),
        ("true &&\n modle == 'x'", 2, 2, "a known variable or function", "`model`"),
        ("request.heders['a'] == ''", 1, 8, "a known variable or function", "`request.headers`"),
        ("caller.name == ''", 1, 7, "a known variable or function", "`caller."),
        ("model.upper() == ''", 1, 12, "a known variable or function", "known: "),
        ("model", 1, 1, "true or false", ""),
        ("size(model)", 1, 1, "true or false", ""),
        ("(" * 200 + "true" + ")" * 200, 1, 1, "valid CEL", ""),
        ("true || " * 400 + "true", 1, 1, f"at most {MAX_LENGTH:,}", ""),
        ("true &&\n 'x' in request.headers", 2, 9, "a header by its name", 'compare with ""'),
        ("request.headers[model] == ''", 1, 1, "a header by its name", 'compare with ""'),
        ("has(request.headers.x)", 1, 5, "a header by its name", 'compare with ""'),
        ("request.headers['X-A'] == ''", 1, 1, "lower case", '"x-a"'),
        ("[1].all(a, [1].exists(b,\n [1].map(c, c) == [a]))", 2, 5, "at most 2 lists", "several rules"),
        ("turn == 'x'", 1, 6, "valid CEL", ""),
        ("finding.scor > 0.5", 1, 8, "a known variable or function", "`finding.score`"),
    ],
)
def test_what_does_not_compile_is_pointed_at(source: str, line: int, column: int, expected: str, hint: str) -> None:
    with pytest.raises(BadCondition) as caught:
        compile_condition(source)
    fault = caught.value.faults[0]
    assert (fault.line, fault.column) == (line, column)
    assert expected in fault.expected
    assert hint in fault.hint


ASKED = Exchange(
    "5",
    languages=("de",),
    turn=3,
    tools=("search", "pay"),
    parameters={"temperature": 1.5, "stream": True, "effort": "high"},
)
PAST = (Past("3", Action.BLOCK, frozenset({"rude"})), Past("4", Action.FLAG, frozenset({"rude", "odd"})), Past("5", Action.BLOCK))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('"de" in languages && turn == 3 && "pay" in tools', True),
        ("request.parameters.temperature > 1.0 && request.parameters['stream'] == true", True),
        ("has(request.parameters.top_p) && request.parameters.top_p > 0.9", False),
        ("request.parameters.top_p > 0.9", True),
        ("conversation.turns == 2 && conversation.actions == ['block', 'flag']", True),
        ("conversation.rules.exists(rule, rule == 'odd')", True),
        ("conversation.turns > 2", False),
    ],
)
def test_a_condition_reads_parameters_languages_tools_and_what_was_decided_before(source: str, value: bool) -> None:
    assert compile_condition(source).holds(Stage.INPUT, ASKED, PAST) is value


def test_a_condition_on_findings_is_asked_for_each_of_them() -> None:
    condition = compile_condition("finding.category == 'pii/email' && finding.length > 5 && turn == 3 || finding.score > 0.9")
    bound = condition.bound(Stage.INPUT, ASKED)
    assert condition.reads_findings
    assert bound(Finding("d", "pii/email", 0.5, Span(0, 6)))
    assert not bound(Finding("d", "pii/email", 0.5, Span(0, 5)))
    assert bound(Finding("d", "pii/phone", 0.95))


def test_what_clients_set_is_known() -> None:
    assert compile_condition("request.parameters.n == 2 && request.headers['x-a'] == ''").set_by_clients == (
        "x-a",
        "request.parameters",
    )
    assert compile_condition("'request.parameters' == model").set_by_clients == ()


def test_the_headers_that_a_condition_reads_are_known() -> None:
    source = """request.headers["x-a"] == "request.headers['x-c']" || request.headers['x-b'] == 'y' // request.headers["x-d"]"""
    assert compile_condition(source).headers == ("x-a", "x-b")


def test_cel_is_loaded_only_where_a_policy_has_a_condition() -> None:
    code = """
import sys
from guard.policy.load import loads
loads("version: 1", {})
assert not any(name.startswith("cel_expr") for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
