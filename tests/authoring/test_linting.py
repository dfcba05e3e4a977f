"""`guard policy lint`: remarks with their places, exceptions with reasons, and four ways to report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from guard.authoring.lint_report import WRITERS
from guard.authoring.linting import Chosen, Placed, lint_bytes, lint_file
from guard.detectors.registry import kinds
from guard.errors import TenetError
from guard.policy.load import shipped
from guard.policy.remarks import CODES, Level

ROOT = Path(__file__).parents[2]
HEAD = """\
version: 1
detectors:
  harm: embedded
  people: {use: pii}
  spare: {use: secrets}
rules:
  # What is grave.
  - id: hate
    on: input
    detect: harm
    category: hate
    action: block
    threshold: 0.7
"""


def found(text: str, *, select: tuple[str, ...] = (), ignore: tuple[str, ...] = ()) -> list[Placed]:
    return lint_bytes(text.encode(), "p.yaml", kinds(), Chosen(select, ignore))


def told(text: str, **chosen: tuple[str, ...]) -> list[tuple[str, int, str]]:
    """Code, line and reason of exception; those that only inform are left out."""
    return [
        (placed.remark.code, placed.line, placed.excepted)
        for placed in found(text, **chosen)
        if placed.remark.level is not Level.INFO
    ]


def test_a_remark_stands_at_the_first_line_of_what_it_is_about():
    twin = HEAD + "  - id: twin\n    on: input\n    detect: harm\n    category: hate\n    action: flag\n    threshold: 0.8\n"
    assert told(twin) == [("L007", 4, ""), ("L007", 5, ""), ("L005", 14, "")]
    assert [placed.column for placed in found(twin, select=("L005",))] == [5]
    media = HEAD + "routes:\n  allow: []\n  media: judge\n"
    assert told(media, select=("L024",)) == [("L024", 16, "")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  spare: {use: secrets}", "  spare: {use: secrets}  # noqa: L007 for the next release"),
        ("  spare: {use: secrets}", "  # noqa: L007, L001 for the next release\n  # more\n  spare: {use: secrets}"),
        ("  spare: {use: secrets}", "  spare:\n    use: secrets  # NOQA L007 - for the next release"),
    ],
)
def test_an_exception_takes_out_a_remark_on_its_entry_and_on_no_other(before: str, after: str):
    remarks = told(HEAD.replace(before, after), select=("L007",))
    assert [(code, reason) for code, _, reason in remarks] == [("L007", ""), ("L007", "for the next release")]


@pytest.mark.parametrize(
    ("comment", "code"),
    [
        ("# noqa", "L090"),
        ("# noqa: because", "L090"),
        ("# noqa: L007, L999 because", "L090"),
        ("# noqa: L007", "L091"),
        ("# noqa: L007 -", "L091"),
        ("# noqa: L005 because", "L092"),
    ],
)
def test_an_exception_that_does_not_hold_or_is_not_needed_is_told(comment: str, code: str):
    remarks = told(HEAD.replace("  spare: {use: secrets}", f"  spare: {{use: secrets}}  {comment}"))
    assert (code, 5, "") in remarks
    assert ("L007", 5, "") in remarks


def test_a_comment_inside_a_text_is_no_exception_and_an_unselected_one_is_not_unneeded():
    assert not [code for code, _, _ in told(HEAD + 'description: "x # noqa: L005 y"\n') if code in ("L090", "L092")]
    excepted = HEAD.replace("  - id: hate", "  - id: hate  # noqa: L005 because")
    assert [code for code, _, _ in told(excepted, ignore=("L005",))] == ["L007", "L007"]
    assert [code for code, _, _ in told(excepted, select=("L00",))] == ["L007", "L007"]
    assert "L092" in [code for code, _, _ in told(excepted)]


def test_an_exception_in_a_base_holds_for_its_children(tmp_path: Path):
    (tmp_path / "base.yaml").write_text(
        HEAD.replace("people:", "# noqa: L007 later\n  people:").replace("  spare: {use: secrets}\n", "")
    )
    child = tmp_path / "child.yaml"
    child.write_text(
        "version: 1  # noqa: L040 tested with its base\nextends: ./base.yaml\nrules:\n  - {override: hate, on_error: flag}\n"
    )
    remarks = lint_file(str(child), child, kinds(), Chosen(ignore=("L02", "L03")))
    assert [(placed.where, placed.line, placed.remark.code, placed.excepted) for placed in remarks] == [
        (str(child), 1, "L040", "tested with its base"),
        (str(child), 4, "L009", ""),
        (str(tmp_path / "base.yaml"), 5, "L007", "later"),
    ]


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_policies_are_clean_and_every_remark_has_a_place(name: str):
    remarks = lint_file(name, shipped()[name], kinds(), Chosen())
    assert [placed for placed in remarks if placed.remark.level is not Level.INFO] == []
    assert all(placed.line and placed.column and not placed.excepted for placed in remarks)


def test_all_mistakes_are_told_whatever_is_selected():
    remarks = found("version: 1\nrules: [{id: a}, {id: b}]\nx: 1\n", select=("L005",))
    assert {placed.remark.code for placed in remarks} == {"L000"}
    assert len(remarks) == 7


@pytest.mark.parametrize("codes", [("L99",), ("X",), ("",)])
def test_unknown_codes_are_refused(codes: tuple[str, ...]):
    with pytest.raises(TenetError, match="expected a code of lint"):
        Chosen(codes)


EXCEPTED = HEAD.replace("  spare: {use: secrets}", "  spare: {use: secrets}  # noqa: L007 later")


def test_json_tells_everything():
    rows = json.loads(WRITERS["json"](found(EXCEPTED, select=("L007",))))
    assert [(row["file"], row["line"], row["column"], row["level"], row["code"], row["subject"]) for row in rows] == [
        ("p.yaml", 4, 3, "warning", "L007", "people"),
        ("p.yaml", 5, 3, "warning", "L007", "spare"),
    ]
    assert [row["excepted"] for row in rows] == ["", "later"]


def test_sarif_has_rules_places_and_suppressions():
    [run] = json.loads(WRITERS["sarif"](found(EXCEPTED, select=("L007",))))["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(CODES)
    first, second = run["results"]
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"] == "L007"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "p.yaml"},
        "region": {"startLine": 4, "startColumn": 3},
    }
    assert "suppressions" not in first
    assert second["suppressions"] == [{"kind": "inSource", "justification": "later"}]


def test_github_is_told_on_one_line_each_without_what_is_excepted():
    text = WRITERS["github"](lint_bytes(EXCEPTED.encode(), "a,b%.yaml", kinds(), Chosen(("L007",))))
    assert text == ("::warning file=a%2Cb%25.yaml,title=L007,line=4,col=3::people: no rule reads this detector (leave it out)")
    mistake = WRITERS["github"](found("version: 2\n"))
    assert mistake.startswith("::error file=p.yaml,title=L000,line=1,col=10::version: expected 1")


def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    code = "from guard.cli import main; main()"
    command = [sys.executable, "-c", code, "policy", "lint", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)


def test_the_command_fails_for_errors_and_with_strict_for_warnings(tmp_path: Path):
    path = tmp_path / "p.yaml"
    path.write_text(EXCEPTED)
    result = run(str(path))
    assert result.returncode == 0
    assert f"{path}:4:3: warning L007: people: no rule reads this detector (leave it out)\n" in result.stdout
    assert result.stdout.endswith(f"{path}: 0 errors, 2 warnings, 1 excepted\n")
    assert run(str(path), "--strict").returncode == 1
    assert run(str(path), "--strict", "--ignore", "L007,l040").returncode == 0
    assert run("-", "--format", "json", text=HEAD.replace("0.7", "0")).returncode == 1
    assert run("-", text="version: 1\nx: 1\n").stderr == (
        '<stdin>:2:1: x: expected a known key, got "x" (known here: '
        + run("-", text="version: 1\nx: 1\n").stderr.split("here: ")[1]
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["default", "--format", "xml"], "text, json, sarif or github"),
        (["default", "--select", "L9"[:1] + "77"], "expected a code of lint"),
        (["nope.yaml"], "expected a policy file"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], said: str):
    result = run(*arguments)
    assert result.returncode == 2
    assert said in result.stderr


def test_the_page_lists_every_code():
    page = (ROOT / "docs/lint.md").read_text()
    rows = re.findall(r"^\| `(L\d+)` \| ([a-z, ]+) \| (.*) \|$", page, re.MULTILINE)
    assert rows == [(code, ", ".join(each.levels), each.summary) for code, each in CODES.items()]


def test_the_page_shows_what_is_printed_and_its_exceptions_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page = (ROOT / "docs/lint.md").read_text()
    shown = re.findall(r"^```console\n\$ guard policy lint (\S+) --ignore L02,L03\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    [(name, printed)] = shown
    policy = HEAD.replace("  people: {use: pii}\n  spare: {use: secrets}\n", "").replace("  # What is grave.\n", "")
    policy = policy.replace("    threshold: 0.7\n", "").replace("rules:", "rules:\n") + (
        "  - id: twin\n    on: input\n    detect: harm\n    category: hate\n    action: flag\n"
    )
    (tmp_path / name).write_text(policy.replace("\n\n", "\n"))
    (tmp_path / name.replace(".yaml", "_test.yaml")).write_text("tests: []\n")
    monkeypatch.chdir(tmp_path)
    assert run(name, "--ignore", "L02,L03").stdout == printed
    [excepted] = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "excepted.yaml").write_text(excepted)
    assert run("excepted.yaml", "--strict").stdout.endswith("excepted.yaml: 0 errors, 0 warnings, 2 excepted\n")
