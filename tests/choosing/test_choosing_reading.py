"""Files of choices: which policy a request gets, every mistake at once, and headers that only tighten."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.choosing.reading import Read, read_choices
from guard.detectors.registry import kinds
from guard.errors import BadMessage, PolicyError
from guard.values import Caller

WORD = """version: 1
name: {name}
{more}
detectors: {{{name}: {{use: patterns, words: [{word}], category: custom/word}}}}
rules: [{{id: {name}, detect: {name}, category: custom/word, action: block}}]
"""


def folder(path: Path, choices: str) -> Path:
    (path / "acme.yaml").write_text(WORD.format(name="acme", word="alpha", more=""))
    (path / "teen.yaml").write_text(WORD.format(name="teen", word="beta", more="extends: ./acme.yaml"))
    (path / "other.yaml").write_text(WORD.format(name="other", word="gamma", more=""))
    (path / "again.yaml").write_text("version: 1\nchoices: [{when: {tenant: x}, policy: p.yaml}]\ndefault: default\n")
    (path / "loop.yaml").write_text("version: 1\nname: loop\nextends: ./p.yaml\n")
    (path / "p.yaml").write_text(choices)
    return path / "p.yaml"


def read(path: Path, choices: str) -> Read:
    return read_choices(folder(path, choices), kinds())


def problems(path: Path, choices: str) -> list[tuple[int, str, str]]:
    with pytest.raises(PolicyError) as caught:
        read(path, choices)
    assert all(problem.where.startswith(str(path)) and problem.got for problem in caught.value.problems)
    return [(problem.line, problem.path, str(problem)) for problem in caught.value.problems]


def test_every_mistake_is_told_at_once_with_its_place_and_the_way_out(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        """version: 1
require: sgined
trusted_headers: [cookie]
choices:
  - {when: {rout: /x}, policy: strcit}
  - {when: {}, policy: missing.yaml}
  - {when: {key: tg_secretsecret}, policy: p.yaml}
  - {when: {route: /x*/y}, policy: again.yaml}
  - {when: {route: /a/../b}, policy: loop.yaml}
  - {when: {tenant: a}, policy: other.yaml}
  - {when: {tenant: a, method: POST}, policy: other.yaml}
default: default
default: strict
""",
    )
    assert [(line, where) for line, where, _ in told] == [(13, "default")]
    text = (tmp_path / "p.yaml").read_text().replace("default: strict\n", "")
    told = problems(tmp_path, text)
    assert [(line, where) for line, where, _ in told] == [
        (2, "require"),
        (3, "trusted_headers[0]"),
        (5, "choices[0].when.rout"),
        (5, "choices[0].policy"),
        (6, "choices[1].when"),
        (6, "choices[1].policy"),
        (7, "choices[2].when.key"),
        (7, "choices[2].policy"),
        (8, "choices[3].when.route"),
        (8, "choices[3].policy"),
        (9, "choices[4].when.route"),
        (9, "choices[4].policy"),
        (11, "choices[6].when"),
    ]
    said = "\n".join(text for _, _, text in told)
    for words in (
        "did you mean `signed`?",
        "did you mean `route`?",
        "did you mean `strict`?",
        "a second default",
        "p.yaml → p.yaml",
        "p.yaml → again.yaml → p.yaml",
        "neither extends nor includes p.yaml",
        "nothing left",
        "revoke this one",
    ):
        assert words in said
    assert "secretsecret" not in said


def test_a_header_may_choose_only_what_is_as_strict(tmp_path: Path) -> None:
    text = """version: 1
choices:
  - {{when: {{headers: {{X-Audience: teen}}, tenant: acme}}, policy: {policy}}}
  - {{when: {{tenant: acme}}, policy: acme.yaml}}
default: default
"""
    assert read(tmp_path, text.format(policy="teen.yaml"))
    ((line, where, told),) = problems(tmp_path, text.format(policy="other.yaml"))
    assert (line, where) == (3, "choices[0].policy")
    assert 'as strict as "acme.yaml"' in told and "the rule `acme` is not there" in told
    assert read(tmp_path, text.format(policy="other.yaml") + "trusted_headers: x-audience\n")


def test_a_header_must_be_as_strict_as_each_policy_that_it_may_replace(tmp_path: Path) -> None:
    text = """version: 1
choices:
  - {when: {headers: {x-audience: teen}}, policy: teen.yaml}
  - {when: {tenant: acme}, policy: acme.yaml}
  - {when: {tenant: globex}, policy: other.yaml}
default: acme.yaml
"""
    ((line, _, told),) = problems(tmp_path, text)
    assert line == 3 and 'as strict as "other.yaml"' in told


def chosen(found: Read, path: str = "/v1/x", tenant: str = "", **headers: str) -> str:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    asked = found.choices.asked("POST", path, Caller(tenant), given)
    return found.choices.choose(asked).written


def test_the_first_choice_that_holds_tells_the_policy(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """version: 1
trusted_headers: [X-Tier]
choices:
  - {when: {route: [/Kids/**], tenant: [acme, ""]}, policy: teen.yaml}
  - {when: {headers: {x-tier: [gold, silver]}}, policy: other.yaml}
  - {when: {tenant: acme}, policy: acme.yaml}
default: default
""",
    )
    assert chosen(found, "/kids/v1/x", "acme") == chosen(found, "/KIDS") == "teen.yaml"
    assert chosen(found, "/kids/x", "globex") == chosen(found) == "default"
    assert chosen(found, tenant="acme", x_tier="Gold") == "other.yaml"
    assert chosen(found, tenant="acme", x_tier="bronze") == chosen(found, tenant="acme") == "acme.yaml"


@pytest.mark.parametrize("path", ["/x/../kids/y", "//kids", "/kids%2fx", "/x;y", "/kids/./x", "/x\\kids"])
def test_a_path_that_may_be_read_in_several_ways_is_refused_where_routes_choose(tmp_path: Path, path: str) -> None:
    by_route = "version: 1\nchoices: [{when: {route: /kids/**}, policy: acme.yaml}]\ndefault: default\n"
    with pytest.raises(BadMessage, match="spelled plainly"):
        chosen(read(tmp_path, by_route), path)
    by_tenant = "version: 1\nchoices: [{when: {tenant: a}, policy: acme.yaml}]\ndefault: default\n"
    assert chosen(read(tmp_path, by_tenant), path) == "default"


@pytest.mark.parametrize("value", ["gold, free", "free,gold"])
def test_a_trusted_header_with_several_values_is_refused(tmp_path: Path, value: str) -> None:
    choice = "{when: {headers: {x-tier: gold}}, policy: acme.yaml}"
    text = f"version: 1\ntrusted_headers: [x-tier]\nchoices: [{choice}]\ndefault: default\n"
    found = read(tmp_path, text)
    with pytest.raises(BadMessage, match="several"):
        chosen(found, x_tier=value)
    with pytest.raises(BadMessage, match="several"):
        found.choices.asked("POST", "/x", Caller(), [(b"X-Tier", b"free"), (b"x-tier", b"gold")])
