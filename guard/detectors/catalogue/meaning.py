"""Kinds that compare meanings by the sentence encoder."""

from __future__ import annotations

from guard.policy.model import Kind

KINDS: tuple[Kind, ...] = ()
