"""The command `guard`, as a user runs it: in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

GUARD = [sys.executable, "-c", "from guard.cli import main; main()"]


def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*GUARD, *arguments], input=text, capture_output=True, text=True, timeout=30, check=False)


def test_check_prints_a_decision_with_everything_that_led_to_it():
    key = "AKIA" + "QWERTYUIOPASDFGH"
    result = run("check", f"my key is {key}", "--json")
    decision = json.loads(result.stdout)
    [finding] = [finding for finding in decision["findings"] if finding["category"] == "secret/aws-key"]
    assert finding["span"] == [10, 30]
    assert decision["rules"]
    assert len(decision["policy"]) == 64
    assert key not in result.stdout + result.stderr
    assert result.returncode in (0, 1)


def test_check_reads_standard_input_and_exits_with_1_for_a_block(policy_file):
    assert run("check", "-", "--policy", str(policy_file), text="a forbidden word").returncode == 1
    assert run("check", "--policy", str(policy_file), text="a word").returncode == 0


def test_an_explanation_asks_everybody_and_tells_what_it_cost(policy_file):
    result = run("check", "forbidden", "--policy", str(policy_file), "--explain", "--json")
    explained = json.loads(result.stdout)
    assert (result.returncode, explained["action"]) == (1, "block")
    assert {step["detector"] for step in explained["steps"]} == {"words", "people", "keys", "overrides"}
    assert all(step["outcome"] == "ran" and step["seconds"] > 0 for step in explained["steps"])
    assert "what ran:" in run("check", "forbidden", "--policy", str(policy_file), "--explain").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "x", "--policy", "no-such"], "shipped"),
        (["check", "x", "--policy", "./no/such.yaml"], "no/such.yaml"),
        (["check", "x", "--stage", "middle"], "expected input or output"),
        (["serve"], "exactly one of"),
        (["serve", "--demo", "--upstream", "http://x"], "exactly one of"),
        (["serve", "--upstream", "ftp://x"], "http or https"),
        (["serve", "--app", "nothing"], "module:attribute"),
        (["serve", "--demo", "--policy", "no-such"], "shipped"),
        (["serve", "--upstream", "http://x", "--upstream-key-env", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE"),
        (["policy", "lint", "no/such.yaml"], "expected a policy file"),
        (["policy", "test", "no/such.yaml"], "expected a policy file"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_was_expected(arguments, said):
    result = run(*arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_lint_and_test_point_at_the_line(tmp_path: Path, policy_file):
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        'version: 1\ndetectors: {}\nrules:\n  - {id: a, detect: nobody, category: pii/email, action: blok, threshold: "high"}\n'
    )
    result = run("policy", "lint", str(broken))
    assert result.returncode == 1
    assert f"{broken}:4" in result.stderr
    assert "block" in result.stderr
    good = tmp_path / "good.yaml"
    good.write_text(policy_file.read_text())
    (tmp_path / "good_test.yaml").write_text(
        "tests:\n"
        "  - {name: a mail is hidden, output: write to a@example.org, stream: true,"
        " expect: {action: redact, rules: [hide-email], categories: [pii/email], released: 'write to [EMAIL]'}}\n"
        "  - {name: this one is wrong, input: hello, expect: {action: block}}\n"
    )
    assert run("policy", "lint", str(good)).returncode == 0
    tested = run("policy", "test", str(good))
    assert tested.returncode == 1
    assert "ok   a mail is hidden" in tested.stdout
    assert "FAIL this one is wrong" in tested.stdout
    assert "1 of 2 tests passed" in tested.stdout


def test_a_test_file_that_names_an_unknown_rule_is_refused(tmp_path: Path, policy_file):
    good = tmp_path / "good.yaml"
    good.write_text(policy_file.read_text())
    (tmp_path / "good_test.yaml").write_text("tests: [{name: x, input: y, expect: {rules: [hide-mail]}}]\n")
    result = run("policy", "test", str(good))
    assert result.returncode == 2
    assert "hide-email" in result.stderr


def test_importing_guard_loads_nothing_heavy():
    code = (
        "import sys, guard; heavy = {'torch', 'transformers', 'presidio_analyzer', 'spacy', 'onnxruntime', 'sqlalchemy', 'numpy',"
        " 'aiohttp', 'starlette', 'uvicorn', 're2'}; print(heavy & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert result.stdout.strip() == "set()"
