"""Exchanges in a store with what people said about them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from guard.engine import new_exchange
from guard.policy.model import StoreSettings
from guard.ports import Ending, KeptText, KeptTexts
from guard.store.feedback import NewFeedback
from guard.store.recording import StoreRecorder
from guard.store.store import Store
from guard.values import Action, Caller, Decision, Stage


def keep_answers(
    store: Store,
    prompt: str | Sequence[tuple[str, str]],
    answers: Sequence[str],
    *,
    tenant: str = "",
    subject: str = "",
    conversation: str = "",
    form: str = "redacted",
    action: Action = Action.ALLOW,
    flush: bool = True,
) -> str:
    """Have the store keep an exchange of several choices, as a guard does; returns its id."""
    said = [("user", prompt)] if isinstance(prompt, str) else prompt
    asked = tuple(KeptText(role, text, f"/messages/{turn}/content", None, turn) for turn, (role, text) in enumerate(said))
    answered = tuple(
        KeptText("assistant", text, f"/choices/{index}/message/content", index) for index, text in enumerate(answers)
    )
    recorder = StoreRecorder(store)
    exchange = new_exchange(
        route="/v1/chat/completions", model="demo", caller=Caller(tenant, subject=subject), conversation=conversation
    )
    for stage, texts, decided in ((Stage.INPUT, asked, Action.ALLOW), (Stage.OUTPUT, answered, action)):
        settings = StoreSettings(text="full" if form == "full" else "none" if form == "none" else "redacted")
        kept = KeptTexts(form, texts if form in ("full", "redacted") else ())
        recorder.keep(exchange, stage, Decision(decided, (), (), "p" * 64), settings, lambda kept=kept: kept, 100)
    recorder.finish(exchange, Ending(200))
    if flush:
        store.writer.flush()
    return exchange.id


def say(store: Store, exchange: str, kind: str, *, tenant: str = "", **said: Any) -> str:
    """Give feedback; returns its id."""
    return store.feedback.add_sync(tenant, NewFeedback(exchange, kind, **said)).id


def many(store: Store, count: int, *, tenant: str = "") -> Mapping[str, str]:
    """Give thumbs, corrections, preferences and scores about many exchanges; returns the subject of each exchange."""
    subjects, given = {}, []
    for number in range(count):
        topic = TOPICS[number % len(TOPICS)]
        answers = [f"{number}: the first answer about {topic}, with {number * 7} words.", f"{number}: {topic}? I would not know."]
        prompt, subject = f"Question {number}: tell me of {topic}.", f"person-{number // 2}"
        exchange = keep_answers(store, prompt, answers, tenant=tenant, subject=subject, flush=False)
        subjects[exchange] = subject
        given += [
            NewFeedback(exchange, "thumb", value=1.0, choice=0, source="anna"),
            NewFeedback(exchange, "thumb", value=-1.0, choice=1, source="anna"),
            NewFeedback(exchange, "preference", preferred=0, compared=(1,), source="bert"),
            NewFeedback(exchange, "score", value=float(number % 5), choice=0),
            NewFeedback(exchange, "correction", correction=f"{number}: {topic} is what it is.", choice=1),
            NewFeedback(exchange, "category", category="harassment", value=float(number % 2), choice=0),
        ]
    store.writer.flush()

    async def give() -> None:
        await asyncio.gather(*(store.feedback.add(tenant, each) for each in given))

    asyncio.run(give())
    return subjects


TOPICS = (
    *("rivers in spring", "a clock without hands", "the taste of copper", "bread", "sailing alone", "bees", "old maps"),
    *("winter tyres", "glass", "the moons of Jupiter", "a lost umbrella", "how cheese is made"),
)
