"""What stands in a file of tests beside a policy, `NAME_test.yaml`: the shape of a test, and tests as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from guard.errors import PolicyError, Problem
from guard.policy.model import Policy
from guard.policy.node import Node
from guard.policy.schema import ROLE_WORDS
from guard.policy.shapes import Anything, Field, ListOf, MapOf, Number, Record, Shape, Text, Truth, Word, did_you_mean
from guard.policy.timing import parsed_moment
from guard.policy.yaml_source import read_file
from guard.values import Action, Caller, Decision, Role, Stage

_UTC = ZoneInfo("UTC")

_ANY_TEXT = Text("a text", pattern=r"(?s).*", longest=200_000)
_NAME = Text("a name")
_MESSAGE = Record(
    {
        "role": Field(Word(tuple(ROLE_WORDS)), "whose words", required=True),
        "content": Field(_ANY_TEXT, "the words", required=True),
    }
)
_TOOL_CALL = Record(
    {
        "name": Field(_NAME, "the tool", required=True),
        "arguments": Field(Anything("a mapping"), "what it is called with", required=True),
    }
)
_CALLER = Record(
    {
        "tenant": Field(_NAME, "whose key it is"),
        "key": Field(_NAME, "the key's id"),
        "subject": Field(_NAME, "on whose behalf"),
        "roles": Field(ListOf(_NAME, single=True), "what the key may do"),
    }
)
_PAST = Record(
    {
        "rules": Field(ListOf(Text("the id of a rule"), single=True), "the rules that fired", default=[]),
        "action": Field(Word(tuple(action.word for action in Action)), "the decision's action", default="flag"),
    }
)
REQUEST = Record(
    {
        "method": Field(_NAME, "of HTTP"),
        "route": Field(_NAME, "the path"),
        "headers": Field(MapOf(_NAME, _ANY_TEXT), "as the client sends them"),
        "model": Field(_NAME, "the model that is asked for"),
        "caller": Field(_CALLER, "who is calling"),
        "at": Field(Text("a moment, such as `2026-12-24T23:00+01:00`"), "when it comes, for schedules; now where absent"),
        "languages": Field(ListOf(_NAME, single=True), "what the user writes in; heard from the text where absent"),
        "turn": Field(Number(0, 100_000, integer=True), "how many times the user has spoken"),
        "tools": Field(ListOf(_NAME), "names of the tools that it offers"),
        "parameters": Field(MapOf(_NAME, Anything("a number, a truth value or a text")), "such as `temperature`"),
        "past": Field(ListOf(_PAST), "what the earlier exchanges of the conversation came to, oldest first"),
    }
)
"""What a test may say about the request, for rules with a condition; the documentation's table is held to it."""

EXPECT = Record(
    {
        "action": Field(Word(("allow", "flag", "redact", "revise", "block")), "the decision's action"),
        "rules": Field(ListOf(Text("the id of a rule")), "the rules that fire: exactly these, in any order"),
        "categories": Field(ListOf(Text("a category")), "categories that some rule that fires has found"),
        "spans": Field(ListOf(_ANY_TEXT), "texts that some rule that fires has found, as they stand in what is judged"),
        "released": Field(_ANY_TEXT, "the text that leaves"),
        "message": Field(_ANY_TEXT, "what the client is told where the action is block"),
    }
)
"""What a test may expect; the documentation's table is held to it."""

TEST = Record(
    {
        "name": Field(Text("a sentence"), "what the test shows", required=True),
        "input": Field(_ANY_TEXT, "a text on its way in"),
        "output": Field(_ANY_TEXT, "a text on its way out"),
        "messages": Field(ListOf(_MESSAGE, empty=False), "a conversation on its way in"),
        "tool_calls": Field(ListOf(_TOOL_CALL, empty=False), "calls of tools on their way out"),
        "image": Field(Text("the path of an image"), "an image on its way in, relative to this file"),
        "role": Field(Word(tuple(ROLE_WORDS)), "whose words `input` or `output` is"),
        "prompt": Field(_ANY_TEXT, "the question that `output` answers"),
        "stream": Field(Truth(), "whether `output` is streamed: one character at a time, and cut in two at every place"),
        "request": Field(REQUEST, "what is known of the request, for rules with a condition"),
        "scores": Field(
            MapOf(_NAME, MapOf(Text("a category"), Number(0, 1))),
            "scores by detector and category, with which these detectors answer instead of judging",
        ),
        "expect": Field(EXPECT, "what is expected", required=True),
    }
)
"""What a test may say; the documentation's table is held to it."""

TESTS: Shape = Record({"tests": Field(ListOf(TEST), "the tests", required=True)})
"""The file."""

GIVEN = ("input", "output", "messages", "tool_calls", "image")
"""What a test shows the guard: one of these."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of the request in a test."""

    method: str = ""
    route: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    caller: Caller = Caller()
    at: float = 0.0
    languages: tuple[str, ...] = ()
    turn: int = 0
    tools: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    past: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What a test expects; what is None is not looked at."""

    action: str | None = None
    rules: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    spans: tuple[str, ...] | None = None
    released: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One test.

    Attributes:
        where: `FILE:LINE`.
        given: One of `GIVEN`.
        text: Of `input` and `output`; the path of `image`, made absolute.
        messages: Role and words of each turn.
        tool_calls: Name and arguments of each call.
        scores: By detector and category: what these detectors answer.
    """

    name: str
    where: str
    given: str
    text: str = ""
    messages: tuple[tuple[Role, str], ...] = ()
    tool_calls: tuple[tuple[str, Any], ...] = ()
    role: Role | None = None
    prompt: str = ""
    stream: bool = False
    asked: Asked = Asked()
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    expected: Expected = Expected()

    @property
    def stage(self) -> Stage:
        """On which way what it shows is."""
        return Stage.OUTPUT if self.given in ("output", "tool_calls") else Stage.INPUT


