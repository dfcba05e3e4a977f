"""The command `align data`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from alignment.records import Kind
from guard.errors import TenetError


def data(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE…", help="Files of records, and folders made by `guard feedback export` or `align data`."),
    ],
    kind: Annotated[Kind, typer.Option(help="What the records are to teach.")],
    out: Annotated[Path, typer.Option(help="Folder for the sets and their card; it is there whole, or not at all.")],
    validation: Annotated[float, typer.Option(help="Share for validation.")] = 0.1,
    held_out: Annotated[float, typer.Option(help="Share that is never trained on.")] = 0.1,
    held_out_source: Annotated[
        list[str] | None, typer.Option(help="Hold out this source as a whole, and nothing else; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another one gives other sets.")] = 0,
    limits: Annotated[Path | None, typer.Option(help="YAML with how much of what is wrong is allowed.")] = None,
    policy: Annotated[str, typer.Option(help="Count the records that this policy contradicts, in a sample.")] = "",
    licence: Annotated[str, typer.Option(help="Of the texts whose source states none.")] = "",
    redact: Annotated[bool, typer.Option("--redact", help="Replace secrets and personal data by their kind.")] = False,
    tokenizer: Annotated[Path | None, typer.Option(help="Folder with a tokenizer: count what would be cut off.")] = None,
    context: Annotated[int, typer.Option(help="Tokens that the model takes.")] = 2048,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier set in OUT.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the data card as JSON.")] = False,
) -> None:
    """Make training data of feedback and public files: checked, split, with a data card."""
    from alignment.data.limits import Limits, read_limits
    from alignment.data.preparing import Asked, ChecksFailed, prepare
    from alignment.data.splitting import Shares

    try:
        asked = Asked(
            tuple(sources),
            kind,
            out,
            Shares(validation, held_out, seed, tuple(held_out_source or ())),
            read_limits(limits) if limits else Limits(),
            licence=licence,
            policy=policy,
            redact=redact,
            tokenizer=tokenizer,
            context=context,
            overwrite=overwrite,
        )
        card = prepare(asked)
    except ChecksFailed as failed:
        typer.echo(f"align: {failed}", err=True)
        sys.exit(1)
    except (OSError, TenetError) as error:
        typer.echo(f"align: {error}", err=True)
        sys.exit(2)
    typer.echo(json.dumps(card, indent=2, ensure_ascii=False) if as_json else _summary(card, out))


def _summary(card: dict[str, Any], out: Path) -> str:
    sets = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in card["splits"].items())
    lines = [f"{card['records']:,} records for {card['format']}: {sets}"]
    lines += [f"  left out {each['count']:,}: {each['meaning']}" for each in card["left_out"]]
    if "not stated" in card["licences"]:
        lines.append(f"  the licence of {card['licences']['not stated']:,} is not stated (--licence)")
    return "\n".join([*lines, f"written: {out}"])
