"""Kinds that look at images."""

from __future__ import annotations

from guard.policy.model import Kind

KINDS: tuple[Kind, ...] = ()
