"""Conditions of rules: `when:` in CEL, the Common Expression Language (https://cel.dev).

An expression is compiled and type-checked when the policy is loaded. Headers are read as `request.headers["name"]` and in no
other way, so that an absent one can read as "" without a map that pretends to hold every name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from guard.policy.counting import Past
from guard.policy.node import quoted
from guard.policy.shapes import did_you_mean
from guard.values import Exchange, Finding, Stage

MAX_LENGTH = 2_000
MAX_NESTED = 2
"""How deep macros that go through a list may stand in each other; what one reads is bounded too."""
MAX_LISTED = 1_000
"""Entries of a list that a condition reads."""
VARIABLES: Mapping[str, str] = {
    "request.method": "string",
    "request.route": "string",
    "request.headers": "map(string, string)",
    "request.parameters": "map(string, dyn)",
    "model": "string",
    "stage": "string",
    "caller.tenant": "string",
    "caller.key": "string",
    "caller.subject": "string",
    "caller.roles": "list(string)",
    "languages": "list(string)",
    "turn": "int",
    "tools": "list(string)",
    "conversation.turns": "int",
    "conversation.actions": "list(string)",
    "conversation.rules": "list(string)",
    "finding.category": "string",
    "finding.detector": "string",
    "finding.score": "double",
    "finding.role": "string",
    "finding.length": "int",
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
        variables: The first words of the variables that it reads, such as `request`.
    """

    source: str
    headers: tuple[str, ...]
    program: Any
    variables: frozenset[str]

    @property
    def reads_findings(self) -> bool:
        """Whether its value may differ from finding to finding."""
        return "finding" in self.variables

    @property
    def reads_past(self) -> bool:
        """Whether it reads earlier decisions of the conversation."""
        return "conversation" in self.variables

    @property
    def set_by_clients(self) -> tuple[str, ...]:
        """What it reads that a client sets as it likes, so that it may tighten a policy and never loosen it."""
        bare = _bare(self.source)
        return (*self.headers, *(name for name, read in _SET_BY_CLIENTS.items() if read.search(bare)))

    def holds(self, stage: Stage, exchange: Exchange, past: Sequence[Past] = ()) -> bool:
        """Return its value; any error but an absent header counts as true, so that the rule applies."""
        return self._value(self._known(stage, exchange, past))

    def bound(self, stage: Stage, exchange: Exchange, past: Sequence[Past] = ()) -> Callable[[Finding], bool]:
        """Return what tells its value for each finding of an exchange."""
        known = self._known(stage, exchange, past)
        return lambda finding: self._value({**known, **_of_finding(finding)})

    def _known(self, stage: Stage, exchange: Exchange, past: Sequence[Past]) -> dict[str, Any]:
        """Return the values of the variables that it reads, but for those of a finding."""
        read = self.variables
        data: dict[str, Any] = {"stage": stage.value, "model": exchange.model}
        if "request" in read:
            data["request.method"] = exchange.method
            data["request.route"] = exchange.route
            data["request.headers"] = {name: exchange.headers.get(name, "") for name in self.headers}
            data["request.parameters"] = dict(exchange.parameters)
        if "caller" in read:
            data |= _of_caller(exchange)
        if not read.isdisjoint(("languages", "turn", "tools")):
            data |= {"languages": list(exchange.languages), "turn": exchange.turn, "tools": list(exchange.tools[:MAX_LISTED])}
        if "conversation" in read:
            data |= _of_conversation([each for each in past if each.id != exchange.id])
        return data

    def _value(self, data: Mapping[str, Any]) -> bool:
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
    faults += _too_deep(source)
    try:
        program = _environment().compile(source)
    except RuntimeError as error:
        raise BadCondition([*faults, *_faults(str(error))]) from None
    kind = str(program.return_type())
    if kind not in ("BOOL", "DYN"):
        faults.append(Fault(1, 1, "a condition that is true or false", f"one of type {kind.lower()}"))
    if faults:
        raise BadCondition(faults)
    bare = _bare(source)
    roots = {name.partition(".")[0] for name in VARIABLES}
    return CelCondition(source, headers, program, frozenset(root for root in roots if re.search(rf"\b{root}\b", bare)))


def _of_caller(exchange: Exchange) -> dict[str, Any]:
    caller = exchange.caller
    return {
        "caller.tenant": caller.tenant,
        "caller.key": caller.key,
        "caller.subject": caller.subject,
        "caller.roles": list(caller.roles[:MAX_LISTED]),
    }


def _of_conversation(past: Sequence[Past]) -> dict[str, Any]:
    return {
        "conversation.turns": len(past),
        "conversation.actions": [each.action.word for each in past[-MAX_LISTED:]],
        "conversation.rules": sorted({rule for each in past for rule in each.rules})[:MAX_LISTED],
    }


def _of_finding(finding: Finding) -> dict[str, Any]:
    return {
        "finding.category": finding.category,
        "finding.detector": finding.detector,
        "finding.score": float(finding.score),
        "finding.role": finding.role.value,
        "finding.length": finding.span.end - finding.span.start if finding.span else 0,
    }


@cache
def _environment() -> Any:  # noqa: ANN401
    """Return the CEL environment; imported only where a policy has a condition."""
    from cel_expr_python import cel

    types = {
        "string": cel.Type.STRING,
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "map(string, string)": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
        "map(string, dyn)": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
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
    bare = _bare(source)
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


_SET_BY_CLIENTS = {"request.parameters": re.compile(r"\brequest\s*\.\s*parameters\b"), "tools": re.compile(r"\btools\b")}
_MACRO = re.compile(r"\.\s*(all|exists|exists_one|existsOne|map|filter)\s*\(|[()]")


def _bare(source: str) -> str:
    """Return an expression with spaces in place of texts and remarks."""
    return _QUOTED.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), source)


def _too_deep(source: str) -> list[Fault]:
    """Return a fault where macros that go through lists stand too deep in each other."""
    open_brackets: list[bool] = []
    for match in _MACRO.finditer(_bare(source)):
        if match[0] == ")":
            if open_brackets:
                open_brackets.pop()
            continue
        open_brackets.append(bool(match[1]))
        if match[1] and sum(open_brackets) > MAX_NESTED:
            line = source.count("\n", 0, match.start()) + 1
            column = match.start() - source.rfind("\n", 0, match.start())
            expected = f"at most {MAX_NESTED} lists gone through in each other"
            return [Fault(line, column, expected, "more", "such a condition may cost too much; write it as several rules")]
    return []


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
