"""What the documents show holds: links resolve, policies load, tests pass, commands exist, tables are complete, Python runs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from guard.authoring import cases
from guard.authoring.testing import run_tests
from guard.cli.main import app as commands
from guard.cli.options_page import options_page
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.policy import schema
from guard.policy.load import loads
from guard.policy.shapes import Record
from guard.values import Role

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """The rows of the first table under a heading, by the name in their first cell."""
    section = re.split(r"^#", text.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    cells = (line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `") or line.startswith("| any"))
    return {first.split("`")[1] if "`" in first else first: rest for first, *rest in cells}


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_to_a_page_and_a_heading_that_exist(page: Path):
    for path, _, anchor in re.findall(r"\]\(([^)#:]*)(#([^)]*))?\)", page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_the_index_names_every_page():
    index = (ROOT / "docs/README.md").read_text()
    assert [page.name for page in PAGES if page.parent.name == "docs" and f"({page.name})" not in index] == ["README.md"]


@each_page
def test_every_policy_that_is_shown_loads(page: Path):
    for text in blocks(page, "yaml"):
        if text.startswith("version:"):
            assert loads(text, kinds(), name=page.name).digest


@pytest.mark.parametrize(("page", "policy"), [("README.md", None), ("docs/policy-tests.md", "default")])
def test_the_tests_that_are_shown_pass(page: str, policy: str | None, tmp_path: Path):
    shown = [text for text in blocks(ROOT / page, "yaml") if text.startswith("tests:")]
    written = [text for text in blocks(ROOT / page, "yaml") if text.startswith("version:")]
    assert len(shown) == 1
    tests = tmp_path / "shown_test.yaml"
    tests.write_text(shown[0])
    guard = Guard(policy if policy else loads(written[0], kinds()))
    assert [outcome.failures for outcome in run_tests(guard, tests) if not outcome.passed] == []


@each_page
def test_every_command_that_is_shown_exists_with_its_options(page: Path):
    known = dict(options())
    for line in re.findall(r"^\$ guard (.*)$", page.read_text(), re.MULTILINE):
        words = line.split("#")[0].split('"')[0::2]
        path = tuple(word for word in " ".join(words).split() if not word.startswith("-"))
        name = next(name for name in (path[:3], path[:2], path[:1]) if name in known)
        given = {word for part in words for word in part.split() if word.startswith("--")}
        assert given <= known[name], line


def options() -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Every command below `guard`, with its options."""
    import typer.main

    pending = [((), typer.main.get_command(commands))]
    while pending:
        name, command = pending.pop()
        yield name, {option for parameter in command.params for option in parameter.opts}
        pending += [((*name, word), child) for word, child in getattr(command, "commands", {}).items()]


RECORDS: Mapping[str, Record] = {
    "### The file": schema.POLICY,
    "### A principle": schema.PRINCIPLE,
    "### A detector": schema.DETECTOR,
    "### How a detector is run": schema.RUNTIME,
    "### A rule": schema.RULE,
    "### `redact`": schema.REDACT,
    "### `redact.params`": schema.REDACT_PARAMS,
    "### `defaults`": schema.DEFAULTS,
    "### `routes`": schema.ROUTES,
    "### `routes.mapped`": schema.MAPPED,
    "### `limits`": schema.LIMITS,
    "### `store`": schema.STORE,
}
TESTS: Mapping[str, Record] = {"## A test": cases.TEST, "## `request`": cases.REQUEST, "## `expect`": cases.EXPECT}


@pytest.mark.parametrize(
    ("page", "heading"), [*(("policy.md", name) for name in RECORDS), *(("policy-tests.md", name) for name in TESTS)]
)
def test_the_reference_has_exactly_the_keys_of_the_language(page: str, heading: str):
    known = {**RECORDS, **TESTS}[heading].fields
    assert rows((ROOT / "docs" / page).read_text(), heading) == {
        key: [field.shape.expected, field.summary] for key, field in known.items()
    }


def test_the_table_of_roles_is_the_one_in_force():
    shown = rows((ROOT / "docs/policy.md").read_text(), "## Whose words a rule reads")
    in_force = {**schema.DEFAULT_ROLES, "any other": schema.OTHER_ROLES}
    assert shown == {
        group: ["all" if roles == frozenset(Role) else ", ".join(sorted(roles))] for group, roles in in_force.items()
    }


def test_the_page_of_detectors_names_every_kind():
    page = (ROOT / "docs/detectors.md").read_text()
    shown = rows(page, "# Choose detectors, and write your own")
    assert {use: (row[0], row[3].strip("`")) for use, row in shown.items()} == {
        use: (kind.summary, kind.extra or ("a service" if kind.remote else "")) for use, kind in kinds().items()
    }


def test_the_page_of_options_is_the_one_that_is_printed():
    assert (ROOT / "docs/detector-options.md").read_text() == options_page(kinds()) + "\n"


def run(*arguments: str) -> str:
    result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_guide_to_wrapping_runs_as_shown():
    wrapping, painting, asking = blocks(ROOT / "docs/wrap.md", "python")
    assert run("-c", painting).split("\n") == [*re.findall(r"# (\(.*\))$", painting, re.MULTILINE), ""]
    first, second = run("-c", wrapping).strip().split("\n")
    assert first == "The key is [AWS-KEY], keep it."
    assert "takeover" in second
    assert run("-c", asking).strip() in asking


def test_the_readmes_generator_runs_as_shown():
    block = blocks(ROOT / "README.md", "python")[1]
    assert run("-c", block).strip() == "You can write to [EMAIL] about it."
