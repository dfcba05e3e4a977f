"""What every service owes, each against a server that speaks its format."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest
from service_cases import CASES, ENVIRONMENT, Case
from service_formats import BAD, KEY, Speaking, speaking

from guard.detectors.registry import kinds
from guard.engine import Guard, new_exchange
from guard.errors import DetectorError
from guard.policy.load import loads
from guard.values import Action, Finding, Item, Location, Role, Stage

USES = pytest.mark.parametrize("use", CASES)
GOOD = "What a lovely morning it is."
WORSE = f"You are an {BAD} person."


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture
def server(use: str) -> Iterator[tuple[Case, Speaking, str]]:
    with speaking(CASES[use].answer) as (app, url):
        yield CASES[use], app, url


Server = tuple[Case, Speaking, str]


def scores(findings: list[Finding]) -> dict[str, float]:
    return {finding.category: round(finding.score, 3) for finding in findings}


@USES
def test_a_policy_blocks_what_the_service_finds_and_nothing_else(server: Server):
    case, _, url = server
    policy = {
        "version": 1,
        "name": "tested",
        "detectors": {"asked": {"use": case.use, **case.at(url)}},
        "rules": [{"id": "kind", "detect": "asked", "category": case.finds, "threshold": 0.7, "action": "block"}],
    }
    guard = Guard(loads(json.dumps(policy), kinds()))
    assert asyncio.run(guard.check(WORSE)).action is Action.BLOCK
    assert guard.check_sync(WORSE, "output").rules == ("kind",)
    decision = asyncio.run(guard.check(GOOD))
    assert (decision.action, decision.failed) == (Action.ALLOW, ())


@USES
def test_findings_carry_the_place_and_the_speaker_and_known_categories(server: Server):
    case, _, url = server
    detector = case.made(url)
    item = Item(WORSE, Stage.OUTPUT, Role.TOOL_RESULT, Location("/a", 1))
    [findings] = detector.detect([item])
    assert case.finds in {finding.category for finding in findings}
    assert {finding.category for finding in findings} <= set(detector.categories)
    assert {(finding.detector, finding.location, finding.role) for finding in findings} == {("own", item.location, item.role)}


@USES
def test_a_text_scores_the_same_alone_and_in_company(server: Server):
    case, _, url = server
    detector = case.made(url)
    texts = [GOOD, WORSE, "Плохо. 你好。", GOOD * 40, "e" * 3_000, "half a \ud800 pair"]
    together = detector.detect([Item(text) for text in texts])
    assert [scores(findings) for findings in together] == [scores(detector.detect([Item(text)])[0]) for text in texts]
    assert [case.finds in scores(findings) and scores(findings)[case.finds] > 0.7 for findings in together] == [
        text is WORSE for text in texts
    ]


@USES
def test_blank_texts_are_not_sent(server: Server):
    case, app, url = server
    assert case.made(url).detect([Item(""), Item(" \n\t "), Item("\u200b\u200b")]) == [[], [], []]
    assert case.made(url).detect([]) == []
    assert app.seen == []


@USES
@pytest.mark.parametrize("where", [0.0, 0.37, 1.0])
def test_a_long_text_is_cut_into_pieces_that_the_service_takes_and_its_highest_score_counts(server: Server, where: float):
    case, app, url = server
    words = ["word"] * (case.longest // 2)
    words.insert(round(len(words) * where), BAD)
    [findings] = case.made(url).detect([Item(" ".join(words))])
    assert scores(findings)[case.finds] > 0.7
    assert max(len(text) for asked in app.seen for text in strings(json.loads(asked.body))) <= case.longest
    assert len(app.seen) > 1 or case.made(url).batch > 1


def strings(tree: object) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from strings(child)


@USES
def test_a_word_on_the_border_of_two_pieces_is_seen_whole(server: Server):
    case, _, url = server
    detector = case.made(url, longest=100)
    assert all(scores(detector.detect([Item("x" * lead + BAD + "y" * 300)])[0])[case.finds] > 0.7 for lead in range(60, 200, 7))


@USES
def test_a_megabyte_is_judged(server: Server):
    case, _, url = server
    [findings] = case.made(url).detect([Item("a" * 1_000_000 + BAD)])
    assert scores(findings)[case.finds] > 0.7


@USES
def test_pieces_of_mere_context_are_not_sent(server: Server):
    case, app, url = server
    context = "b" * 500
    detector = case.made(url, longest=100)
    detector.detect([Item(context + GOOD, judged_from=len(context))])
    sent = [text for asked in app.seen for text in strings(json.loads(asked.body)) if "bb" in text or "lovely" in text]
    assert sum(map(len, sent)) < 300
    assert any("lovely" in text for text in sent)


@USES
def test_a_text_that_hides_behind_invisible_characters_is_sent_as_it_reads(server: Server):
    case, _, url = server
    assert scores(case.made(url).detect([Item("A\u200bW\u200bF\u00adU\u200bL")])[0])[case.finds] > 0.7


@USES
def test_it_may_be_asked_from_a_loop_of_somebody_else_s(server: Server):
    case, _, url = server
    [findings] = asyncio.run(case.made(url).detect_async([Item(WORSE)]))
    assert case.finds in scores(findings)


@USES
def test_whole_texts_are_judged_where_the_policy_says_so(server: Server):
    case, _, url = server
    assert type(case.made(url, reach="whole").needs.reach).__name__ == "WholeReach"
    assert case.made(url, after=50, most=90, context=10).needs.reach.most == 90


@pytest.mark.parametrize("use", [use for use, case in CASES.items() if "key_env" in case.options])
def test_a_key_that_is_missing_or_no_header_s_is_told_by_its_name(server: Server, monkeypatch: pytest.MonkeyPatch):
    case, app, url = server
    for value, problem in (("", "is not set"), (f"{KEY}\nx: y", "a character that no header may have")):
        monkeypatch.setenv("SERVICE_KEY", value)
        with pytest.raises(DetectorError, match=f"SERVICE_KEY .*{problem}") as raised:
            case.made(url).detect([Item(GOOD)])
        assert KEY not in str(raised.value)
    assert app.seen == []


@pytest.mark.parametrize("use", ["openai", "perspective"])
def test_a_server_of_one_s_own_is_not_sent_the_service_s_usual_key(server: Server, monkeypatch: pytest.MonkeyPatch):
    case, app, url = server
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("PERSPECTIVE_API_KEY", KEY)
    with pytest.raises(DetectorError, match="400"):
        kinds()[case.use].make("own", {"url": url + case.path}).detect([Item(GOOD)])
    assert KEY not in str(app.seen)
    app.wrong.clear()


@pytest.mark.parametrize("use", ["openai", "tei"])
def test_a_stream_is_judged_window_by_window_and_nothing_unjudged_leaves(server: Server):
    case, app, url = server
    rule = {"id": "kind", "detect": "asked", "category": case.finds, "threshold": 0.7, "action": "block"}
    detector = {"use": case.use, **case.at(url, after=20, most=60, context=20)}
    policy = {"version": 1, "name": "tested", "detectors": {"asked": detector}, "rules": [rule]}
    guard = Guard(loads(json.dumps(policy), kinds()))

    async def pieces() -> AsyncIterator[str]:
        for piece in f"All is well here, my friend. {WORSE} And so on. ".split(" "):
            yield f"{piece} "

    async def released() -> str:
        return "".join([piece async for piece in guard.guard_stream(pieces(), new_exchange(), lambda _: "[no]")])

    assert asyncio.run(released()) == "All is well here, my friend. [no]"
    assert len(app.seen) >= 2
