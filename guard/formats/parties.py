"""Whom a request is about, and which conversation it belongs to, as far as it says so itself in fields that are for it."""

from __future__ import annotations

from typing import Any

from guard.formats.base import Request
from guard.formats.multipart import Field

_SUBJECTS = ("safety_identifier", "user")
"""OpenAI's fields, the newer one first."""
_CONVERSATIONS = ("conversation_id", "thread_id", "session_id")
"""Names that applications use in `metadata`."""


def subject_of(request: Request) -> str:
    """Return whom it is for: `safety_identifier`, `user`, or Anthropic's `metadata.user_id`; empty where it does not say."""
    fields = _fields(request.document.tree)
    said = (*(fields.get(name) for name in _SUBJECTS), _object(fields.get("metadata")).get("user_id"))
    return next((name for name in map(_name, said) if name), "")


def conversation_of(request: Request) -> str:
    """Return the conversation that it names: OpenAI's `conversation`, or an id in `metadata`; empty where it names none."""
    fields = _fields(request.document.tree)
    conversation, metadata = fields.get("conversation"), _object(fields.get("metadata"))
    said = (conversation, _object(conversation).get("id"), *(metadata.get(name) for name in _CONVERSATIONS))
    return next((name for name in map(_name, said) if name), "")


def _fields(tree: Any) -> dict[str, Any]:  # noqa: ANN401 - what a request holds: JSON, or the fields of an upload
    if type(tree) is list and tree and type(tree[0]) is Field:
        return {field.name: field.data.decode("utf-8", "replace") for field in tree if not field.is_file}
    return _object(tree)


def _object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - plain JSON values
    return value if type(value) is dict else {}


def _name(value: Any) -> str:  # noqa: ANN401 - as above
    return value.strip() if type(value) is str else ""
