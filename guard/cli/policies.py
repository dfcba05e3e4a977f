"""`guard policy schema`: what editors need to know about policy files."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from guard.errors import TenetError


def schema(
    tests: Annotated[bool, typer.Option("--tests", help="The schema of the tests beside a policy, NAME_test.yaml.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Every key of a policy as tables in Markdown.")] = False,
) -> None:
    """Print the JSON Schema of policy files, by which an editor completes and checks them."""
    from guard.authoring.testing import TESTS
    from guard.detectors.registry import kinds
    from guard.policy.json_schema import policy_schema, schema_of_tests
    from guard.policy.reference import reference

    if tests and markdown:
        raise TenetError("expected one of --tests and --markdown, got both")
    if markdown:
        print(reference(), end="")
        return
    print(json.dumps(schema_of_tests(TESTS) if tests else policy_schema(kinds()), indent=2, ensure_ascii=False))
