"""`guard policy check`, `schema`, `fmt`, `lint`, `test`, `diff`, `explain`, `backtest` and `history`: their arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from guard.errors import TenetError

EXIT_FOUND = 1


def schema(
    tests: Annotated[bool, typer.Option("--tests", help="The schema of the tests beside a policy, NAME_test.yaml.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Every key of a policy as tables in Markdown.")] = False,
) -> None:
    """Print the JSON Schema of policy files, by which an editor completes and checks them."""
    from guard.authoring.cases import TESTS
    from guard.detectors.registry import kinds
    from guard.policy.json_schema import policy_schema, schema_of_tests
    from guard.policy.reference import reference

    if tests and markdown:
        raise TenetError("expected one of --tests and --markdown, got both")
    if markdown:
        print(reference(), end="")
        return
    print(json.dumps(schema_of_tests(TESTS) if tests else policy_schema(kinds()), indent=2, ensure_ascii=False))


def fmt(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Policies and files of tests; - for standard input.")],
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit status 1 if a file would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; show what would change.")] = False,
) -> None:
    """Bring policy files into their canonical layout, without changing what they say; comments stay."""
    from guard.cli.formatting import Asked, format_files

    raise typer.Exit(EXIT_FOUND if format_files(files, Asked(check, diff)) else 0)


def check_file(
    policy: Annotated[str, typer.Argument(metavar="FILE", help="A policy; - for standard input.")],
    tries: Annotated[
        list[str] | None, typer.Option("--try", metavar="TEXT", help="Say what it decides on this text; may be repeated.")
    ] = None,
    stage: Annotated[str, typer.Option(metavar="STAGE", help="Which way these texts travel: input or output.")] = "input",
) -> None:
    """Say at once whether a policy can be used, and what it does with a text; exit status 1 if it cannot."""
    from guard.cli.policy_checking import check_policy

    raise typer.Exit(0 if check_policy(policy, tries or (), stage) else EXIT_FOUND)


def lint(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Policies; - for standard input.")],
    select: Annotated[list[str] | None, typer.Option(metavar="CODES", help="Only these codes, such as L005,L02.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(metavar="CODES", help="Not these codes.")] = None,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="text, json, sarif or github.")] = "text",
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 1 for warnings too.")] = False,
) -> None:
    """Say what is wrong or doubtful in policy files; exit status 1 for errors."""
    from guard.authoring.linting import Chosen
    from guard.cli.linting import Asked, codes, lint_files

    asked = Asked(Chosen(codes(select or ()), codes(ignore or ())), strict, form)
    raise typer.Exit(EXIT_FOUND if lint_files(files, asked) else 0)


def test(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Policies; their tests stand beside them, NAME_test.yaml.")],
    coverage: Annotated[bool, typer.Option("--coverage", help="List every rule with how many tests make it fire.")] = False,
    least: Annotated[
        float | None,
        typer.Option("--min-coverage", metavar="PERCENT", min=0, max=100, help="Fail where tests make fewer of the rules fire."),
    ] = None,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Drop each rule, weaken it, move its threshold; fail where no test notices.")
    ] = False,
    report: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the outcomes as JUnit XML.")] = None,
    watching: Annotated[bool, typer.Option("--watch", help="Run again whenever a policy or its tests change.")] = False,
) -> None:
    """Run the tests beside policy files; exit status 1 if one fails."""
    from guard.cli.testing import Wanted, run, watch

    wanted = Wanted(coverage, least, mutate, report)
    if watching:
        watch(files, wanted)
        return
    raise typer.Exit(EXIT_FOUND if run(files, wanted) else 0)


Most = Annotated[int, typer.Option("--examples", help="Messages that are named, on which decisions differ.", min=0, max=10_000)]
Show = Annotated[bool, typer.Option("--show", help="Show how these messages begin; they may hold what people wrote.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A policy.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    on: Annotated[
        list[Path], typer.Option("--on", metavar="FILE", help="JSON lines of input, output or messages; may be repeated.")
    ],
    most: Most = 20,
    show: Show = False,
    as_json: AsJson = False,
) -> None:
    """Say on which texts two policies decide otherwise; exit status 1 if they do."""
    from guard.cli.comparing import diff as compare

    raise typer.Exit(EXIT_FOUND if compare(before, after, on, most, show=show, as_json=as_json) else 0)


def backtest(
    policy: Annotated[str, typer.Argument(help="The policy that is tried.")],
    on: Annotated[
        str, typer.Option("--on", metavar="STORE|FILE", help="A store, or a file as for diff with `action` and `should`.")
    ],
    tenant: Annotated[str, typer.Option(help="Whose exchanges; those without a tenant where not said.")] = "",
    since: Annotated[str, typer.Option(metavar="TIME", help="An age such as 7d, or a date such as 2026-01-31.")] = "",
    most: Most = 20,
    show: Show = False,
    as_json: AsJson = False,
) -> None:
    """Say what a policy would have done with recorded traffic; exit status 1 if that differs from what was done."""
    from guard.cli.comparing import backtested

    raise typer.Exit(EXIT_FOUND if backtested(policy, on, tenant, since, most, show=show, as_json=as_json) else 0)


def history(
    store: Annotated[
        str, typer.Option("--store", metavar="URL", envvar="TENET_STORE", help="The store of the server.")
    ] = "default",
    tenant: Annotated[str, typer.Option(help="Whose policies; those without a tenant where not said.")] = "",
    limit: Annotated[int, typer.Option(help="Changes at most, the latest first.", min=1, max=100_000)] = 100,
    source: Annotated[str, typer.Option(metavar="DIGEST", help="Print the policy of this digest, as it was resolved.")] = "",
) -> None:
    """Say which policies were in force, since when, and who put them there."""
    from guard.cli.policy_history import show

    show(store, tenant, limit, source)


def explain(
    text: Annotated[str, typer.Argument(help="The text; - to read standard input.")],
    policy: Annotated[str, typer.Option("--policy", help="A shipped policy's name, or a path.")] = "default",
    stage: Annotated[str, typer.Option("--stage", metavar="STAGE", help="Which way it travels: input or output.")] = "input",
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="Whose words; as for guard check.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say what every rule saw in a text, why it fires or does not, and what that took; exit status 1 if it is blocked."""
    import sys

    from guard.cli.explaining import explained

    said = sys.stdin.read() if text == "-" else text
    raise typer.Exit(EXIT_FOUND if explained(said, policy, stage, role, as_json=as_json) else 0)
