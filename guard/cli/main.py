"""`guard`: serve a guarded generator, check a text, work on policies."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from guard.cli.auditing import audit_app
from guard.cli.calibrating import calibrate
from guard.cli.choosing_tools import key, sign, verify, which
from guard.cli.erasing import erase, subject
from guard.cli.evaluating import evaluate
from guard.cli.feedback import feedback_app
from guard.cli.keys import keys_app
from guard.cli.policies import backtest, check_file, diff, explain, fmt, history, lint, schema, test
from guard.cli.shadows import shadow_app
from guard.cli.sources import sources, trust
from guard.cli.storing import store_app
from guard.errors import PolicyError, TenetError

EXIT_FOUND = 1
EXIT_USAGE = 2

app = typer.Typer(
    name="guard",
    help="Tenet: a constitution around any generator. Serve it behind the guard, judge texts, work on policies.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
policy_app = typer.Typer(help="Write policies: lint and format them, run their tests.", no_args_is_help=True)
app.add_typer(policy_app, name="policy")
app.add_typer(store_app, name="store")
app.add_typer(audit_app, name="audit")
app.add_typer(feedback_app, name="feedback")
feedback_app.command()(sources)
feedback_app.command()(trust)
app.add_typer(keys_app, name="keys")
app.command()(calibrate)
app.command()(evaluate)
store_app.command()(erase)
store_app.command()(subject)
policy_app.command("check")(check_file)
policy_app.command()(schema)
policy_app.command()(fmt)
policy_app.command()(lint)
policy_app.command()(test)
policy_app.command()(diff)
policy_app.command()(explain)
policy_app.command()(backtest)
policy_app.command()(history)
policy_app.command()(which)
policy_app.command()(sign)
policy_app.command()(verify)
policy_app.command()(key)
policy_app.add_typer(shadow_app, name="shadow")

PolicyOption = Annotated[str, typer.Option("--policy", help="A shipped policy's name, or a path (contains / or ends in .yaml).")]
StageOption = Annotated[str, typer.Option("--stage", metavar="STAGE", help="Which way it travels: input or output.")]
RoleOption = Annotated[
    str,
    typer.Option(
        "--role",
        metavar="ROLE",
        help="Whose words: user, assistant, system, developer, tool_call, tool_result or tool_schema; "
        "the user's on input and the assistant's on output, where not said.",
    ),
]


def main() -> None:
    """Run the command line; exits with 0, 1 (the check found something) or 2 (wrong usage or unreadable input)."""
    run(app)


def run(commands: Callable[[], Any]) -> None:
    """Run `commands`, and turn Tenet's errors into a message and exit status 2."""
    try:
        commands()
    except (PolicyError, TenetError) as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_USAGE)


@app.command()
def serve(
    policy: PolicyOption = "default",
    watch_policy: Annotated[
        bool, typer.Option("--watch-policy", help="Put the policy in force again when its files change, if its tests pass.")
    ] = False,
    policies: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Choose the policy by route, caller or header, as this file says; see docs/tenants.md."
        ),
    ] = None,
    policies_key: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Public key that must have signed them (`guard policy sign`); may be repeated."),
    ] = None,
    policies_require: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="What must hold of all their files: read-only, signed; may be repeated."),
    ] = None,
    shadow: Annotated[
        str,
        typer.Option(metavar="POLICY[@PERCENT]", help="Have another policy judge the same and never act; see docs/shadow.md."),
    ] = "",
    canary: Annotated[
        str, typer.Option(metavar="POLICY@PERCENT", help="Have another policy decide about that share of the traffic.")
    ] = "",
    workers: Annotated[int, typer.Option(help="Processes that share the port; see docs/workers.md.", min=1, max=256)] = 1,
    upstream: Annotated[str, typer.Option(metavar="URL", help="Base URL of the generator's API; paths are appended to it.")] = "",
    demo: Annotated[bool, typer.Option("--demo", help="Serve a small generator that is trained at start-up.")] = False,
    app_name: Annotated[str, typer.Option("--app", metavar="MODULE:ATTRIBUTE", help="Serve an ASGI app, in this process.")] = "",
    upstream_model: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Serve a model, in this process: its folder with safetensors, or a GGUF file."),
    ] = None,
    upstream_adapter: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="LoRA adapter to merge into that model; may be repeated.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for a free one.", min=0, max=65535)] = 8080,
    upstream_key_env: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Environment variable whose value replaces the client's Authorization on its way to the upstream.",
        ),
    ] = "",
    cache: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Where verdicts are remembered: memory, or the URL of a Redis that several processes share."
        ),
    ] = "memory",
    store: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="TENET_STORE",
            help="Where exchanges are kept: a path, postgresql+psycopg://…, or default, a file of yours; nowhere where not said.",
        ),
    ] = "",
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring an older store up to date first.")] = False,
    require_key: Annotated[
        bool | None,
        typer.Option(
            "--require-key/--no-require-key",
            help="Whether generation needs a key too; where not said, on an address that others can reach, if the store has any.",
        ),
    ] = None,
    trusted_subject_header: Annotated[
        str,
        typer.Option(metavar="NAME", help="Header that something in front of this server sets to whom a request is for."),
    ] = "",
    feedback_days: Annotated[
        float, typer.Option(metavar="DAYS", help="For how long an exchange's own token lets its client say what it was worth.")
    ] = 7.0,
    feedback_rate: Annotated[
        str,
        typer.Option(metavar="RATES", help="How much feedback is taken: token=30/min,source=120/min,address=600/min, or off."),
    ] = "",
    implicit_feedback: Annotated[
        bool, typer.Option("--implicit-feedback", help="Count answers asked for again, and blocks tried again, as feedback.")
    ] = False,
    webhook: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Where blocks, appeals and labels are told; may be repeated.")
    ] = None,
    webhook_secret_env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Environment variable with what the webhook is signed with; one for each, or for all."),
    ] = None,
    webhook_anywhere: Annotated[
        bool, typer.Option("--webhook-anywhere", help="Let webhooks go to private addresses, and without https.")
    ] = False,
) -> None:
    """Serve a generator behind the guard: --upstream, --upstream-model, --demo or --app. SIGHUP loads the policy again."""
    from guard.cli.feedback_options import FeedbackOptions
    from guard.cli.workers import supervise, this_worker

    worker = this_worker()
    if workers > 1 and worker is None:
        raise typer.Exit(supervise(workers, host, port))
    from guard.cli.access import AccessOptions
    from guard.cli.choosing import ChoosingOptions
    from guard.cli.serving import serve_guarded
    from guard.cli.trying import TrialOptions
    from guard.cli.upstreams import UpstreamOptions

    serve_guarded(
        policy,
        upstream=UpstreamOptions(upstream, upstream_key_env, demo, app_name, upstream_model, tuple(upstream_adapter or ())),
        host=host,
        port=port,
        cache=cache,
        store=store,
        migrate=migrate,
        access=AccessOptions(require_key, trusted_subject_header, bool(upstream_key_env)),
        feedback=FeedbackOptions(
            feedback_days, feedback_rate, implicit_feedback, webhook or (), webhook_secret_env or (), webhook_anywhere, workers
        ),
        worker=worker,
        watch=watch_policy,
        trials=TrialOptions(shadow, canary),
        choosing=ChoosingOptions(policies, tuple(policies_key or ()), tuple(policies_require or ())),
    )


