"""Messages of OpenAI's formats with everything in them, and a canary put anywhere into one."""

import copy
import json

from hypothesis import strategies as st

CANARY = "zq canary 7"

CHAT_REQUEST = {
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "content": "Be kind.", "name": "boss"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look: "}, {"type": "image_url", "image_url": {"url": "https://x.y/z"}}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "send", "arguments": '{"to": "ann", "n": 5}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sent"},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "QUJD" * 100, "format": "wav"}}]},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "send",
                "description": "Sends.",
                "parameters": {"type": "object", "properties": {"to": {"type": "string"}}},
            },
        }
    ],
    "stop": ["END"],
    "user": "ann",
    "metadata": {"origin": "web"},
    "logit_bias": {"50256": -100},
    "temperature": 0.7,
    "n": 1,
    "stream": False,
}

CHAT_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "system_fingerprint": "fp_1",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hi you",
                "refusal": None,
                "reasoning_content": "They greet.",
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {"url": "https://a.b", "title": "A", "start_index": 0, "end_index": 2},
                    }
                ],
                "audio": {"id": "audio_1", "data": "QUJD" * 100, "transcript": "Hi you", "expires_at": 5},
            },
            "logprobs": {
                "content": [
                    {
                        "token": "Hi",
                        "logprob": -0.5,
                        "bytes": [72, 105],
                        "top_logprobs": [{"token": "Yo", "logprob": -1.5, "bytes": None}],
                    },
                    {"token": " you", "logprob": -0.25, "bytes": [32, 121, 111, 117], "top_logprobs": []},
                ],
                "refusal": None,
            },
            "finish_reason": "stop",
            "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
        },
        {
            "index": 1,
            "message": {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "send", "arguments": '{"to": "ann", "n": 5}'}}
                ],
                "function_call": {"name": "old", "arguments": '{"a": "b"}'},
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        },
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "prompt_tokens_details": {"cached_tokens": 0}},
    "service_tier": "default",
}

CHAT_EVENT = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "gpt-4o",
    "system_fingerprint": "fp_1",
    "choices": [
        {
            "index": 0,
            "delta": {
                "role": "assistant",
                "content": "Hi",
                "refusal": None,
                "reasoning": "They greet.",
                "tool_calls": [
                    {"index": 2, "id": "call_1", "type": "function", "function": {"name": "send", "arguments": '{"to'}}
                ],
                "audio": {"id": "audio_1", "transcript": "Hi"},
            },
            "logprobs": {"content": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}], "refusal": None},
            "finish_reason": None,
        },
        {"index": 1, "delta": {"content": "Yo"}, "logprobs": None, "finish_reason": "stop"},
    ],
    "usage": None,
}

COMPLETION_REQUEST = {
    "model": "m",
    "prompt": ["Once", "Twice"],
    "suffix": "end",
    "stop": ["\n"],
    "echo": True,
    "max_tokens": 5,
    "user": "ann",
}

COMPLETION_ANSWER = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "text": "Hi you",
            "logprobs": {
                "tokens": ["Hi", " you"],
                "token_logprobs": [None, -0.5],
                "top_logprobs": [None, {" you": -0.5}],
                "text_offset": [0, 2],
            },
            "finish_reason": "stop",
        },
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def with_canary(*messages):
    """One of `messages` with the canary as a value, as a key, or in a field that nobody has heard of."""
    return st.sampled_from(messages).flatmap(
        lambda message: st.sampled_from(list(_spots(message))).map(lambda spot: _planted(message, spot))
    )


def _spots(tree, path=()):
    if path:
        yield "value", path
    if isinstance(tree, dict):
        yield "new value", path
        yield "new key", path
        yield "new object", path
        for key in tree:
            yield "key", (*path, key)
    if isinstance(tree, (dict, list)):
        for key, child in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _spots(child, (*path, key))
    if isinstance(tree, list):
        yield "item", path


def _planted(message, spot):
    kind, path = spot
    box = [copy.deepcopy(message)]
    holder, place = box, 0
    for step in path:
        holder, place = holder[place], step
    if kind == "value":
        holder[place] = CANARY
    elif kind == "key":
        holder[CANARY] = holder.pop(place)
    elif kind == "item":
        holder[place].append({"type": "text", "odd": [CANARY]})
    elif kind == "new key":
        holder[place][CANARY] = 5
    else:
        holder[place]["nobody_knows" if kind == "new value" else "content_filter_results"] = (
            CANARY if kind == "new value" else {"x": [{"id": CANARY}]}
        )
    return json.loads(json.dumps(box[0]))
