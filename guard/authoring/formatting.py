"""Bring policy files, and the tests beside them, into their canonical layout without changing what they say."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from pathlib import Path

from guard.authoring.cases import TESTS
from guard.errors import PolicyError, TenetError
from guard.policy.kinds import Kind
from guard.policy.layout import laid_out
from guard.policy.load import loads
from guard.policy.node import Node
from guard.policy.schema import POLICY
from guard.policy.yaml_source import read, read_bytes


def formatted(data: bytes, where: str, kinds: Mapping[str, Kind], directory: Path | None = None) -> bytes:
    """Return a file in its canonical layout; a mark of byte order stays, and so does the kind of line ends that prevails.

    Args:
        data: The bytes of a policy file, or of a file of tests.
        where: How messages name it.
        kinds: What may stand behind `use:`.
        directory: What paths in it are relative to; the working directory where absent.

    Raises:
        PolicyError: Where it is no YAML that Tenet takes: the mistakes that lint would tell.
        TenetError: Where the layout would change what the file says, which is refused.
    """
    before = read_bytes(data, where)
    if not isinstance(before.value, dict):
        raise PolicyError([before.problem("a mapping of keys to values")])
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    windows = 2 * data.count(b"\r\n") > data.count(b"\n")
    text = data.decode("utf-8-sig").replace("\r\n", "\n")
    new = laid_out(text, TESTS if "tests" in before.value else POLICY)
    if _said(_read_again(new, where)) != _said(before) or _digest(new, kinds, directory) != _digest(text, kinds, directory):
        raise _changed(where)
    return mark + (new.replace("\n", "\r\n") if windows else new).encode()


def _read_again(text: str, where: str) -> Node:
    try:
        return read(text, where)
    except PolicyError as error:
        raise _changed(where) from error


def _said(document: Node) -> str:
    """Return what a document says as one text: mappings by their keys, lists in their order, 1 told from 1.0 and from true."""
    return json.dumps(document.plain, sort_keys=True)


def _digest(text: str, kinds: Mapping[str, Kind], directory: Path | None) -> tuple[str, ...]:
    """Return the digest of a policy, or where its mistakes are, if it does not load."""
    try:
        return (loads(text, kinds, directory=directory).digest,)
    except PolicyError as error:
        return tuple(sorted(problem.path for problem in error.problems))


def _changed(where: str) -> TenetError:
    reason = "expected to change nothing but the layout, but the file would say something else then"
    return TenetError(
        f"{where}: {reason}; it stays as it is (simplify what is unusual in it: anchors, odd line ends, keys over lines)"
    )
