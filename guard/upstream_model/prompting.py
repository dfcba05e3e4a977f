"""A conversation as the tokens that a model reads, in which nobody's words can be taken for the template's.

A chat template marks who speaks with control tokens, such as `<|im_start|>`. A user who types one would, in most servers, begin a
turn of the system: tokenizers do not tell the template's from a user's. Here the words of a message are never read as control
tokens.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from guard.errors import TenetError

Conversation = Sequence[Mapping[str, str]]


def prompt_of(tokenizer: Any, messages: Conversation) -> list[int]:  # noqa: ANN401 - transformers' tokenizers have no common type
    """Return the tokens of a conversation, up to where the assistant's answer begins.

    Raises:
        TenetError: Where the chat template does not take the messages; it names their roles, and none of their words.
    """
    controls = [token for token in tokenizer.all_special_tokens if token] + [
        str(token) for token in tokenizer.added_tokens_decoder.values()
    ]
    if not any(token in message["content"] for token in controls for message in messages):
        return _tokens(tokenizer, written(tokenizer, messages))
    marks = [secrets.token_hex(16) for _ in messages]
    marked = [{**message, "content": mark} for message, mark in zip(messages, marks, strict=True)]
    pieces = re.split("|".join(marks), written(tokenizer, marked))
    if len(pieces) != len(messages) + 1:
        raise TenetError("a message contains a control token of the model, and its chat template does not keep messages apart")
    tokens = _tokens(tokenizer, pieces[0])
    for message, piece in zip(messages, pieces[1:], strict=True):
        tokens += _tokens(tokenizer, message["content"], split_special_tokens=True) + _tokens(tokenizer, piece)
    return tokens


def written(tokenizer: Any, messages: Conversation) -> str:  # noqa: ANN401
    """Return a conversation as the chat template writes it; raises what `prompt_of` does."""
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
        )
    except (TemplateError, TypeError, KeyError) as error:
        roles = ", ".join(message["role"] for message in messages)[:80]
        raise TenetError(f"the chat template does not take its messages (roles: {roles}); {type(error).__name__}") from None
    return text


def _tokens(tokenizer: Any, text: str, **options: bool) -> list[int]:  # noqa: ANN401
    found: list[int] = tokenizer(text, add_special_tokens=False, **options)["input_ids"]
    return found
