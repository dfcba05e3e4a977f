"""Small rules and small models: language, topic, invisible text, links, code."""

from __future__ import annotations

from guard.policy.model import Kind

KINDS: tuple[Kind, ...] = ()