def tests_beside(policy: Path) -> Path:
    """Return where the tests of a policy file stand."""
    return policy.with_name(f"{policy.stem}_test.yaml")


def read_cases(tests: Path, policy: Policy) -> list[Case]:
    """Return the tests of a file, in order.

    Raises:
        PolicyError: Where the file has mistakes, all of them; rules and detectors that it names are those of `policy`.
    """
    problems: list[Problem] = []
    document = TESTS.check(read_file(tests, str(tests)), problems)
    entries = [] if problems else [node for node in _list(document, "tests") if isinstance(node.value, dict)]
    for entry in entries:
        _check(entry, policy, tests.parent, problems)
    if problems:
        raise PolicyError(problems)
    return [_case(entry, tests.parent) for entry in entries]


def _check(entry: Node, policy: Policy, folder: Path, problems: list[Problem]) -> None:
    given = [key for key in GIVEN if _get(entry, key)]
    if len(given) != 1:
        problems.append(
            entry.problem("exactly one of `input`, `output`, `messages`, `tool_calls` and `image`", ", ".join(given) or "none")
        )
    for key, beside in (("stream", ("output",)), ("prompt", ("output", "tool_calls")), ("role", ("input", "output"))):
        found = _get(entry, key)
        if found and not set(given) & set(beside):
            problems.append(entry.keys[key].problem(f"`{key}` only beside {' or '.join(f'`{word}`' for word in beside)}"))
    image = _get(entry, "image")
    if image and not (folder / str(image.value)).is_file():
        problems.append(image.problem("the path of a file, relative to this one"))
    rules, detectors = [rule.id for rule in policy.rules], list(policy.detectors)
    expect, scores = _get(entry, "expect"), _get(entry, "scores")
    for rule in _list(expect, "rules") if expect else ():
        if rule.value not in rules:
            problems.append(rule.problem("the id of a rule of this policy", hint=did_you_mean(str(rule.value), rules)))
    request = _get(entry, "request")
    if request:
        _check_request(request, rules, problems)
    for name, written in scores.keys.items() if scores else ():
        if name not in detectors:
            problems.append(written.problem("the name of a detector of this policy", hint=did_you_mean(name, detectors)))


def _check_request(request: Node, rules: Sequence[str], problems: list[Problem]) -> None:
    at = _get(request, "at")
    if at and parsed_moment(str(at.value), _UTC) is None:
        problems.append(at.problem("a moment of ISO 8601, such as `2026-12-24T23:00+01:00`"))
    for each in _list(request, "past"):
        for rule in _list(each, "rules"):
            if rule.value not in rules:
                problems.append(rule.problem("the id of a rule of this policy", hint=did_you_mean(str(rule.value), rules)))


def _case(entry: Node, folder: Path) -> Case:
    given = next(key for key in GIVEN if _get(entry, key))
    plain = entry.plain
    role = plain.get("role")
    return Case(
        name=plain["name"],
        where=f"{entry.where}:{entry.line}",
        given=given,
        text=str(folder / plain["image"]) if given == "image" else plain.get("input", plain.get("output", "")),
        messages=tuple((_role(turn["role"]), turn["content"]) for turn in plain.get("messages", ())),
        tool_calls=tuple((call["name"], call["arguments"]) for call in plain.get("tool_calls", ())),
        role=_role(role) if role else None,
        prompt=plain.get("prompt", ""),
        stream=plain.get("stream", False),
        asked=_asked(plain.get("request", {})),
        scores=plain.get("scores", {}),
        expected=_expected(plain["expect"]),
    )


def _asked(said: Mapping[str, Any]) -> Asked:
    caller = said.get("caller", {})
    roles = caller.get("roles", ())
    who = {**caller, "roles": (roles,) if isinstance(roles, str) else tuple(roles)}
    headers = {name.lower(): value for name, value in said.get("headers", {}).items()}
    languages = said.get("languages", ())
    past = tuple(
        Decision(Action[each.get("action", "flag").upper()], _several(each.get("rules", ()))) for each in said.get("past", ())
    )
    moment = parsed_moment(said["at"], _UTC) if "at" in said else None
    known = {"at": moment.timestamp() if moment else 0.0, "languages": _several(languages), "past": past}
    return Asked(**{**said, "headers": headers, "caller": Caller(**who), "tools": tuple(said.get("tools", ())), **known})


def _several(words: str | Sequence[str]) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def _expected(said: Mapping[str, Any]) -> Expected:
    lists: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    return Expected(**lists)


def _role(word: str) -> Role:
    return Role.TOOL_RESULT if word == "tool" else Role(word)


def _get(node: Node, key: str) -> Node | None:
    return node.value.get(key) if isinstance(node.value, dict) else None


def _list(node: Node, key: str) -> Sequence[Node]:
    found = _get(node, key)
    return found.value if found and isinstance(found.value, list) else ()
