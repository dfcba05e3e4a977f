"""What is evaluated: one detector, or a whole policy, with the runtime around it as in production."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import NamedTuple

from guard import categories
from guard.engine import Guard, new_exchange
from guard.errors import PolicyError, TenetError
from guard.policy.applying import active_rules
from guard.policy.digest import digest
from guard.policy.kinds import Kind
from guard.policy.load import load, loads, shipped
from guard.policy.model import DetectorConfig, Policy, Rule
from guard.policy.shapes import did_you_mean
from guard.runtime.served import Served
from guard.values import Action, Detector, Role, Stage

DEFAULT_THRESHOLD = 0.5


class InForce(NamedTuple):
    """A threshold, and who set it: `rule ID`, `detector NAME` or `default`."""

    value: float
    origin: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A detector or a policy that can be asked about texts.

    Attributes:
        name: As reports call it.
        decides: Whether it is a policy, whose decisions count, and no detector, of which only scores are known.
        guard: What is asked. It remembers no verdicts, so that times are those of judging.
        categories: Those that it can report.
        thresholds: The one in force for each of them.
        digest: The policy's; empty for a detector.
    """

    name: str
    decides: bool
    guard: Guard
    categories: tuple[str, ...]
    thresholds: Mapping[str, InForce]
    digest: str = ""

    def reached(self, scores: Mapping[str, float]) -> list[str]:
        """Return the categories whose score reaches their threshold."""
        return [name for name, score in scores.items() if name in self.thresholds and score >= self.thresholds[name].value]

    @property
    def versions(self) -> dict[str, str]:
        """The version of each detector, by its name in the policy."""
        return {name: detector.version for name, detector in self.guard.detectors.items()}


def candidates(
    detectors: Sequence[str], policies: Sequence[str], against: str, kinds: Mapping[str, Kind], stage: Stage
) -> list[Candidate]:
    """Return the one or two candidates that are asked for.

    Args:
        detectors: Names of detectors in a policy, or kinds.
        policies: Names or paths; without detectors, each is a candidate.
        against: One more of either sort; empty for none.
        stage: Which way texts travel where their record does not say; its rules' thresholds come first.

    Raises:
        PolicyError: For mistakes in a policy.
        TenetError: For what does not exist, and for none or more than two.
    """
    if not detectors and not policies:
        raise TenetError("expected something to evaluate: --detector KIND, --policy POLICY, or a detector's name with its policy")
    loaded = [load(source, kinds) for source in policies]
    count = max(len(detectors), len(loaded))
    if count + bool(against) > 2:
        raise TenetError(f"expected one candidate, or two to compare, got {count + bool(against)}")
    if detectors:
        owners: list[tuple[str, Policy | None]] = list(zip(policies, loaded, strict=True)) or [("", None)]
        pairs = [(detectors[each % len(detectors)], *owners[each % len(owners)]) for each in range(count)]
        made = [
            _of_detector(name, policy, kinds, stage, suffix=f" in {source}" if len(owners) > 1 else "")
            for name, source, policy in pairs
        ]
    else:
        made = [_of_policy(source, policy, kinds, stage) for source, policy in zip(policies, loaded, strict=True)]
    if against:
        made.append(_against(against, loaded[0] if loaded else None, kinds, stage))
    return _with_distinct_names(made)


def is_harm(category: str) -> bool:
    """Return whether a category is about harm, and not about personal data, secrets or the form of a text."""
    return categories.group(category) not in _NO_HARM


_NO_HARM = frozenset({"pii", "secret", "ungrounded", "obfuscation", "language", "topic", "gibberish", "code", "url"})


def _against(name: str, policy: Policy | None, kinds: Mapping[str, Kind], stage: Stage) -> Candidate:
    if "/" in name or name.endswith(".yaml") or (name in shipped() and not (policy and name in policy.detectors)):
        return _of_policy(name, load(name, kinds), kinds, stage)
    return _of_detector(name, policy, kinds, stage, option="--against")


def _of_policy(source: str, policy: Policy, kinds: Mapping[str, Kind], stage: Stage) -> Candidate:
    guard = Guard(_uncached(policy), kinds=kinds)
    versions = {name: detector.version for name, detector in guard.detectors.items()}
    texts = [detector for detector in guard.detectors.values() if not detector.needs.media]
    reported = _reported(texts)
    rules = [rule for rule in policy.rules if rule.action is not Action.ALLOW]
    limits = _thresholds(policy, rules, reported, texts, stage)
    name = source if source in shipped() else PurePath(source).name
    return Candidate(name, True, guard, reported, limits, digest(policy, versions))


