"""A resolved policy as a value: what loading gives, and what decisions read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from guard import categories
from guard.policy.counting import Count, Past
from guard.policy.kinds import Kind
from guard.policy.logic import Clause, Thresholds, leaves, threshold_for
from guard.policy.timing import Schedule
from guard.runtime.settings import RuntimeSettings
from guard.values import Action, Exchange, Finding, Role, Stage

USUAL_MESSAGE = "This can't be answered here."
"""What clients are told where neither a rule nor a policy says."""


class Condition(Protocol):
    """A compiled `when:`."""

    @property
    def source(self) -> str:
        """The expression as written."""
        ...

    @property
    def reads_findings(self) -> bool:
        """Whether it has to be asked about each finding (`bound`), and not once about an exchange (`holds`)."""
        ...

    @property
    def reads_past(self) -> bool:
        """Whether it reads earlier decisions of the conversation."""
        ...

    def holds(self, stage: Stage, exchange: Exchange, past: Sequence[Past] = ()) -> bool:
        """Return its value; an absent header reads as "", any other error counts as true, so that the rule applies."""
        ...

    def bound(self, stage: Stage, exchange: Exchange, past: Sequence[Past] = ()) -> Callable[[Finding], bool]:
        """Return what tells its value for each finding of an exchange."""
        ...


@dataclass(frozen=True, slots=True)
class Redactor:
    """How a span is made unreadable.

    Attributes:
        kind: `label` ([EMAIL]), `mask` (****1111), `hash` (a keyed digest), `fake` (of the same form)
            or `presidio` (an operator of its anonymizer).
        keep: For `mask`: how many characters stay readable at the end.
        label: For `label`: the word to use; empty means the category's kind.
        operator: For `presidio`: which.
        params: For `presidio`: what the policy says about the operator, by name.
        key_env: For `presidio`: the environment variable with the key of `encrypt` or `hash`.
    """

    kind: str = "label"
    keep: int = 0
    label: str = ""
    operator: str = ""
    params: tuple[tuple[str, str | int | bool], ...] = ()
    key_env: str = ""


@dataclass(frozen=True, slots=True)
class Revise:
    """How a text is rewritten.

    Attributes:
        by: `upstream`, or the name of a detector whose model is asked.
        rounds: How often at most.
        timeout: Seconds that all of it may take.
    """

    by: str = "upstream"
    rounds: int = 2
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Principle:
    """A sentence of the constitution, with what a critic is asked and how an answer is revised."""

    id: str
    text: str
    critique: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """When what is found where, what happens.

    Attributes:
        detect: Names of the detectors whose findings it reads.
        category: Names or `group/*`.
        threshold: It fires on scores `>=` this, in [0, 1].
        roles: Whose words it reads; already resolved from the table of defaults.
        turns: Which user turns of a conversation it reads: `all`, `new` or `last`.
        overrides: For `allow`: ids of the rules that it takes out for the spans it matched.
        on_error: What happens when one of its detectors gives no verdict.
        thresholds: By category, where they differ from `threshold`.
        by_language: Thresholds by the language of the conversation, in place of `threshold`.
        logic: What it asks of several detectors at once; `detect` and `category` then name all that it reads.
        schedule: When it holds; None for always.
        sample: The share of the exchanges for which it holds, in (0, 1].
        count: How often rules must have fired in the conversation.
        messages: Pairs of a locale and a text, where `message` is localised.
        revise: For `revise`: who rewrites.
        stands: In a rule made for one exchange: whether it fires whatever is found.
        where: In a rule made for one exchange: which findings its condition lets count; None for all.
        late: Whether no single finding tells that it fires, but only all of them together.
        close: Whether more than `threshold` and `category` tells which findings are its own.
    """

    id: str
    on: frozenset[Stage]
    detect: tuple[str, ...]
    category: tuple[str, ...]
    action: Action
    threshold: float = 0.5
    roles: frozenset[Role] = frozenset(Role)
    principle: str = ""
    message: str = ""
    redact: Redactor = Redactor()
    when: Condition | None = None
    turns: str = "all"
    overrides: tuple[str, ...] = ()
    on_error: Action = Action.BLOCK
    locked: bool = False
    reason: str = ""
    thresholds: Thresholds = ()
    by_language: Thresholds = ()
    logic: Clause | None = None
    schedule: Schedule | None = None
    sample: float = 1.0
    count: Count | None = None
    messages: tuple[tuple[str, str], ...] = ()
    revise: Revise = Revise()
    stands: bool = False
    where: Callable[[Finding], bool] | None = field(default=None, compare=False)
    late: bool = field(init=False, default=False, repr=False, compare=False)
    close: bool = field(init=False, default=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        counting = self.count is not None and not self.detect and not self.stands
        object.__setattr__(self, "late", self.logic is not None or counting)
        object.__setattr__(self, "close", self.logic is not None or bool(self.thresholds) or self.where is not None)

    @property
    def conditional(self) -> bool:
        """Whether it has to be worked out for each exchange (`guard.policy.applying`)."""
        return (
            self.when is not None
            or self.schedule is not None
            or self.sample < 1
            or self.count is not None
            or bool(self.by_language)
            or bool(self.messages)
        )

    def reads(self, detector: str, role: Role) -> bool:
        """Return whether this rule looks at what `detector` says about words of `role`."""
        return detector in self.detect and role in self.roles

    def matches(self, finding: Finding) -> bool:
        """Return whether `finding` makes this rule fire; with `logic`, whether it is one of those that it asks for."""
        if self.close:
            return self._matches_closely(finding)
        return (
            finding.score >= self.threshold
            and finding.turn in TURNS[self.turns]
            and self.reads(finding.detector, finding.role)
            and any(categories.matches(name, finding.category) for name in self.category)
        )

    def threshold_of(self, category: str) -> float:
        """Return the score from which on it fires on a category."""
        return threshold_for(self.thresholds, category, self.threshold) if self.thresholds else self.threshold

    def _matches_closely(self, finding: Finding) -> bool:
        return (
            finding.turn in TURNS[self.turns]
            and self.reads(finding.detector, finding.role)
            and (self.where is None or self.where(finding))
            and (
                any(leaf.matches(finding) for leaf in leaves(self.logic))
                if self.logic is not None
                else finding.score >= self.threshold_of(finding.category)
                and any(categories.matches(name, finding.category) for name in self.category)
            )
        )


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """A detector as the policy declares it: which implementation, with which options.

    Attributes:
        files: For each option that names a file: the SHA-256 of what it held when the policy was loaded.
        runtime: How it is run.
    """

    name: str
    use: str
    options: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)


def reported(name: str, configs: Mapping[str, DetectorConfig], kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """Return every category that a detector can report; one that has none of its own reports those of the detectors it names."""
    config = configs[name]
    kind = kinds[config.use]
    own = kind.categories(config.options)
    others = () if own else kind.refers(config.options)
    return own or tuple(dict.fromkeys(each for other in others if other in configs for each in reported(other, configs, kinds)))


@dataclass(frozen=True, slots=True)
class Mapped:
    """A JSON route that no format knows, described by the policy.

    Attributes:
        path: The route, such as `/generate`; `*` matches one segment.
        input: JSON-path-like selectors of the request's texts (`inputs`, `messages[*].text`).
        output: The same for the answer.
        other: What happens to strings that no selector names: `judge`, `drop` or `pass`.
        media: Selectors of strings that hold images, in requests and answers; `$` where a body is an image itself.
    """

    path: str
    input: tuple[str, ...]
    output: tuple[str, ...]
    other: str = "judge"
    method: str = "POST"
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Routes:
    """Which routes are guarded.

    Attributes:
        unknown: `reject`, `pass`, or "" for the host's own default (a proxy rejects, the middleware passes).
        allow: Text-free routes that pass, as `METHOD /path`; `*` matches one segment.
        media: What happens to images, sounds and files: `judge` rejects those that no detector can judge, `pass` lets them
            through, `reject` lets none through at all; "" is `judge` where a rule reads a detector of media, else `pass`.
    """

    unknown: str = ""
    allow: tuple[str, ...] = ("GET /v1/models", "GET /v1/models/*", "GET /healthz", "GET /readyz")
    mapped: tuple[Mapped, ...] = ()
    speculate: tuple[str, ...] = ()
    media: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes beyond which a message is refused: bytes, and levels of nesting."""

    body: int = 4 * 1024 * 1024
    depth: int = 64
    stream_event: int = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """What is kept of exchanges, where there is a store.

    Attributes:
        text: `none`, `redacted` (without secrets and personal data) or `full`.
        durability: `async`, or `commit` where an answer waits until its record is on the disk.
        on_failure: What happens while the store takes nothing: `shed` goes on without a record, `block` lets nothing through.
        implicit: Whether an answer that is asked for again, or a block that is tried again, counts as feedback.
    """

    text: str = "redacted"
    durability: str = "async"
    on_failure: str = "shed"
    implicit: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy with its bases merged in.

    Attributes:
        digest: SHA-256 of the canonical resolved policy with the detectors' versions, 64 hexadecimal digits.
        release: How streams are released: `judged`, `whole` or `optimistic`.
        refusal: How a refusal is shown: `message`, `field` or `error`.
        timeout: Seconds that one detector may take over one batch.
        categories: Categories of the policy's own.
        messages: Pairs of a locale and a text, where `message` is localised.
        counts: Whether some rule counts over a conversation.
        constitution: `system` where the upstream is told the principles; else empty.
    """

    name: str
    rules: tuple[Rule, ...]
    detectors: Mapping[str, DetectorConfig]
    principles: tuple[Principle, ...] = ()
    digest: str = ""
    message: str = USUAL_MESSAGE
    refusal: str = "message"
    release: str = "judged"
    timeout: float = 5.0
    routes: Routes = Routes()
    limits: Limits = Limits()
    categories: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    store: StoreSettings = StoreSettings()
    messages: tuple[tuple[str, str], ...] = ()
    counts: bool = False
    constitution: str = ""


TURNS: Mapping[str, tuple[str, ...]] = {"all": ("old", "new", "last"), "new": ("new", "last"), "last": ("last",)}
"""Which user turns a rule reads, by its `turns`: words of `Finding.turn`."""
