"""`guard policy test`: what tests may say, which rules they cover, and what they would not notice."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pictures_made import drawing, encoded

from guard.authoring.cases import read_cases
from guard.authoring.coverage import coverage
from guard.authoring.mutation import mutants, mutate
from guard.authoring.testing import Bench, Outcome
from guard.detectors.registry import kinds
from guard.errors import PolicyError
from guard.policy.load import load

GUARD = [sys.executable, "-c", "from guard.cli import main; main()"]
POLICY = """\
version: 1
name: shop
detectors:
  words: {use: patterns, words: [Initech], category: custom/rival}
  harm: {use: embedded}
  keys: {use: secrets}
rules:
  - {id: rivals, on: output, detect: words, category: custom/rival, action: redact, roles: [assistant, tool_call]}
  - {id: threats, detect: harm, category: harassment/threatening, threshold: 0.7, action: block, message: No threats.}
  - {id: teens, when: 'request.headers["x-audience"] == "teen"', detect: harm, category: sexual, threshold: 0.2, action: block}
  - {id: keys, detect: keys, category: secret/*, action: redact}
"""


@pytest.fixture
def shop(tmp_path: Path):
    (tmp_path / "shop.yaml").write_text(POLICY)

    def run(tests: str) -> tuple[Bench, list, list[Outcome]]:
        path = tmp_path / "shop_test.yaml"
        path.write_text("tests:\n" + tests)
        bench = Bench(load(tmp_path / "shop.yaml", kinds()))
        cases = read_cases(path, bench.policy)
        return bench, cases, [bench.run(case) for case in cases]

    return run


def failures(outcomes: list[Outcome]) -> list[str]:
    return [failure for outcome in outcomes for failure in outcome.failures]


def test_pinned_scores_stand_in_for_a_model_and_only_for_the_one_that_is_named(shop):
    _, _, outcomes = shop("""
  - {name: at the threshold, input: x, scores: {harm: {harassment/threatening: 0.7}}, expect: {rules: [threats]}}
  - {name: below, input: hello, scores: {harm: {harassment/threatening: 0.69}}, expect: {action: allow, rules: []}}
  - {name: others judge, output: try Initech, scores: {harm: {}}, expect: {rules: [rivals], spans: [Initech]}}
  - {name: without pins a model judges, input: hello, expect: {action: allow}}
""")
    assert failures(outcomes) == []


def test_what_is_known_of_the_request_reaches_conditions(shop):
    pinned = "input: hello, scores: {harm: {sexual: 0.3}}"
    _, _, outcomes = shop(f"""
  - {{name: a teen, {pinned}, request: {{headers: {{X-Audience: teen}}}}, expect: {{rules: [teens]}}}}
  - {{name: anybody, {pinned}, expect: {{rules: []}}}}
""")
    assert failures(outcomes) == []


def test_a_stream_is_cut_at_every_place_and_calls_of_tools_are_judged_by_their_leaves(shop):
    _, _, outcomes = shop("""
  - {name: streamed, output: "so try Initech.", stream: true, scores: {harm: {}}, expect: {released: "so try [RIVAL]."}}
  - name: a call
    tool_calls: [{name: buy, arguments: {from: Initech, items: [{sku: 7, note: "at Initech"}]}}]
    scores: {harm: {}}
    expect: {action: redact, rules: [rivals], spans: [Initech]}
  - {name: wrong, output: "so try Initech.", stream: true, scores: {harm: {}}, expect: {released: "so try Initech."}}
""")
    assert failures(outcomes) == ["released: expected 'so try Initech.', got 'so try [RIVAL].'"]


def test_messages_and_missed_expectations_say_what_came(shop):
    _, _, outcomes = shop("""
  - {name: told, input: x, scores: {harm: {harassment/threatening: 0.9}}, expect: {message: No threats.}}
  - name: missed
    input: x
    scores: {harm: {harassment/threatening: 0.9}}
    expect: {action: flag, rules: [], categories: [sexual], spans: [y], message: Yes.}
""")
    assert failures(outcomes) == [
        "action: expected flag, got block (rules: threats)",
        "rules: expected [], got ['threats']",
        "categories: expected ['sexual'], got ['harassment/threatening']",
        "spans: expected ['y'], got ['x']",
        "message: expected 'Yes.', got 'No threats.'",
    ]


def test_an_image_is_read_from_beside_the_tests(tmp_path: Path):
    (tmp_path / "p.yaml").write_text(
        "version: 1\nname: p\ndetectors: {eye: {use: image, nudity: false}}\nrules:\n"
        "  - {id: broken, detect: eye, category: image/unreadable, action: block}\n"
    )
    (tmp_path / "fine.png").write_bytes(encoded(drawing((64, 64))))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    (tmp_path / "p_test.yaml").write_text(
        "tests:\n  - {name: fine, image: fine.png, expect: {action: allow}}\n"
        "  - {name: broken, image: broken.png, expect: {action: block}}\n"
    )
    bench = Bench(load(tmp_path / "p.yaml", kinds()))
    assert failures([bench.run(case) for case in read_cases(tmp_path / "p_test.yaml", bench.policy)]) == []


def test_every_mistake_in_tests_is_told_at_once_with_its_line(tmp_path: Path):
    (tmp_path / "shop.yaml").write_text(POLICY)
    (tmp_path / "shop_test.yaml").write_text("""tests:
  - {name: both, input: x, output: y, expect: {}}
  - {name: none, expect: {action: allow}}
  - {name: no answer, input: x, stream: true, expect: {}}
  - {name: nowhere, image: lost.png, expect: {}}
  - {name: unknown, input: x, scores: {hram: {hate: 0.5}}, expect: {rules: [threat]}}
  - {name: beyond, input: x, scores: {harm: {hate: 1.5}}, expect: {}}
""")
    with pytest.raises(PolicyError) as caught:
        read_cases(tmp_path / "shop_test.yaml", load(tmp_path / "shop.yaml", kinds()))
    assert "[0, 1]" in str(caught.value)
    assert ":7:" in str(caught.value)
    text = (tmp_path / "shop_test.yaml").read_text().replace("1.5", "1")
    (tmp_path / "shop_test.yaml").write_text(text)
    with pytest.raises(PolicyError) as caught:
        read_cases(tmp_path / "shop_test.yaml", load(tmp_path / "shop.yaml", kinds()))
    told = str(caught.value).splitlines()
    assert [line.split(":")[1] for line in told] == ["2", "3", "4", "5", "6", "6"]
    assert "did you mean `threats`?" in str(caught.value)
    assert "did you mean `harm`?" in str(caught.value)


def test_coverage_counts_only_tests_that_passed(shop):
    bench, _, outcomes = shop("""
  - {name: fires, input: x, scores: {harm: {harassment/threatening: 0.9}}, expect: {action: block}}
  - {name: holds back, input: x, scores: {harm: {}}, expect: {action: allow}}
  - {name: fails, output: Initech, scores: {harm: {}}, expect: {action: allow}}
""")
    found = coverage(bench.policy, outcomes)
    assert found.missing == ("rivals", "teens", "keys")
    assert found.share == 0.25
    assert [(each.fired, each.held_back) for each in found.rules if each.rule == "threats"] == [(1, 1)]


def test_what_no_test_notices_survives_and_a_test_at_the_threshold_kills(shop):
    loose = "  - {name: a, input: x, scores: {harm: {harassment/threatening: 0.95}}, expect: {action: block}}\n"
    tight = """
  - {name: b, input: x, scores: {harm: {harassment/threatening: 0.7}}, expect: {action: block}}
  - {name: c, input: x, scores: {harm: {harassment/threatening: 0.65}}, expect: {action: allow}}
"""

    def survivors(tests: str) -> set[str]:
        bench, cases, outcomes = shop(tests)
        found = mutate(bench, cases, outcomes, kinds())
        assert found.tried == len(list(mutants(bench.policy, kinds())))
        return {mutant.change for mutant in found.survivors if mutant.rule == "threats"}

    assert survivors(loose) == {"threshold 0.8 instead of 0.7", "threshold 0.6 instead of 0.7"}
    assert survivors(tight) == set()


@pytest.mark.parametrize("options", [[], ["--min-coverage", "50"]])
def test_the_command_reports_coverage_and_junit_and_fails_below_the_least(tmp_path: Path, options: list[str]):
    (tmp_path / "shop.yaml").write_text(POLICY)
    (tmp_path / "shop_test.yaml").write_text(
        "tests:\n  - {name: 'a <threat> &', input: x, scores: {harm: {harassment/threatening: 0.9}}, expect: {action: block}}\n"
    )
    report = tmp_path / "report.xml"
    command = [*GUARD, "policy", "test", str(tmp_path / "shop.yaml"), "--coverage", "--junit", str(report)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == (1 if options else 0), done.stderr
    assert "1 of 4 rules covered (25 %); no test makes rivals, teens, keys fire" in done.stdout
    suite = ElementTree.parse(report).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")


def test_watching_runs_again_when_a_file_changes_and_survives_mistakes(tmp_path: Path):
    policy, tests = tmp_path / "shop.yaml", tmp_path / "shop_test.yaml"
    policy.write_text(POLICY)
    tests.write_text("tests:\n  - {name: one, input: x, scores: {harm: {}}, expect: {action: allow}}\n")
    command = [*GUARD, "policy", "test", "--watch", str(policy)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watching:
        try:
            _await(watching, "1 of 1 tests passed")
            policy.write_text(POLICY.replace("0.7", "7"))
            _await(watching, "shop.yaml:9")
            policy.write_text(POLICY)
            _await(watching, "1 of 1 tests passed")
        finally:
            watching.terminate()


def _await(process: subprocess.Popen, words: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        line = process.stdout.readline()
        if words in line:
            return
        assert line or process.poll() is None
    raise AssertionError(words)
