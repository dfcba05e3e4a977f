"""`POST /guard/feedback`: what is taken, from whom, and what is refused; over real sockets, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from feedback_server import CLEAN, FEEDBACK, SECRET, Served, code, feedback_server, rows
from typer.testing import CliRunner

from guard.cli.main import app
from guard.errors import StoreError
from guard.feedback.rates import Rate, Rates
from guard.feedback.taking import FeedbackSettings
from guard.store import schema
from guard.store.sources import sources, trust
from guard.store.store import Store


@pytest.fixture
def guarded(store: Store) -> Iterator[Served]:
    store.keys.create("", ["admin"])
    with feedback_server(store) as running:
        yield running


def test_whoever_has_an_exchanges_token_may_say_what_it_was_worth(guarded: Served):
    exchange, token = guarded.ask(user="anna")
    said = {
        "exchange": exchange,
        "token": token,
        "thumb": "down",
        "category": "hate",
        "comment": "No 'rivers'; DROP TABLE feedback",
    }
    answer = guarded.post(said)
    assert answer.status_code == 202
    thumb, category = guarded.rows(exchange_id=exchange)
    assert answer.json()["kinds"] == {"thumb": thumb.id, "category": category.id}
    assert answer.json()["id"] == thumb.id
    assert (thumb.kind, thumb.value, thumb.status) == ("thumb", -1.0, "new")
    assert (category.kind, category.value, category.category) == ("category", 1.0, "hate")
    assert thumb.subject == guarded.store.pseudonym("subject", "", "anna")
    assert guarded.store.feedback.find("", thumb.id).comment == said["comment"]
    assert thumb.source_kind == "client"
    assert "anna" not in thumb.source


def test_each_way_to_say_something_has_its_row(store: Store):
    said = datetime.now(timezone(timedelta(hours=2))) - timedelta(days=1)
    with feedback_server(store, choices=3) as guarded:
        exchange, token = guarded.ask(n=3)
        answers = guarded.post(
            [
                {"exchange": exchange, "token": token, "score": 0.25, "category": "harassment/threatening", "choice": 2},
                {"exchange": exchange, "token": token, "correction": "It flows 🌊 uphill.", "said": said.isoformat()},
                {"exchange": exchange, "token": token, "preferred": 1, "over": [0, 2]},
                {"exchange": exchange, "token": token, "appeal": True, "category": "violence"},
                {"exchange": exchange, "token": token, "edited": True},
                {"exchange": exchange, "token": token, "comment": "Hm."},
            ]
        )
    assert answers.status_code == 202, answers.text
    found = {row.kind: row for row in guarded.rows()}
    assert list(found) == ["score", "correction", "preference", "appeal", "edit", "comment"]
    assert (found["score"].value, found["score"].category, found["score"].choice) == (0.25, "harassment/threatening", 2)
    assert found["correction"].said == round(said.timestamp() * 1_000_000)
    assert (found["preference"].preferred, found["preference"].compared) == (1, [0, 2])
    assert found["appeal"].category == "violence"
    stored = {each.kind: each for each in guarded.store.feedback.every("")}
    assert stored["correction"].correction == "It flows 🌊 uphill."
    assert stored["comment"].comment == "Hm."


def test_feedback_is_taken_before_its_exchange_is_written_and_by_another_process(store: Store, opened: Any):
    with feedback_server(store) as first, feedback_server(opened()) as second:
        store.keys.create("", ["admin"])
        exchange, token = first.ask()
        assert second.post({"exchange": exchange, "token": token, "thumb": "up"}).status_code == 202
        store.writer.flush()
        assert store.exchanges.find("", exchange) is not None
        assert [row.exchange_id for row in first.rows()] == [exchange]


def test_a_key_may_speak_about_every_exchange_of_its_tenant_and_of_no_other(guarded: Served):
    acme, other = guarded.key(tenant="acme"), guarded.key(tenant="other")
    exchange, token = guarded.ask(key=acme)
    assert guarded.post({"exchange": exchange, "thumb": "up"}, acme).status_code == 202
    unknown = guarded.post({"exchange": "ex_0123", "thumb": "up"}, acme)
    theirs = guarded.post({"exchange": exchange, "thumb": "up"}, other)
    assert code(unknown) == code(theirs) == (404, "unknown_exchange")
    assert unknown.content == theirs.content
    assert code(guarded.post({"exchange": exchange, "token": token, "thumb": "up"}, other)) == (404, "unknown_exchange")
    assert guarded.post({"exchange": exchange, "token": token, "thumb": "up"}).status_code == 202
    assert {row.tenant for row in guarded.rows()} == {"acme"}
    assert code(guarded.post({"exchange": exchange, "thumb": "up"}, guarded.key("viewer"))) == (403, "insufficient_role")
    reviewer = guarded.key("reviewer", tenant="acme")
    assert guarded.post({"exchange": exchange, "thumb": "up"}, reviewer).status_code == 202
    assert [row.source_kind for row in guarded.rows()] == ["application", "client", "reviewer"]


def test_an_exchange_that_another_process_wrote_is_known_to_keys(store: Store, opened: Any):
    with feedback_server(store) as first, feedback_server(opened()) as second:
        key = first.key()
        exchange, _ = first.ask()
        store.writer.flush()
        assert second.post({"exchange": exchange, "thumb": "up"}, key).status_code == 202


def test_without_token_and_key_nothing_is_taken_once_there_are_keys(guarded: Served):
    exchange, token = guarded.ask()
    assert code(guarded.post({"exchange": exchange, "thumb": "up"})) == (401, "missing_key")
    assert (
        code(guarded.post([{"exchange": exchange, "token": token, "thumb": "up"}, {"exchange": exchange, "thumb": "up"}]))[0]
        == 401
    )
    assert guarded.rows() == []
    assert guarded.post({"exchange": exchange, "thumb": "up"}, x_guard_feedback_token=token).status_code == 202


def test_without_keys_this_machine_itself_may_speak_and_a_web_page_only_with_a_token(store: Store):
    with feedback_server(store) as guarded:
        exchange, token = guarded.ask()
        assert guarded.post({"exchange": exchange, "thumb": "up"}).status_code == 202
        page = {"origin": "https://evil.example"}
        assert code(guarded.post({"exchange": exchange, "thumb": "up"}, **page)) == (403, "not_local")
        answer = guarded.post({"exchange": exchange, "token": token, "thumb": "up"}, **page)
        assert answer.status_code == 202
        assert not any(name.startswith("access-control") for name in answer.headers)
        assert httpx.options(guarded.address + FEEDBACK, headers=page).status_code == 403


def test_a_forged_a_replayed_and_an_expired_token_are_refused(store: Store):
    with feedback_server(store, FeedbackSettings(days=-1)) as late:
        old, expired = late.ask()
        assert code(late.post({"exchange": old, "token": expired, "thumb": "up"})) == (401, "expired_token")
    with feedback_server(store) as guarded:
        exchange, token = guarded.ask()
        other, _ = guarded.ask()
        forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
        for name, shown in ((exchange, forged), (other, token), (exchange, ""), (exchange, "x" * 5_000), (exchange, "é")):
            assert code(guarded.post({"exchange": name, "token": shown, "thumb": "up"})) == (401, "invalid_token")
    assert guarded.rows() == []


def test_the_same_idempotency_key_is_there_once_and_with_other_words_refused(guarded: Served):
    exchange, token = guarded.ask()
    said = {"exchange": exchange, "token": token, "thumb": "up", "category": "hate", "comment": "fine"}
    first, second = (guarded.post(said, idempotency_key="a b") for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 200)
    assert {**first.json(), "repeated": True} == second.json()
    assert guarded.post({**said, "idempotency_key": "a b"}).status_code == 200
    assert len(guarded.rows()) == 2
    for other in ({"thumb": "down"}, {"comment": "not so fine"}, {"score": 0.5}, {"choice": 0}):
        assert code(guarded.post({**said, **other}, idempotency_key="a b")) == (409, "idempotency_key_used")
    assert len(guarded.rows()) == 2
    key = guarded.key()
    assert guarded.post({"exchange": exchange, "thumb": "down"}, key, idempotency_key="a b").status_code == 202


def test_of_a_list_each_is_answered_for_itself(guarded: Served):
    exchange, _ = guarded.ask()
    key = guarded.key()
    said = [{"exchange": exchange, "thumb": "up"}, {"exchange": "ex_none", "thumb": "up"}, {"exchange": exchange, "score": 1}]
    first = guarded.post(said, key, idempotency_key="list")
    assert first.status_code == 207
    assert [each.get("error", {}).get("code") for each in first.json()["feedback"]] == [None, "unknown_exchange", None]
    again = guarded.post([said[0], said[2]], key, idempotency_key="other")
    assert again.status_code == 202
    assert guarded.post([said[0], said[2]], key, idempotency_key="other").status_code == 200
    assert [row.kind for row in guarded.rows()] == ["thumb", "score", "thumb", "score"]


@pytest.mark.parametrize(
    ("said", "status", "error", "where"),
    [
        ({"thumb": "sideways"}, 400, "invalid_feedback", "thumb: expected up or down"),
        ({"thumb": 1}, 400, "invalid_feedback", "thumb: expected"),
        ({"score": 1.5}, 400, "invalid_feedback", "score: expected a number from 0 to 1"),
        ({"score": True}, 400, "invalid_feedback", "score"),
        ({"category": "DROP TABLE; --"}, 400, "invalid_feedback", "category: expected the name"),
        ({"thumb": "up", "thumbs": "up"}, 400, "invalid_feedback", "got thumbs"),
        ({"thumb": "up", "my secret words": 1}, 400, "invalid_feedback", "got another field"),
        ({"thumb": "up", "choice": 1}, 400, "wrong_choice", "choice: expected 0"),
        ({"thumb": "up", "choice": -1}, 400, "invalid_feedback", "choice"),
        ({"preferred": 0, "over": [3]}, 400, "wrong_choice", "choice"),
        ({"preferred": 0, "over": [0]}, 400, "invalid_feedback", "over"),
        ({"over": [0]}, 400, "invalid_feedback", "expected `preferred`"),
        ({"comment": "x" * 8_193}, 413, "too_long", "comment: expected at most 8,192"),
        ({"correction": "x" * 65_537}, 413, "too_long", "correction: expected at most 65,536"),
        ({"comment": " \n"}, 400, "invalid_feedback", "comment"),
        ({"thumb": "up", "said": 4_000_000_000}, 400, "clock_skew", "in the future"),
        ({"thumb": "up", "said": "2001-01-01T00:00:00Z"}, 400, "clock_skew", "more than a year ago"),
        ({"thumb": "up", "said": "2026-01-01"}, 400, "invalid_feedback", "said"),
        ({"thumb": "up", "idempotency_key": ""}, 400, "invalid_feedback", "idempotency_key"),
        ({"thumb": "up", "idempotency_key": "x" * 300}, 400, "invalid_feedback", "idempotency_key"),
        ({"appeal": False}, 400, "invalid_feedback", "expected something that is said"),
        ({}, 400, "invalid_feedback", "expected something that is said"),
        ({"exchange": "'; --", "thumb": "up"}, 400, "invalid_feedback", "exchange"),
    ],
)
def test_bad_feedback_is_refused_with_the_place_and_none_of_its_words(
    guarded: Served, said: dict[str, Any], status: int, error: str, where: str
):
    exchange, token = guarded.ask()
    for body, place in (
        ({"exchange": exchange, "token": token, **said}, ""),
        ([{"exchange": exchange, "token": token, **said}], "[0]"),
    ):
        answer = guarded.post(body)
        assert code(answer) == (status, error)
        message = answer.json()["error"]["message"]
        assert where in message
        assert place in message
        assert not any(word in message for word in ("sideways", "DROP", "my secret words", "xxxx", "'; --"))
    assert guarded.rows() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"5", 400),
        (b"[]", 400),
        (b'{"exchange": "\\ud800"}', 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'[{"exchange":"ex_1","thumb":"up"}' + b',{"exchange":"ex_1","thumb":"up"}' * 100 + b"]", 400),
        (b"x" * (9 * 1024 * 1024), 413),
    ],
)
def test_a_body_that_is_nothing_is_a_clear_error(guarded: Served, body: bytes, status: int):
    headers = {"content-type": "application/json", "x-guard-key": guarded.key()}
    answer = httpx.post(guarded.address + FEEDBACK, content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_a_body_of_another_type_is_refused_so_that_no_web_page_sends_one_unasked(guarded: Served):
    headers = {"content-type": "text/plain"}
    assert httpx.post(guarded.address + FEEDBACK, content=b"{}", headers=headers).status_code == 415


def test_a_blocked_exchange_has_a_token_too_and_its_appeal_says_what_was_done(guarded: Served):
    exchange, token = guarded.ask(SECRET)
    assert guarded.post({"exchange": exchange, "token": token, "appeal": True, "comment": "It is an example."}).status_code == 202
    [appeal] = guarded.rows()
    assert (appeal.kind, appeal.details) == ("appeal", {"action": "block"})


def test_a_streamed_answer_has_its_token_in_its_head(guarded: Served):
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": CLEAN}]}
    with httpx.stream("POST", f"{guarded.address}/v1/chat/completions", json=body) as answer:
        assert answer.headers["x-guard-feedback-token"]


def test_too_much_from_a_token_a_person_and_an_address_has_to_wait(store: Store):
    limits = Rates(token=Rate(2, 600.0), source=Rate(4, 600.0), address=Rate(12, 600.0))
    with feedback_server(store, FeedbackSettings(rates=limits), client="203.0.113.9") as guarded:
        key = guarded.key()
        asked = [guarded.ask(user="anna", key=key) for _ in range(3)] + [guarded.ask(user="bert", key=key) for _ in range(3)]

        def post(number: int) -> int:
            exchange, token = asked[number]
            answer = guarded.post({"exchange": exchange, "token": token, "thumb": "up"})
            if answer.status_code == 429:
                assert code(answer) == (429, "too_much_feedback")
                assert 0 < int(answer.headers["retry-after"]) <= 600
            return answer.status_code

        assert [post(0), post(0), post(0)] == [202, 202, 429]
        assert [post(1), post(1), post(2)] == [202, 202, 429]
        assert [post(3), post(3), post(4), post(4), post(5)] == [202, 202, 202, 202, 429]
        assert [post(3), post(3)] == [429, 429]
        exchange, _ = asked[0]
        assert guarded.post({"exchange": exchange, "thumb": "up"}, key).status_code == 202
        assert len(guarded.rows()) == 9


def test_this_machine_itself_is_not_limited_unless_that_is_asked_for(store: Store):
    with feedback_server(store) as guarded:
        exchange, token = guarded.ask()
        said = [{"exchange": exchange, "token": token, "thumb": "up"}] * 100
        assert [guarded.post(said).status_code for _ in range(7)] == [202] * 7
        assert code(guarded.post(said, x_forwarded_for="203.0.113.9")) == (429, "too_much_feedback")


def test_a_key_that_repeats_itself_is_flagged_in_the_store_and_after_a_restart(store: Store):
    with feedback_server(store) as guarded:
        key, other = guarded.key(), guarded.key()
        exchanges = [guarded.ask()[0] for _ in range(6)]
        for exchange in exchanges:
            guarded.post({"exchange": exchange, "thumb": "down", "comment": "Visit my shop, it is cheap."}, key)
            guarded.post({"exchange": exchange, "thumb": "up"}, other)
        assert {row.status for row in guarded.rows() if row.comment} == {"flagged"}
        assert {row.status for row in guarded.rows() if not row.comment} == {"new"}
        [flagged] = rows(store, schema.sources, flagged=True)
        assert (flagged.kind, flagged.reason, flagged.weight) == ("application", "repeats", 1.0)
    with feedback_server(store) as guarded:
        exchange, _ = guarded.ask()
        guarded.post({"exchange": exchange, "thumb": "up"}, key)
        assert guarded.rows(exchange_id=exchange)[0].status == "flagged"


def test_reviewers_clear_a_source_and_weigh_it(url: str, store: Store):
    with feedback_server(store) as guarded:
        made = store.keys.create("acme", ["caller"])
        for _ in range(5):
            exchange, _ = guarded.ask(key=made.text)
            guarded.post({"exchange": exchange, "thumb": "up", "comment": "the very same words"}, made.text)
    [found] = sources(store, "acme", flagged=True)
    assert (found.source, found.reason) == (made.key.id, "repeats")
    run = CliRunner()
    listed = run.invoke(app, ["feedback", "sources", "--flagged", "--tenant", "acme", "--store", url])
    assert listed.stdout == f"{made.key.id}  application  weight 1, flagged: repeats\n"
    wanted = ["feedback", "trust", made.key.id, "--clear", "--weight", "0.5", "--by", "anna", "--store", url]
    assert isinstance(run.invoke(app, wanted).exception, StoreError)
    assert json.loads(run.invoke(app, [*wanted, "--tenant", "acme", "--json"]).stdout)["weight"] == 0.5
    assert sources(store, "acme", flagged=True) == []
    assert [entry.details for entry in store.audit.every("acme", about=made.key.id) if entry.actor == "anna"] == [
        {"kind": "source", "status": "cleared"}
    ]
    for weight in (0.0, -1.0, float("nan"), 1e9, None):
        with pytest.raises(StoreError):
            trust(store, "acme", made.key.id, weight=weight)


def test_without_a_store_that_answers_nothing_is_acknowledged(store: Store):
    with feedback_server(store) as guarded:
        exchange, token = guarded.ask()
        store.writer.close()
        answer = guarded.post({"exchange": exchange, "token": token, "thumb": "up"})
        assert code(answer) == (503, "store_unavailable")
        assert answer.headers["retry-after"] == "1"


def test_a_person_who_stands_out_leaves_no_trace_among_the_sources(store: Store):
    with feedback_server(store, client="203.0.113.9") as guarded:
        key = guarded.key()
        for _ in range(5):
            exchange, token = guarded.ask(user="anna", key=key)
            guarded.post({"exchange": exchange, "token": token, "thumb": "up", "comment": "the very same words"})
        assert {row.status for row in guarded.rows()} == {"flagged"}
        assert rows(store, schema.sources) == []


def test_what_is_asked_again_counts_only_if_the_policy_wants_that(store: Store):
    with feedback_server(store) as guarded:
        for _ in range(2):
            guarded.ask(user="anna")
    store.writer.flush()
    assert guarded.rows() == []
    with feedback_server(store, policy="store: {implicit: true}") as guarded:
        first, _ = guarded.ask(user="anna")
        guarded.ask("Tell me of other rivers.", user="anna")
        guarded.ask(user="bert")
        guarded.ask()
        again, _ = guarded.ask(user="cleo")
        repeated, _ = guarded.ask(user="cleo")
    store.writer.flush()
    [found] = guarded.rows()
    assert (found.kind, found.exchange_id, found.source_kind, found.weight) == ("regenerate", again, "implicit", 0.1)
    assert found.details == {"again": repeated}
    assert found.subject == store.pseudonym("subject", "", "cleo")
    assert first != again


def test_a_block_that_is_tried_again_counts_as_a_retry_and_another_question_does_not(store: Store):
    with feedback_server(store, FeedbackSettings(implicit=True)) as guarded:
        blocked, _ = guarded.ask(SECRET, user="anna")
        guarded.ask("How long is the Danube?", user="anna")
        guarded.ask("The key is AKIAIOSFODNN8EXAMPLE, please keep it.", user="bert")
        guarded.ask("The key is a secret now, keep it.", user="anna")
    store.writer.flush()
    [found] = guarded.rows()
    assert (found.kind, found.exchange_id, found.source_kind) == ("retry", blocked, "implicit")
    assert (found.comment, found.correction) == (None, None)
