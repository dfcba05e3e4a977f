"""What the documents show holds: policies load, links resolve, tables are complete, examples and Python blocks run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from servers import served

from examples.starlette_app import app
from guard.app import GuardApp
from guard.demo import demo_app
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.policy import schema
from guard.policy.load import loads
from guard.ports import RecentDecisions

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@each_page
def test_every_link_leads_somewhere(page: Path):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@each_page
def test_every_policy_that_is_shown_loads(page: Path):
    for text in blocks(page, "yaml"):
        if text.startswith("version:"):
            assert loads(text, kinds(), name=page.name).digest


def test_the_reference_names_every_key_and_every_kind_of_detector():
    policy, detectors = (ROOT / "docs/policy.md").read_text(), (ROOT / "docs/detectors.md").read_text()
    records = (
        schema.POLICY,
        schema.PRINCIPLE,
        schema.RULE,
        schema.REDACT,
        schema.DEFAULTS,
        schema.ROUTES,
        schema.MAPPED,
        schema.LIMITS,
    )
    for record in records:
        for key, field in record.fields.items():
            assert f"| `{key}`" in policy
            assert field.summary in policy
    for use, kind in kinds().items():
        assert f"| `{use}` | {kind.summary} |" in detectors


def run(*arguments: str) -> str:
    result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_guide_to_wrapping_runs_as_shown():
    [block] = blocks(ROOT / "docs/wrap.md", "python")
    first, second = run("-c", block).strip().split("\n")
    assert first == "The key is [AWS-KEY], keep it."
    assert "takeover" in second


def test_the_readmes_generator_runs_as_shown():
    block = blocks(ROOT / "README.md", "python")[1]
    assert run("-c", block).strip() == "You can write to [EMAIL] about it."


def test_the_examples_run():
    assert "Please speak softly." in run("examples/custom_detector.py")
    assert "You can write to [EMAIL] about it." in run("examples/wrap_generator.py")
    assert app.user_middleware
    with served(GuardApp(Guard("default"), demo_app(), RecentDecisions())) as address:
        assert "you can write to [EMAIL] about it" in run("examples/openai_client.py", address)
