"""The digest of a policy: what a decision, a record and a report name it by.

Whatever changes behaviour changes the digest; comments, file names, the order of keys, reasons and names of people's own do not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from guard.policy.model import DetectorConfig, Mapped, Policy, Redactor, Rule, StoreSettings
from guard.runtime.settings import RuntimeSettings
from guard.values import Action


def digest(policy: Policy, versions: Mapping[str, str]) -> str:
    """Return 64 hexadecimal digits: SHA-256 of the resolved policy as canonical JSON.

    Args:
        policy: The policy; its own `digest`, `name` and `sources` play no part.
        versions: The version of each detector, by its name in the policy; empty where none has been built yet.
    """
    text = json.dumps(canonical(policy, versions), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def identity(config: DetectorConfig, version: str, others: Sequence[str] = ()) -> str:
    """Return what stands for a detector's configuration and version, its name left out: 64 hexadecimal digits.

    Args:
        others: The identities of the detectors that it asks.
    """
    described = {**_detector(config, version), "runtime": None, "others": list(others)}
    return hashlib.sha256(json.dumps(described, sort_keys=True, ensure_ascii=True).encode("ascii")).hexdigest()


def canonical(policy: Policy, versions: Mapping[str, str]) -> dict[str, Any]:
    """Return all that the digest covers, as plain JSON values in which equal policies are equal."""
    return {
        "schema": 1,
        "principles": [[entry.id, entry.text, entry.critique, entry.revision] for entry in policy.principles],
        "detectors": {name: _detector(config, versions.get(name, "")) for name, config in policy.detectors.items()},
        "rules": [_rule(rule) for rule in policy.rules],
        "message": policy.message,
        "refusal": policy.refusal,
        "release": policy.release,
        "timeout": float(policy.timeout),
        "routes": {
            "unknown": policy.routes.unknown,
            "allow": sorted(policy.routes.allow),
            "mapped": sorted(_mapped(route) for route in policy.routes.mapped),
            "speculate": sorted(policy.routes.speculate),
            **({"media": policy.routes.media} if policy.routes.media else {}),
        },
        "limits": [policy.limits.body, policy.limits.depth, policy.limits.stream_event],
        "categories": sorted(policy.categories),
        **({} if policy.store == StoreSettings() else {"store": asdict(policy.store)}),
        **({"messages": sorted(policy.messages)} if policy.messages else {}),
        **({"constitution": policy.constitution} if policy.constitution else {}),
    }


def _mapped(route: Mapped) -> list[Any]:
    described = [route.method, route.path, sorted(route.input), sorted(route.output), route.other]
    return [*described, sorted(route.media)] if route.media else described


def _detector(config: DetectorConfig, version: str) -> dict[str, Any]:
    options = {name: value for name, value in config.options.items() if name not in config.files}
    described = {"use": config.use, "options": options, "files": dict(config.files), "version": version}
    return described if config.runtime == RuntimeSettings() else {**described, "runtime": asdict(config.runtime)}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "principle": rule.principle,
        "on": sorted(rule.on),
        "detect": sorted(rule.detect),
        "category": sorted(rule.category),
        "threshold": float(rule.threshold),
        "action": rule.action.word,
        "message": rule.message,
        "redact": _redactor(rule.redact),
        "roles": sorted(rule.roles),
        "when": rule.when.source if rule.when else "",
        "turns": rule.turns,
        "overrides": sorted(rule.overrides),
        "on_error": rule.on_error.word,
        **_further(rule),
    }


def _further(rule: Rule) -> dict[str, Any]:
    """Return what only some rules say, so that the digests of the others stay what they are."""
    said: dict[str, Any] = {
        "thresholds": sorted(rule.thresholds),
        "by_language": sorted(rule.by_language),
        "logic": repr(rule.logic) if rule.logic is not None else "",
        "schedule": repr(rule.schedule) if rule.schedule is not None else "",
        "sample": rule.sample if rule.sample < 1 else 0,
        "count": [sorted(rule.count.rules), rule.count.at_least, rule.count.turns] if rule.count is not None else [],
        "messages": sorted(rule.messages),
        "revise": asdict(rule.revise) if rule.action is Action.REVISE else {},
    }
    return {key: value for key, value in said.items() if value}


def _redactor(redactor: Redactor) -> list[Any]:
    described = [redactor.kind, redactor.keep, redactor.label]
    return [*described, redactor.operator, dict(redactor.params), redactor.key_env] if redactor.operator else described
