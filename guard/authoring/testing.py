"""Run the tests that stand beside a policy: `NAME_test.yaml` for `NAME.yaml`.

A test shows the guard a text, a conversation or a streamed answer, and says what is expected of the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guard.asking import pump_sync
from guard.engine import Guard, new_exchange
from guard.errors import PolicyError, Problem
from guard.formats.base import Piece, Text
from guard.judging import Judgement
from guard.policy.node import Node
from guard.policy.schema import ROLE_WORDS
from guard.policy.shapes import Field, ListOf, Record, Shape, Truth, Word, did_you_mean
from guard.policy.shapes import Text as TextShape
from guard.policy.yaml_source import read_file
from guard.text_stream import TextStream
from guard.values import Action, Decision, Role, Stage

_ANY_TEXT = TextShape("a text", pattern=r"(?s).*", longest=200_000)
_MESSAGE = Record(
    {
        "role": Field(Word(tuple(ROLE_WORDS)), "whose words", required=True),
        "content": Field(_ANY_TEXT, "the words", required=True),
    }
)
EXPECT = Record(
    {
        "action": Field(Word(("allow", "flag", "redact", "block")), "the decision's action"),
        "rules": Field(ListOf(TextShape("the id of a rule")), "the rules that fire: exactly these, in any order"),
        "categories": Field(ListOf(TextShape("a category")), "categories that some rule that fires has found"),
        "released": Field(_ANY_TEXT, "the text that leaves"),
    }
)
"""What a test may expect; the documentation's table is held to it."""

TEST = Record(
    {
        "name": Field(TextShape("a sentence"), "what the test shows", required=True),
        "input": Field(_ANY_TEXT, "a text on its way in"),
        "output": Field(_ANY_TEXT, "a text on its way out"),
        "messages": Field(ListOf(_MESSAGE), "a conversation on its way in"),
        "role": Field(Word(tuple(ROLE_WORDS)), "whose words `input` or `output` is"),
        "stream": Field(Truth(), "whether `output` is streamed, one character at a time"),
        "expect": Field(EXPECT, "what is expected", required=True),
    }
)
"""What a test may say."""

TESTS: Shape = Record({"tests": Field(ListOf(TEST), "the tests", required=True)})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one test.

    Attributes:
        failures: One sentence for each expectation that was not met; empty where it passed.
    """

    name: str
    where: str
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every expectation was met."""
        return not self.failures


def tests_beside(policy: Path) -> Path:
    """Return where the tests of a policy file stand."""
    return policy.with_name(f"{policy.stem}_test.yaml")


def run_tests(guard: Guard, tests: Path) -> list[Outcome]:
    """Run every test of a file, in order.

    Raises:
        PolicyError: Where the file has mistakes, all of them.
    """
    problems: list[Problem] = []
    document = TESTS.check(read_file(tests, str(tests)), problems)
    entries = [] if problems else [node for node in _list(document, "tests") if isinstance(node.value, dict)]
    for entry in entries:
        _check_entry(entry, guard, problems)
    if problems:
        raise PolicyError(problems)
    return [_run(entry, guard) for entry in entries]


def _check_entry(entry: Node, guard: Guard, problems: list[Problem]) -> None:
    given = [key for key in ("input", "output", "messages") if _get(entry, key)]
    if len(given) != 1:
        problems.append(entry.problem("exactly one of `input`, `output` and `messages`", ", ".join(given) or "none"))
    if _get(entry, "stream") and "output" not in given:
        problems.append(entry.problem("`stream` only beside `output`"))
    known = [rule.id for rule in guard.policy.rules]
    expect = _get(entry, "expect")
    for rule in _list(expect, "rules") if expect else ():
        if rule.value not in known:
            problems.append(rule.problem("the id of a rule of this policy", hint=did_you_mean(str(rule.value), known)))


def _run(entry: Node, guard: Guard) -> Outcome:
    stage = Stage.OUTPUT if _get(entry, "output") else Stage.INPUT
    if _word(entry, "stream"):
        decision, released = _streamed(guard, str(_word(entry, "output")))
    else:
        texts = _texts(entry, stage)
        judged = guard.judge_sync(texts, stage, new_exchange())
        decision, released = judged.decision, _released(texts, judged)
    expect = _get(entry, "expect")
    failures = _failures(expect, guard, decision, released) if expect else []
    return Outcome(str(_word(entry, "name")), f"{entry.where}:{entry.line}", tuple(failures))


def _failures(expect: Node, guard: Guard, decision: Decision, released: str) -> list[str]:
    failures = []
    action = _word(expect, "action")
    if action and decision.action is not Action[str(action).upper()]:
        failures.append(f"action: expected {action}, got {decision.action.word} (rules: {', '.join(decision.rules) or 'none'})")
    if _get(expect, "rules"):
        wanted = sorted(str(node.value) for node in _list(expect, "rules"))
        if wanted != sorted(decision.rules):
            failures.append(f"rules: expected {wanted}, got {sorted(decision.rules)}")
    fired = [rule for rule in guard.policy.rules if rule.id in decision.rules]
    found = {finding.category for finding in decision.findings if any(rule.matches(finding) for rule in fired)}
    missing = sorted(str(node.value) for node in _list(expect, "categories") if node.value not in found)
    if missing:
        failures.append(f"categories: expected {missing}, got {sorted(found)}")
    wanted_text = _word(expect, "released")
    if _get(expect, "released") and wanted_text != released:
        failures.append(f"released: expected {wanted_text!r}, got {released!r}")
    return failures


def _texts(entry: Node, stage: Stage) -> tuple[Text, ...]:
    messages = _list(entry, "messages")
    if messages:
        return tuple(
            Text((Piece(f"/{turn}", str(_word(node, "content"))),), _role(node, Role.USER), turn=turn)
            for turn, node in enumerate(messages)
        )
    whose = _role(entry, Role.USER if stage is Stage.INPUT else Role.ASSISTANT)
    return (Text((Piece("", str(_word(entry, stage.value))),), whose),)


def _role(node: Node, default: Role) -> Role:
    word = _word(node, "role")
    if not word:
        return default
    return Role.TOOL_RESULT if word == "tool" else Role(str(word))


def _released(texts: Sequence[Text], judged: Judgement) -> str:
    if judged.decision.action is Action.BLOCK:
        return ""
    return "\n".join(judged.changes.get(piece.pointer, piece.text) for text in texts for piece in text.pieces)


def _streamed(guard: Guard, text: str) -> tuple[Decision, str]:
    stream = TextStream(guard.judge_of(new_exchange()))
    released = "".join(pump_sync(stream, text, guard.detectors))
    return stream.judge.decision, released


def _get(node: Node, key: str) -> Node | None:
    return node.value.get(key) if isinstance(node.value, dict) else None


def _word(node: Node, key: str) -> object:
    found = _get(node, key)
    return found.value if found else None


def _list(node: Node, key: str) -> Sequence[Node]:
    found = _get(node, key)
    return found.value if found and isinstance(found.value, list) else ()
