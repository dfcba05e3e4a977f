"""What lint found, as people and machines read it: text, JSON, SARIF and GitHub's annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from guard.authoring.linting import Placed
from guard.policy.remarks import CODES, Level

SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def as_json(found: Sequence[Placed]) -> str:
    """Return a list of objects."""
    return json.dumps([_described(placed) for placed in found], indent=2, ensure_ascii=False)


def _described(placed: Placed) -> dict[str, Any]:
    remark = placed.remark
    return {
        "file": placed.where,
        "line": placed.line,
        "column": placed.column,
        "level": remark.level.value,
        "code": remark.code,
        "subject": remark.subject,
        "message": remark.message,
        "hint": remark.hint,
        "excepted": placed.excepted,
    }


def as_github(found: Sequence[Placed]) -> str:
    """Return workflow commands, which GitHub shows beside the lines (docs.github.com, "Workflow commands")."""
    return "\n".join(_command(placed) for placed in found if not placed.excepted)


def _command(placed: Placed) -> str:
    fields = {"file": placed.where, "title": placed.remark.code}
    if placed.line:
        fields |= {"line": str(placed.line), "col": str(placed.column)}
    told = ",".join(f"{name}={_escaped(value, in_field=True)}" for name, value in fields.items())
    return f"::{_GITHUB[placed.remark.level]} {told}::{_escaped(placed.remark.said)}"


def _escaped(text: str, *, in_field: bool = False) -> str:
    escapes = {"%": "%25", "\r": "%0D", "\n": "%0A", **({":": "%3A", ",": "%2C"} if in_field else {})}
    return "".join(escapes.get(character, character) for character in text)


def as_sarif(found: Sequence[Placed]) -> str:
    """Return a log of SARIF 2.1.0 (OASIS); what an exception takes out is in it as suppressed."""
    codes = list(CODES)
    rules = [{"id": code, "shortDescription": {"text": CODES[code].summary}} for code in codes]
    tool = {"driver": {"name": "guard policy lint", "rules": rules}}
    results = [_result(placed, codes.index(placed.remark.code)) for placed in found]
    run = {"tool": tool, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SARIF, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _result(placed: Placed, index: int) -> dict[str, Any]:
    region = {"region": {"startLine": placed.line, "startColumn": placed.column}} if placed.line else {}
    return {
        "ruleId": placed.remark.code,
        "ruleIndex": index,
        "level": _SARIF[placed.remark.level],
        "message": {"text": placed.remark.said},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(placed.where)}, **region}}],
        **({"suppressions": [{"kind": "inSource", "justification": placed.excepted}]} if placed.excepted else {}),
    }


def _uri(where: str) -> str:
    path = Path(where)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


_GITHUB = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "notice"}
_SARIF = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}

WRITERS: Mapping[str, Callable[[Sequence[Placed]], str]] = {"json": as_json, "sarif": as_sarif, "github": as_github}
"""What machines read, by the name of the format; `text` is for people."""
