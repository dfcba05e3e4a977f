"""Attempts to get a text past the guard, to stall it, or to make it answer by how the network cut things."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from guard.engine import Guard, new_exchange
from guard.formats.openai_chat import OpenAIChat
from guard.judging import Judgement
from guard.values import Action, Stage

KEY = "AKIA" + "QWERTYUIOPASDFGH"


def judged(guard: Guard, *parts: str) -> Judgement:
    content = [{"type": "text", "text": part} for part in parts]
    request = OpenAIChat().read_request(json.dumps({"messages": [{"role": "user", "content": content}]}).encode())
    return guard.judge_sync(request.document.texts, Stage.INPUT, new_exchange())


@pytest.mark.parametrize("parts", [("hello", KEY), (KEY[:9], KEY[9:]), (KEY, "hello")])
def test_no_cut_into_content_parts_hides_a_secret(guard, parts):
    said = judged(guard, *parts)
    assert said.decision.action is Action.REDACT
    redacted = "".join(said.changes.get(f"/messages/0/content/{index}/text", part) for index, part in enumerate(parts))
    assert not any(KEY[start : start + 4] in redacted for start in range(0, len(KEY), 4))


def test_a_word_is_found_beside_the_word_that_ends_the_part_before(guard):
    assert judged(guard, "this is", "forbidden").decision.rules == ("no-forbidden",)


def test_what_is_found_in_a_part_counts_once(guard):
    assert len(judged(guard, "see ", "jane.doe@example.org").decision.findings) == 1


def test_a_message_of_very_many_parts_takes_time_in_proportion_to_them(guard):
    def seconds(parts: int) -> float:
        began = time.process_time()
        judged(guard, *["jane@example.org "] * parts)
        return time.process_time() - began

    seconds(100)
    assert seconds(4_000) < 20 * seconds(500)
