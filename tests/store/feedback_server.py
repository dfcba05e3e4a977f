"""A guard on a real socket that takes feedback, with whatever is in front of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from kept_exchanges import guard_with
from servers import Upstream, completion, served
from sqlalchemy import select

from guard.access import Access
from guard.app import GuardApp
from guard.asgi import Receive, Scope, Send
from guard.attribution import Attribution
from guard.feedback.taking import FeedbackIn, FeedbackSettings
from guard.store import schema
from guard.store.connecting import reading
from guard.store.store import Store

CHAT, FEEDBACK = "/v1/chat/completions", "/guard/feedback"
CLEAN, SECRET = "Tell me of rivers.", "The key is AKIAIOSFODNN7EXAMPLE, keep it."


@dataclass
class Served:
    """A guard that is served."""

    address: str
    store: Store
    taking: FeedbackIn

    def ask(self, text: str = CLEAN, key: str = "", user: str = "", **fields: Any) -> tuple[str, str]:
        """Let an exchange happen; returns its id and its token."""
        body = {"model": "m", "messages": [{"role": "user", "content": text}], **({"user": user} if user else {}), **fields}
        answer = httpx.post(self.address + CHAT, json=body, headers={"x-guard-key": key} if key else {})
        return answer.headers["x-guard-exchange"], answer.headers["x-guard-feedback-token"]

    def post(self, said: Any, key: str = "", **headers: str) -> httpx.Response:
        """Give feedback."""
        shown = {"x-guard-key": key} if key else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(self.address + FEEDBACK, json=said, headers={**shown, **named})

    def key(self, *roles: str, tenant: str = "") -> str:
        """Make a key."""
        return self.store.keys.create(tenant, roles or ["caller"]).text

    def rows(self, **wanted: Any) -> list[Any]:
        """The rows of feedback, oldest first."""
        return rows(self.store, schema.feedback, **wanted)


def rows(store: Store, table: Any, **wanted: Any) -> list[Any]:
    """The rows of a table of which some columns have some values, oldest first."""
    found = select(table).where(*(table.c[name] == value for name, value in wanted.items())).order_by(table.c.created)
    with reading(store.engine) as connection:
        return list(connection.execute(found).all())


def code(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of an error."""
    return answer.status_code, answer.json()["error"]["code"]


@contextmanager
def feedback_server(
    store: Store, settings: FeedbackSettings | None = None, *, choices: int = 1, policy: str = "", client: str = "127.0.0.1"
) -> Iterator[Served]:
    """Serve a guard with the store.

    Args:
        client: The address that requests seem to come from.
    """
    answer = completion("It flows.")
    answer["choices"] = [{**answer["choices"][0], "index": index} for index in range(choices)]
    guard, recorder = guard_with(store, policy)
    taking = FeedbackIn(store, recorder.recent, settings)
    recorder.listeners.append(taking.signals.told)
    access = Access(store.keys)
    store.before_close.append(access.close)
    attribution = Attribution(secret=store.secret("conversations"))
    upstream = Upstream([json.dumps(answer).encode()])
    app = GuardApp(guard, upstream, recorder.recent, store, access=access, attribution=attribution, feedback=taking)

    async def from_elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["client"] = (client, 5_000)
        await app(scope, receive, send)

    with served(from_elsewhere) as address:
        yield Served(address, store, taking)