def _of_detector(
    name: str, policy: Policy | None, kinds: Mapping[str, Kind], stage: Stage, suffix: str = "", option: str = "--detector"
) -> Candidate:
    if policy is None or name not in policy.detectors:
        policy = _of_kind(name, kinds, policy, option)
    alone = replace(policy, detectors=_with_those_it_asks(name, policy.detectors, kinds), rules=(_reading(name),))
    guard = Guard(_uncached(alone), kinds=kinds)
    detector = guard.detectors[name]
    if detector.needs.media:
        raise TenetError(f"{option} {name}: expected a detector that judges texts, got one that judges images")
    rules = [rule for rule in policy.rules if name in rule.detect and rule.action is not Action.ALLOW]
    limits = _thresholds(policy, rules, detector.categories, [detector], stage)
    return Candidate(name + suffix, False, guard, detector.categories, limits)


def _of_kind(name: str, kinds: Mapping[str, Kind], policy: Policy | None, option: str) -> Policy:
    if name not in kinds:
        known = [*(policy.detectors if policy else ()), *kinds]
        hint = did_you_mean(name, known) or f"known are: {', '.join(known)}"
        where = "a detector of this policy, or a kind" if policy else "a kind of detector, or the name of one with its --policy"
        raise TenetError(f"{option}: expected {where}, got {name!r} ({hint})")
    try:
        return loads(f"version: 1\ndetectors: {{{name}: {{use: {name}}}}}\n", kinds, name=f"{option} {name}")
    except PolicyError as error:
        way_out = "declare it in a policy, and give its name there together with --policy"
        raise TenetError(f"{option} {name}: expected a kind that needs no options ({way_out}); {error.problems[0]}") from None


def _with_those_it_asks(name: str, configs: Mapping[str, DetectorConfig], kinds: Mapping[str, Kind]) -> dict[str, DetectorConfig]:
    wanted: dict[str, DetectorConfig] = {}
    pending = [name]
    while pending:
        each = pending.pop()
        wanted[each] = configs[each]
        pending += [other for other in kinds[configs[each].use].refers(configs[each].options) if other not in wanted]
    return wanted


def _reading(name: str) -> Rule:
    """Return a rule that reads everything that a detector says, whoever speaks, and never fires."""
    return Rule(name, frozenset(Stage), (name,), ("*",), Action.FLAG, roles=frozenset(Role))


def _uncached(policy: Policy) -> Policy:
    configs = {name: replace(config, runtime=replace(config.runtime, cache=False)) for name, config in policy.detectors.items()}
    return replace(policy, detectors=configs)


def _reported(detectors: Iterable[Detector]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for detector in detectors for name in detector.categories))


def _thresholds(
    policy: Policy, rules: Sequence[Rule], reported: Sequence[str], detectors: Sequence[Detector], stage: Stage
) -> dict[str, InForce]:
    """Return for each category the lowest threshold of its rules, this stage's first; else its detector's own; else 0.5."""
    exchange = new_exchange()
    found: dict[str, InForce] = {}
    for way in sorted(Stage, key=lambda each: each is not stage):
        active = {rule.id for rule in active_rules(policy, way, exchange)}
        ordered = sorted((rule for rule in rules if rule.id in active), key=lambda rule: rule.threshold)
        for name in reported:
            first = next((rule for rule in ordered if any(categories.matches(each, name) for each in rule.category)), None)
            if first is not None:
                found.setdefault(name, InForce(first.threshold, f"rule {first.id}"))
    for detector in detectors:
        inner = detector.inner if isinstance(detector, Served) else detector
        for name, value in getattr(inner, "thresholds", {}).items():
            found.setdefault(name, InForce(float(value), f"detector {detector.name}"))
    return {name: found.get(name, InForce(DEFAULT_THRESHOLD, "default")) for name in reported}


def _with_distinct_names(made: list[Candidate]) -> list[Candidate]:
    if len(made) == 2 and made[0].name == made[1].name:
        return [made[0], replace(made[1], name=f"{made[1].name} (second)")]
    return made
