"""Kinds that ask a language model for its verdict."""

from __future__ import annotations

from guard.policy.model import Kind

KINDS: tuple[Kind, ...] = ()
