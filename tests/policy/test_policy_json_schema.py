"""The JSON Schemas say what the loader says, as far as JSON Schema can."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from broken_policies import BROKEN, KINDS
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.authoring.cases import TESTS
from guard.categories import KNOWN
from guard.detectors.registry import kinds
from guard.errors import PolicyError, Problem
from guard.policy.json_schema import policy_schema, schema_of_tests
from guard.policy.load import loads, shipped
from guard.policy.node import Node
from guard.policy.reference import SECTIONS, reference
from guard.policy.schema import ACTIONS, POLICY
from guard.policy.yaml_source import read, read_file

ROOT = Path(__file__).parents[2]
POLICIES = jsonschema.Draft202012Validator(policy_schema(kinds()))
OWN = jsonschema.Draft202012Validator(policy_schema(KINDS))
FILES = jsonschema.Draft202012Validator(schema_of_tests(TESTS))

BY_MEANING = {
    *("an unknown pack", "an unknown base", "a missing base", "an unknown detector", "an undeclared kind", "an unknown category"),
    *("an unknown group", "an unknown principle", "an unknown overridden rule", "an exception to itself"),
    *("an unknown inherited rule", "the same id twice", "a bad pattern", "a missing file", "overriding nothing"),
    *("a mapped route twice", "a principle twice", "an unknown variable", "a condition of another type"),
    *("a comparison of unequal types", "a header in capitals", "the headers as a map", "an exception by header"),
}
"""What is wrong by what something refers to or means, and not by its shape."""


def complaints(validator: Any, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def shown() -> Iterator[Any]:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for index, text in enumerate(re.findall(r"^```yaml\n(version:.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)):
            if "\nsteps:" not in text:  # a recipe, which has a schema of its own
                yield pytest.param(text, id=f"{page.name}-{index}")


@pytest.mark.parametrize("validator", [POLICIES, OWN, FILES], ids=["policies", "own kinds", "tests"])
def test_the_schemas_are_schemas_of_their_dialect(validator: Any) -> None:
    validator.check_schema(validator.schema)
    patterns = re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(validator.schema))
    assert patterns
    assert not [pattern for pattern in patterns if re.search(r"\(\?[^:]|\\\\[AZ]", pattern)], "editors read ECMAScript's"


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_policy_and_its_tests_fit(name: str) -> None:
    path = shipped()[name]
    assert complaints(POLICIES, read_file(path, name).plain) == []
    assert complaints(FILES, read_file(path.with_name(f"{name}_test.yaml"), name).plain) == []


@pytest.mark.parametrize("text", list(shown()))
def test_every_policy_of_the_documents_fits(text: str) -> None:
    assert complaints(POLICIES, read(text, "shown").plain) == []


@pytest.mark.parametrize("row", BROKEN, ids=[row[0] for row in BROKEN])
def test_what_is_wrong_by_its_shape_does_not_fit(row: tuple[Any, ...]) -> None:
    assert bool(complaints(OWN, read(row[1], "broken").plain)) is (row[0] not in BY_MEANING)


@pytest.mark.parametrize(
    "text",
    [
        "tests: [{name: x, input: y, expect: {action: blok}}]",
        "tests: [{name: x, input: y}]",
        "tests: [{name: x, inputs: y, expect: {}}]",
        "test: []",
    ],
)
def test_tests_that_are_wrong_by_their_shape_do_not_fit(text: str) -> None:
    assert complaints(FILES, read(text, "broken").plain)


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ("{disable: r, reason: x}", True),
        ("{disable: r}", False),
        ("{disable: r, reason: x, action: flag}", False),
        ("{override: r, threshold: 1}", True),
        ("{override: r, action: block, redact: mask}", False),
        ("{id: r, detect: people, category: pii, action: redact, redact: {label: X}}", True),
        ("{id: r, detect: people, category: pii, action: redact, redact: {with: mask, label: X}}", False),
        ("{id: r, detect: people, category: pii, action: redact, redact: presidio}", True),
        ("{id: r, detect: people, category: pii, action: redact, redact: {with: presidio}}", False),
        ("{id: r, detect: people, category: pii, action: redact, redact: {with: presidio, operator: encrypt}}", False),
        ("{id: r, detect: people, category: pii, action: redact, redact: {with: presidio, operator: mask, key_env: K}}", False),
        (
            "{id: r, detect: people, category: pii, action: redact,"
            " redact: {with: presidio, operator: mask, params: {new_value: x}}}",
            False,
        ),
        (
            "{id: r, detect: people, category: pii, action: redact,"
            " redact: {with: presidio, operator: hash, key_env: K, params: {hash_type: sha512}}}",
            True,
        ),
    ],
)
def test_keys_that_go_together_are_known(rule: str, fits: bool) -> None:
    assert (complaints(OWN, read(f"version: 1\nrules: [{rule}]", "x").plain) == []) is fits


@pytest.mark.parametrize(
    ("detector", "fits"),
    [
        ("pii", True),
        ("strictly", False),
        ("{use: strictly, model: m}", True),
        ("{use: strictly, override: true}", True),
        ("{override: true, entities: [pii/email]}", True),
        ("{override: false}", False),
        ("{use: pii, runtime: {timeout: 2}}", True),
        ("{use: pii, score: 1}", False),
    ],
)
def test_a_detector_has_the_options_of_its_kind(detector: str, fits: bool) -> None:
    assert (complaints(OWN, read(f"version: 1\ndetectors: {{d: {detector}}}", "x").plain) == []) is fits


def test_editors_are_told_what_kinds_actions_and_keys_mean_and_which_categories_there_are() -> None:
    schema = POLICIES.schema
    rule = schema["$defs"]["rule"]["properties"]
    assert rule["action"]["anyOf"][0]["enumDescriptions"] == list(ACTIONS.values())
    assert set(schema["$defs"]["category"]["anyOf"][0]["enum"]) >= {*KNOWN, "secret/*"}
    bare, whole = schema["$defs"]["detector"]["anyOf"]
    assert dict(zip(whole["properties"]["use"]["enum"], whole["properties"]["use"]["enumDescriptions"], strict=True)) == {
        use: kind.summary for use, kind in kinds().items()
    }
    assert "pii" in bare["enum"]
    assert all(field["description"] for field in rule.values())


def test_the_defaults_are_those_in_force() -> None:
    rule = {"id": "r", "detect": "people", "category": "pii/email", "action": "redact"}
    document: Any = {"version": 1, "detectors": {"people": {"use": "pii"}}, "rules": [rule]}
    said = copy.deepcopy(document)
    properties = POLICIES.schema["properties"]
    for section in ("defaults", "routes", "limits"):
        said[section] = usual(properties[section])
    said["store"] = usual(properties["store"]["anyOf"][1])
    said["detectors"]["people"]["runtime"] = usual(POLICIES.schema["$defs"]["runtime"])
    said["rules"] = [{**usual(POLICIES.schema["$defs"]["rule"]), **rule, "redact": {"with": "label"}}]
    assert "threshold" in said["rules"][0]
    assert said["defaults"].pop("message") == loads(json.dumps(document), kinds()).message
    assert complaints(POLICIES, said) == []
    assert loads(json.dumps(said), kinds()).digest == loads(json.dumps(document), kinds()).digest


def usual(record: dict[str, Any]) -> dict[str, Any]:
    return {key: field["default"] for key, field in record["properties"].items() if "default" in field}


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2_000_000),
    st.floats(0.01, 3, allow_nan=False).filter(lambda number: number != int(number)),
    st.sampled_from(["", " ", "pii", "block", "input", "user", "mask", "allow", "POST /x", "/x", "all", "pii/email", "default"]),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.lists(st.sampled_from(["input", "pii", "user", 3]), max_size=2),
    st.dictionaries(st.sampled_from(["use", "id", "with", "path", "text"]), st.just("pii"), max_size=2),
)
WHOLE = {
    "version": 1,
    "name": "x",
    "extends": ["default"],
    "principles": [{"id": "p", "text": "Be kind.", "critique": "c"}],
    "detectors": {"d": {"use": "pii", "entities": ["pii/email"], "runtime": {"timeout": 2, "queue": 3}}},
    "rules": [
        {
            "id": "r",
            "on": "input",
            "detect": "d",
            "category": "pii/email",
            "action": "redact",
            "redact": {"with": "mask", "keep": 2},
        },
        {"id": "a", "detect": ["d"], "category": ["pii/email"], "action": "allow", "overrides": "r", "roles": ["user"]},
        {"override": "takeover", "threshold": 0.4},
        {"disable": "gore", "reason": "x"},
    ],
    "defaults": {"message": "No.", "refusal": "field", "timeout": 3},
    "routes": {"allow": ["GET /x"], "mapped": [{"path": "/g", "input": "x", "output": ["y"]}], "media": "reject"},
    "limits": {"depth": 5},
    "store": "none",
    "categories": ["acme"],
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in below:
        yield (*path, key)
        yield from places(child, (*path, key))


def test_the_whole_policy_is_right() -> None:
    assert loads(json.dumps(WHOLE), kinds())
    assert complaints(POLICIES, WHOLE) == []


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(places(WHOLE))), VALUES, st.booleans())
def test_a_change_that_loads_fits_and_one_of_the_wrong_shape_does_not(place: tuple[Any, ...], value: Any, drop: bool) -> None:
    changed = copy.deepcopy(WHOLE)
    target: Any = changed
    for key in place[:-1]:
        target = target[key]
    if drop:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    text = json.dumps(changed)
    fits = complaints(POLICIES, changed) == []
    if not fits:
        with pytest.raises(PolicyError):
            loads(text, kinds())
    else:
        assert shape_problems(read(text, "x")) == []


def shape_problems(document: Node) -> list[Problem]:
    problems: list[Problem] = []
    POLICY.check(document, problems)
    return problems


def test_the_reference_in_the_documents_is_the_one_that_is_printed() -> None:
    assert (ROOT / "docs/policy.md").read_text().endswith(f"## Every key\n\n{reference()}")
    assert all(section.record.fields for section in SECTIONS)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from guard.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "policy", *arguments], capture_output=True, text=True, timeout=30, check=False
    )


def test_the_command_prints_the_schemas_and_the_reference() -> None:
    assert json.loads(command("schema").stdout) == POLICIES.schema
    assert json.loads(command("schema", "--tests").stdout) == FILES.schema
    assert command("schema", "--markdown").stdout == reference()


def test_two_things_at_once_are_wrong_usage() -> None:
    result = command("schema", "--tests", "--markdown")
    assert (result.returncode, result.stdout) == (2, "")
    assert "expected one of --tests and --markdown" in result.stderr