@app.command()
def check(
    text: Annotated[str, typer.Argument(help="The text; - or nothing to read standard input.")] = "-",
    policy: PolicyOption = "default",
    stage: StageOption = "input",
    role: RoleOption = "",
    json_output: Annotated[bool, typer.Option("--json", help="Print the decision as JSON.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Ask every detector, and tell what each of them cost.")] = False,
) -> None:
    """Judge one text; exit status 1 if the policy blocks it."""
    from guard.cli.checking import check_text

    given = sys.stdin.read() if text == "-" else text
    blocked = check_text(given, policy, stage, role, json_output=json_output, explain=explain)
    raise typer.Exit(EXIT_FOUND if blocked else 0)


@app.command()
def scan(
    source: Annotated[str, typer.Argument(metavar="IN", help="JSON lines (also .gz), Parquet, or - for standard input.")],
    out: Annotated[Path, typer.Option("--out", metavar="OUT", help="Where the results go; Parquet if it ends in .parquet.")],
    policy: PolicyOption = "default",
    field: Annotated[
        str, typer.Option(metavar="FIELD", help="Where a record's text stands: text, message.content, /a/0/b.")
    ] = "text",
    id_field: Annotated[str, typer.Option("--id", metavar="FIELD", help="Where its own id stands, to be repeated.")] = "",
    stage: StageOption = "input",
    role: RoleOption = "",
    engine: Annotated[str, typer.Option(metavar="ENGINE", help="local, or ray for Ray Data.")] = "local",
    batch: Annotated[int, typer.Option(metavar="N", help="Records judged at the same time.", min=1, max=10_000)] = 64,
    keep_text: Annotated[bool, typer.Option("--keep-text", help="Repeat the texts in the results.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT, or an unfinished scan that does not fit.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Judge a file of records; run again after a stop, it goes on. Exit status 1 if records could not be judged."""
    from guard.cli.scanning import question, scan_file
    from guard.scanning.scan import Settings

    asked = question(stage, role, batch, keep_text=keep_text)
    settings = Settings(source, out, policy, field, id_field, asked, engine, overwrite)
    raise typer.Exit(scan_file(settings, json_output=json_output))


@app.command()
def detectors(
    policy: Annotated[str, typer.Option("--policy", help="Measure the detectors that this policy declares.")] = "",
    measure: Annotated[bool, typer.Option("--measure", help="Measure the time for a text on this machine.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
    options: Annotated[bool, typer.Option("--options", help="Print every option of every kind, as a page in Markdown.")] = False,
) -> None:
    """List the kinds of detectors: installed or not, licence, size, what they find, where texts go."""
    if options:
        from guard.cli.options_page import print_options

        print_options()
        return
    from guard.cli.detectors import list_detectors

    list_detectors(policy, measure=measure, json_output=json_output)
