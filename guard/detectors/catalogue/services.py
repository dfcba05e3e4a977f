"""Kinds that ask a moderation service or a model server."""

from __future__ import annotations

from guard.policy.model import Kind

KINDS: tuple[Kind, ...] = ()
