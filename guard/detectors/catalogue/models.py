"""Kinds that run a model on this machine: what users have already."""

from __future__ import annotations

from guard.policy.model import Kind

KINDS: tuple[Kind, ...] = ()
