"""Kinds that put other detectors in order, from cheap to dear."""

from __future__ import annotations

from guard.policy.model import Kind

KINDS: tuple[Kind, ...] = ()
