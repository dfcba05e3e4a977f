"""`guard policy which`, `sign`, `verify` and `key`: ask a file of choices, and vouch for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from guard.errors import TenetError

PoliciesOption = Annotated[Path, typer.Option("--policies", metavar="FILE", help="The file of choices.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A file of choices.")]


def which(
    policies: PoliciesOption,
    route: Annotated[str, typer.Option(metavar="PATH", help="The path of the request.")] = "/v1/chat/completions",
    method: Annotated[str, typer.Option(metavar="METHOD", help="Its method.")] = "POST",
    tenant: Annotated[str, typer.Option(metavar="NAME", help="The tenant of its key.")] = "",
    key: Annotated[str, typer.Option(metavar="ID", help="The id of its key, gk_….")] = "",
    role: Annotated[list[str] | None, typer.Option(metavar="ROLE", help="A role of its key; may be repeated.")] = None,
    header: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A header; may be repeated.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which policy a request gets, and why; checks the file and all its policies on the way."""
    from guard.choosing.policies import load_all
    from guard.errors import BadMessage
    from guard.values import Caller

    loaded = load_all(policies, serving=False)
    caller = Caller(tenant, key, "", tuple(role or ()))
    try:
        asked = loaded.choices.asked(method, route, caller, [_header(each) for each in header or ()])
    except BadMessage as error:
        raise TenetError(f"the request is refused with status {error.status}, code {error.code}: {error}") from None
    chosen = loaded.choices.choose(asked)
    plain = loaded.choices.choose(loaded.choices.without_clients(asked))
    policy = loaded.read.policies[chosen.policy]
    if json_output:
        said: dict[str, Any] = {
            "policy": chosen.written,
            "name": policy.name,
            "choice": None if chosen.index < 0 else chosen.index,
            "failed": list(chosen.failed),
            "without_client_headers": plain.written,
        }
        print(json.dumps(said, ensure_ascii=False))
        return
    print(f"{chosen.written} ({policy.name}, {len(policy.rules)} rules)")
    for index, failed in enumerate(chosen.failed):
        print(f"  choices[{index}] {loaded.choices.choices[index].written}: no, `{failed}` is another")
    print("  the default" if chosen.index < 0 else f"  choices[{chosen.index}]: every condition holds")
    if plain.index != chosen.index:
        print(f"  without headers that clients set: {plain.written}")


def sign(
    file: FileArgument,
    key_file: Annotated[Path, typer.Option("--key-file", metavar="FILE", help="The private key.")],
) -> None:
    """Sign a file of choices with all files of its policies: writes FILE.sig."""
    from guard.choosing.policies import load_all
    from guard.choosing.signing import place_of
    from guard.choosing.signing import sign as write

    made = write(file, load_all(file, serving=False).files, key_file)
    for name, digest in made.files.items():
        print(f"{digest[:16]}  {name}")
    print(f"{place_of(file)}: {len(made.files)} files, signed by the key {made.key}")


def verify(
    file: FileArgument,
    key_file: Annotated[list[Path], typer.Option("--key-file", metavar="FILE", help="A public key; may be repeated.")],
) -> None:
    """Check the signature of a file of choices and of all files of its policies; exit status 2 where it does not hold."""
    from guard.choosing.policies import Requirements, load_all

    loaded = load_all(file, Requirements(keys=tuple(key_file)), serving=False)
    signature = loaded.signature
    if signature is None:
        raise TenetError(f"{file}: expected a signature, got none")
    print(f"{file}: {len(loaded.files)} files, as they were signed by the key {signature.key}")


def key(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes; the public one goes to FILE.pub.")],
) -> None:
    """Make a key that signs policies, and the public one that servers verify by."""
    from guard.choosing.keys import fingerprint, new_key, public_key

    public = new_key(out)
    print(f"{out}: keep it where policies are signed, and on no server")
    print(f"{public}: for servers, key {fingerprint(public_key(public))}")


def _header(text: str) -> tuple[bytes, bytes]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise TenetError("--header: expected NAME=VALUE, got something else")
    try:
        return name.strip().encode("latin-1"), value.encode("latin-1")
    except UnicodeEncodeError:
        raise TenetError("--header: expected letters of Latin-1, as headers have them, got others") from None
