"""Conditions of rules: `when:` in CEL, the Common Expression Language (https://cel.dev).

An expression is compiled and type-checked when the policy is loaded. Headers are read as `request.headers["name"]` and in no
other way, so that an absent one can read as "" without a map that pretends to hold every name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from guard.policy.node import quoted
from guard.policy.shapes import did_you_mean
from guard.values import Exchange, Stage

MAX_LENGTH = 2_000
VARIABLES: Mapping[str, str] = {
    "request.method": "string",
    "request.route": "string",
    "request.headers": "map(string, string)",
    "model": "string",
    "stage": "string",
    "caller.tenant": "string",
    "caller.key": "string",
    "caller.subject": "string",
    "caller.roles": "list(string)",
}
"""What a condition may read, with types as CEL writes them."""


class Fault(NamedTuple):
    """A mistake in an expression; line and column are 1-based, within the expression."""

    line: int
    column: int
    expected: str
    got: str
    hint: str = ""


class BadCondition(ValueError):
    """An expression that does not compile: every mistake that could be told."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"expected {fault.expected}, got {fault.got}" for fault in faults))


@dataclass(frozen=True, slots=True)
class CelCondition:
    """A compiled condition.

    Attributes:
        source: The expression as written.
        headers: The lower-case names of the headers that it reads.
    """

    source: str
    headers: tuple[str, ...]
    program: Any

    @property
    def variables(self) -> frozenset[str]:
        """The first words of the variables that it reads, such as `request`."""
        bare = _QUOTED.sub(" ", self.source)
        roots = {name.partition(".")[0] for name in VARIABLES}
        return frozenset(root for root in roots if re.search(rf"\b{root}\b", bare))

    def holds(self, stage: Stage, exchange: Exchange) -> bool:
        """Return its value; any error but an absent header counts as true, so that the rule applies."""
        caller = exchange.caller
        data = {
            "request.method": exchange.method,
            "request.route": exchange.route,
            "request.headers": {name: exchange.headers.get(name, "") for name in self.headers},
            "model": exchange.model,
            "stage": stage.value,
            "caller.tenant": caller.tenant,
            "caller.key": caller.key,
            "caller.subject": caller.subject,
            "caller.roles": list(caller.roles),
        }
        try:
            return self.program.eval(data=data).value() is not False
        except (RuntimeError, TypeError, ValueError):  # what the binding raises, such as for a spent iteration budget
            return True


def compile_condition(source: str) -> CelCondition:
    """Return the compiled expression.

    Raises:
        BadCondition: Where it is too long, does not parse, does not type-check or reads headers in another way than by name.
    """
    if len(source) > MAX_LENGTH:
        raise BadCondition([Fault(1, 1, f"at most {MAX_LENGTH:,} characters", f"{len(source):,}")])
    headers, faults = _headers_read(source)
    try:
        program = _environment().compile(source)
    except RuntimeError as error:
        raise BadCondition([*faults, *_faults(str(error))]) from None
    kind = str(program.return_type())
    if kind not in ("BOOL", "DYN"):
        faults.append(Fault(1, 1, "a condition that is true or false", f"one of type {kind.lower()}"))
    if faults:
        raise BadCondition(faults)
    return CelCondition(source, headers, program)


@cache
def _environment() -> Any:  # noqa: ANN401
    """Return the CEL environment; imported only where a policy has a condition."""
    from cel_expr_python import cel

    types = {
        "string": cel.Type.STRING,
        "map(string, string)": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
        "list(string)": cel.Type.List(cel.Type.STRING),
    }
    return cel.NewEnv(variables={name: types[kind] for name, kind in VARIABLES.items()})


_QUOTED = re.compile(
    r"""//[^\n]* | [rRbB]{0,2} (?: \"{3}.*?\"{3} | '{3}.*?'{3} | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )""",
    re.VERBOSE | re.DOTALL,
)
_HEADERS = re.compile(r"\brequest\s*\.\s*headers\b")
_NAME = re.compile(r"""\s*\[\s*(["'])([A-Za-z0-9!#$%&'*+.^_`|~-]+)\1\s*\]""")


def _headers_read(source: str) -> tuple[tuple[str, ...], list[Fault]]:
    """Return the names of the headers that an expression reads, and what is wrong with how it reads them."""
    bare = _QUOTED.sub(lambda match: " " * len(match[0]), source)
    names: dict[str, None] = {}
    faults: list[Fault] = []
    for use in _HEADERS.finditer(bare):
        place = source.count("\n", 0, use.start()) + 1, use.start() - source.rfind("\n", 0, use.start())
        name = _NAME.match(source, use.end())
        if name is None:
            hint = 'an absent header reads as "", so compare with ""'
            expected = 'a header by its name, such as request.headers["x-audience"]'
            faults.append(Fault(*place, expected, "the headers as a whole", hint))
        elif name[2] != name[2].lower():
            faults.append(
                Fault(*place, "a header's name in lower case", quoted(name[2]), f'write request.headers["{name[2].lower()}"]')
            )
        else:
            names[name[2]] = None
    return tuple(names), faults


_REPORT = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


def _faults(report: str) -> Iterator[Fault]:
    """Read the compiler's report, which has one line `ERROR: <input>:LINE:COLUMN: MESSAGE` for each mistake."""
    found = _REPORT.findall(report)
    if not found:
        yield Fault(1, 1, "valid CEL", report.partition("[")[0].partition(": ")[2].strip() or "something else")
    for line, column, said in found:
        unknown = re.search(r"undeclared reference to '([^']+)'", said)
        expected = "a known variable or function" if unknown else "valid CEL"
        got = unknown[1] if unknown else said.partition(" expecting ")[0].removeprefix("Syntax error: ")
        hint = (did_you_mean(got, VARIABLES) or f"known: {', '.join(VARIABLES)}") if unknown else ""
        yield Fault(int(line), max(1, int(column)), expected, got[:200], hint)
