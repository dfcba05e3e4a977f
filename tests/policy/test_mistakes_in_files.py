# ruff: noqa: E501 (a table is read best with one row on one line)
"""Forty kinds of broken policies, as files: each is told with its file, its line and the way out, and nothing hangs or leaks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from guard.detectors.registry import kinds
from guard.errors import PolicyError, Problem
from guard.policy.load import load

KINDS = kinds()
HEAD = """\
version: 1
principles: [{id: kind, text: Be kind.}]
detectors: {people: {use: pii}, keys: {use: secrets}}
rules:
  - {id: first, detect: people, category: pii/email, action: redact, redact: {with: mask, keep: 2}}
  - {id: second, detect: keys, category: secret/*, action: block}
"""
"""Six lines that are right; what is wrong stands on line 7 and later."""

RULE = "  - {id: r, detect: people, category: pii/phone, action: block, %s}"

# fmt: off
BROKEN = [
    # the document
    ("a tab", "version: 1\nrules:\n\t- {id: a}", 3, "", ""),
    ("an unclosed bracket", "version: 1\nrules: [{id: a}\n", 3, "", ""),
    ("two documents", "version: 1\n---\nversion: 1", 2, "one document", ""),
    ("an anchor that refers to nothing", "version: 1\nrules: *all", 2, "an anchor defined before", ""),
    ("a merge key", HEAD + "defaults:\n  <<: {message: x}", 8, "no merge key", "write the keys out"),
    ("a tag", "version: 1\nname: !!python/object:os.system x", 2, "no tag", "leave the tag out"),
    ("a key twice", HEAD + "name: a\nname: b", 8, "each key once", "first on line 7"),
    ("nothing", "", 0, "a mapping of keys to values", ""),
    ("too deep a nesting", "version: 1\nname: " + "[" * 200, 2, "at most 32 levels", ""),
    ("an alias bomb", "version: 1\na: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d]", 5, "at most 20,000 values", ""),
    # files
    ("a base that is missing", HEAD + "extends: ./nowhere.yaml", 7, "a policy file that exists", "looked at"),
    ("a base that is a folder", HEAD + "extends: ./folder/", 7, "a policy file that exists", ""),
    ("a base misspelt", HEAD + "extends: defalt", 7, "the name of a shipped policy", "`default`"),
    ("extending itself", HEAD + "extends: ./p.yaml", 7, "a file that does not extend this one", ""),
    ("extending in a circle", HEAD + "extends: ./circle.yaml", 2, "a file that does not extend this one", ""),
    ("including itself", HEAD + "include: ./p.yaml", 7, "a file that does not include this one", ""),
    ("a pack misspelt", HEAD + "include: [secret]", 7, "the name of a shipped pack", "`secrets`"),
    ("a pack outside the folder", HEAD + "include: ../../etc/hostname.yaml", 7, "a path below the policy's folder", "copy the pack there"),
    ("a parameter misspelt", HEAD + "include: [{pack: secrets, prefix: x-, with: {acton: block}}]", 7, "a parameter of this pack", "`action`"),
    ("a parameter's value misspelt", HEAD + "include: [{pack: secrets, prefix: x-, with: {action: blok}}]", 7, "flag, redact or block", "`block`"),
    ("a pack that clashes", HEAD + "include: clash.yaml", 5, "a name used once", "override: first"),
    ("a pack that sets routes", HEAD + "include: routes.yaml", 2, "no `routes` in what is included", "the policy itself"),
    # rules
    ("a rule that overrides nothing", HEAD + "  - {override: frist, threshold: 0.3}", 7, "the id of an inherited rule", ""),
    ("a rule that is switched off without a reason", "version: 1\nextends: ./base.yaml\nrules: [{disable: own}]", 3, "the key `reason`", "say why"),
    ("a locked rule overridden", "version: 1\nextends: ./base.yaml\nrules: [{override: fixed, action: flag}]", 3, "a rule that is not locked", ""),
    ("an exception to a locked rule", "version: 1\nextends: ./base.yaml\nrules: [{id: x, detect: people, category: pii/email, action: allow, overrides: fixed}]", 3, "a rule that is not locked", ""),
    ("a clause without anything", HEAD + "  - {id: r, action: block, all: [{}]}", 7, "one of the keys", ""),
    ("a not alone", HEAD + "  - {id: r, action: block, all: [{not: {detect: people, category: pii/*}}]}", 7, "something that has to be found", "in `all`"),
    ("a sum that is never reached", HEAD + "  - {id: r, action: block, sum: {of: [{detect: people, category: pii/*}], at_least: 2}}", 7, "a sum that can be reached", "raise the weights"),
    ("two ways to ask", HEAD + RULE % "any: [{detect: keys, category: secret/*}]", 7, "no `detect` beside `any`", "leave one"),
    ("a severity that is none", HEAD + RULE % "severity: hgih", 7, "low, medium, high or severe", "`high`"),
    ("a threshold for what isn't read", HEAD + RULE % "thresholds: {pii/fone: 0.3}", 7, "a category that this rule reads", "`pii/phone`"),
    ("a count of an unknown rule", HEAD + "  - {id: r, action: block, count: {rule: secnd, at_least: 3}}", 7, "the id of another rule", "`second`"),
    ("a count that is never reached", HEAD + "  - {id: r, action: block, count: {rule: second, at_least: 3, within: 2 turns}}", 7, "at least 3 turns", "raise it"),
    ("a schedule in a zone misspelt", HEAD + RULE % "schedule: {days: mon, zone: Europe/Berln}", 7, "a time zone", "`Europe/Berlin`"),
    ("a schedule that ends before it begins", HEAD + RULE % "schedule: {from: 2027-01-01, until: 2026-01-01}", 7, "a moment after `from`", ""),
    ("a message with a user's words", HEAD + RULE % "message: 'You said {prompt}.'", 7, "a field that messages have", ""),
    ("a message with a field misspelt", HEAD + RULE % "message: {en: 'Found {categry}.'}", 7, "a field that messages have", "`category`"),
    ("a helpline that is nowhere", HEAD + RULE % "message: 'Call {helpline}.'", 7, "`helplines` in the policy", "where to find help"),
    ("revising without a principle", HEAD + "  - {id: r, detect: people, category: pii/phone, action: revise}", 7, "the key `principle`", "criticised"),
    ("revising by nobody", HEAD + "  - {id: r, detect: people, category: pii/phone, action: revise, principle: kind, revise: keys}", 7, "`upstream`, or", "known: upstream"),
    # conditions
    ("a condition that does not parse", HEAD + RULE % "when: 'model =='", 7, "valid CEL", ""),
    ("a condition of another type", HEAD + RULE % "when: size(model)", 7, "true or false", ""),
    ("a condition on what isn't known", HEAD + RULE % "when: findng.score > 0.5", 7, "a known variable or function", "`finding.score`"),
    ("a condition that compares unlike things", HEAD + RULE % "when: turn == 'three'", 7, "valid CEL", ""),
    ("a condition that may cost too much", HEAD + RULE % "when: 'tools.exists(a, tools.exists(b, tools.exists(c, a == b + c)))'", 7, "at most 2 lists", "several rules"),
    ("a condition that is too long", HEAD + RULE % f"when: '{'true || ' * 400}true'", 7, "at most 2,000 characters", ""),
    ("a header that loosens", HEAD + """  - {id: r, detect: people, category: pii/*, action: allow, overrides: first, when: 'request.headers["x-a"] == "b"'}""", 7, "reads no header", "never loosen"),
    ("a parameter that loosens", HEAD + "  - {id: r, detect: people, category: pii/*, action: allow, overrides: first, when: request.parameters.n == 1}", 7, "reads no header, parameter", "never loosen"),
    # detectors
    ("detectors in a circle", "version: 1\ndetectors:\n  p: {use: pii}\n  a: {use: cascade, stages: [p, b]}\n  b: {use: cascade, stages: [p, a]}\n", 4, "detectors that do not refer to themselves", ""),
]
# fmt: on

FILES = {
    "base.yaml": """\
version: 1
detectors: {people: {use: pii}}
rules:
  - {id: fixed, detect: people, category: pii/email, action: block, locked: true}
  - {id: own, detect: people, category: pii/phone, action: flag}
""",
    "circle.yaml": "version: 1\nextends: ./p.yaml\n",
    "clash.yaml": "version: 1\nrules:\n  - {id: first, detect: people, category: pii/iban, action: flag}\n",
    "routes.yaml": "version: 1\nroutes: {unknown: pass}\n",
}


def mistakes(folder: Path, text: str) -> list[Problem]:
    for name, content in {**FILES, "p.yaml": text}.items():
        (folder / name).write_text(content)
    (folder / "folder").mkdir()
    began = time.perf_counter()
    with pytest.raises(PolicyError) as caught:
        load(folder / "p.yaml", KINDS)
    assert time.perf_counter() - began < 5
    return list(caught.value.problems)


@pytest.mark.parametrize(("text", "line", "expected", "hint"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_policy_is_told_with_its_line_and_the_way_out(
    tmp_path: Path, text: str, line: int, expected: str, hint: str
) -> None:
    problems = mistakes(tmp_path, text)
    matching = [problem for problem in problems if problem.line == line and expected in problem.expected]
    assert matching, [str(problem) for problem in problems]
    assert any(hint in problem.hint for problem in matching), matching
    for problem in problems:
        assert problem.where.endswith(".yaml")
        assert problem.expected
        assert problem.got
        assert len(str(problem)) < 1_200
    assert len(problems) <= 3, [str(problem) for problem in problems]


def test_there_are_forty_kinds_of_mistakes_at_least() -> None:
    assert len({row[0] for row in BROKEN}) == len(BROKEN) >= 40


def test_a_file_of_five_megabytes_is_refused_at_once(tmp_path: Path) -> None:
    [problem] = mistakes(tmp_path, "version: 1\n" + "# " + "x" * 5_000_000)
    assert problem.expected == "at most 1,000,000 bytes"


def test_mistakes_in_all_files_are_told_together(tmp_path: Path) -> None:
    text = "version: 1\nextends: ./base.yaml\ninclude: [routes.yaml, secrts]\nrules:\n  - {override: ow, action: flag}\n  - {override: own, message: '{x}'}\n"
    problems = mistakes(tmp_path, text)
    assert [(Path(problem.where).name, problem.line) for problem in problems] == [
        ("p.yaml", 3),
        ("p.yaml", 5),
        ("p.yaml", 6),
        ("routes.yaml", 2),
    ]
