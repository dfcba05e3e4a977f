"""The words of Tenet as values: frozen, typed, without I/O.

Every other room speaks in these. Offsets are code points of the decoded string at a location; spans are half-open;
scores lie in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple, Protocol, runtime_checkable


class Stage(StrEnum):
    """Which way a text travels: to the generator or back from it."""

    INPUT = "input"
    OUTPUT = "output"


class Role(StrEnum):
    """Whose words a text is."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    DEVELOPER = "developer"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    TOOL_SCHEMA = "tool_schema"


class Action(IntEnum):
    """What a rule asks for, from mildest to strictest; the strictest of the rules that fired is done."""

    ALLOW = 0
    FLAG = 1
    REDACT = 2
    REVISE = 3
    BLOCK = 4

    @property
    def word(self) -> str:
        """The action as policies, headers and JSON write it."""
        return self.name.lower()


class Runs(StrEnum):
    """How a detector is run: in the event loop (microseconds), in a worker thread, or as a coroutine."""

    INLINE = "inline"
    THREAD = "thread"
    ASYNC = "async"


class Span(NamedTuple):
    """A half-open range of code points."""

    start: int
    end: int


class Location(NamedTuple):
    """Where a text stands in its exchange.

    Attributes:
        pointer: JSON pointer into the message; `#` starts a pointer into JSON held by a string (tool-call arguments).
        choice: Index of the answer's choice, where there are several.
    """

    pointer: str = ""
    choice: int | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling; every field is empty where nobody said."""

    tenant: str = ""
    key: str = ""
    subject: str = ""
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what is known about it when its texts are judged.

    Attributes:
        id: Random; safe to log.
        headers: Lower-case names, as sent by the client.
        prompt: The texts of the request, for detectors that judge an answer together with its question.
        conversation: What tells it from other conversations of the same caller; empty where nobody said.
        at: When it began, in seconds since 1970; 0 where nobody asks.
        languages: What the user's last words are written in, as ISO 639 codes; empty where nobody asks or that can't be told.
        turn: How many times the user has spoken; 0 where nobody asks.
        tools: Names of the tools that the request offers.
        parameters: Numbers, truth values and words at the top of the request's body, such as `temperature`.
    """

    id: str
    method: str = ""
    route: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    caller: Caller = Caller()
    prompt: tuple[Item, ...] = ()
    conversation: str = ""
    at: float = 0.0
    languages: tuple[str, ...] = ()
    turn: int = 0
    tools: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """What a detector is shown.

    Attributes:
        text: The text to judge, context included.
        judged_from: Offset in `text` at which the judged part begins; what stands before it is context.
        media: Bytes of an image or a sound, for detectors that declare media; None for text.
    """

    text: str
    stage: Stage = Stage.INPUT
    role: Role = Role.USER
    location: Location = Location()
    judged_from: int = 0
    exchange: Exchange | None = None
    media: bytes | None = None
    principle: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector found in one item.

    Attributes:
        detector: The detector's name in the policy.
        category: `group` or `group/kind` (see `guard.categories`).
        score: In [0, 1].
        span: Where, in code points of the string at `location`; None means the whole judged part.
        turn: `last`, `new` or `old`: whether the text is the last user turn, one since the last answer, or an earlier one.
    """

    detector: str
    category: str
    score: float
    span: Span | None = None
    location: Location = Location()
    role: Role = Role.USER
    turn: str = "last"


@dataclass(frozen=True, slots=True)
class NoVerdict:
    """What stands in place of a detector's findings where it gave none in time.

    Attributes:
        retry_after: Seconds after which asking again is worthwhile, where the detector has too much to do; else 0.
    """

    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Revision:
    """What a text's rewriting came to.

    Attributes:
        rounds: How often it was rewritten and judged again.
        asked: How many requests that took.
        seconds: How long it took.
        done: Whether the last version may leave; else it was refused.
        by: Who rewrote it: `upstream`, or the name of a detector whose model did.
    """

    rounds: int
    asked: int
    seconds: float
    done: bool
    by: str = "upstream"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to happen, and why. Holds no user text, so it may be logged and stored.

    Attributes:
        rules: Ids of the rules that fired, in the policy's order.
        policy: Digest of the policy that decided: 64 hexadecimal digits.
        failed: Names of the detectors that gave no verdict.
        message: What the client may be told, when the action is block.
        not_run: Names of the detectors that were spared, because a cheaper one had settled the matter.
        retry_after: Seconds after which asking again is worthwhile, where nothing but an overloaded detector blocks; else 0.
        revision: How it was rewritten, where a rule asked for that; None where none did.
    """

    action: Action = Action.ALLOW
    rules: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    policy: str = ""
    failed: tuple[str, ...] = ()
    message: str = ""
    not_run: tuple[str, ...] = ()
    retry_after: float = 0.0
    revision: Revision | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the decision as plain JSON values, with scores rounded to 4 decimals."""
        return {
            "action": self.action.word,
            "rules": list(self.rules),
            "findings": [
                {
                    "detector": finding.detector,
                    "category": finding.category,
                    "score": round(finding.score, 4),
                    "span": list(finding.span) if finding.span else None,
                    "pointer": finding.location.pointer,
                    "choice": finding.location.choice,
                    "role": finding.role.value,
                }
                for finding in self.findings
            ],
            "policy": self.policy,
            "failed": list(self.failed),
            "not_run": list(self.not_run),
            "message": self.message,
            **({"revision": asdict(self.revision)} if self.revision is not None else {}),
        }


@dataclass(frozen=True, slots=True)
class PatternReach:
    """A detector whose matches are found by scanning; at most `longest` code points are held for a match under way."""

    longest: int = 4096


@dataclass(frozen=True, slots=True)
class SpansReach:
    """Windows of at most `size` code points that overlap by `overlap`, so that no border halves an entity."""

    overlap: int = 200
    size: int = 1000


@dataclass(frozen=True, slots=True)
class WindowReach:
    """Windows that end at the first sentence end after `after` code points, at most `most` long, with `context` before them."""

    after: int = 120
    most: int = 600
    context: int = 200


@dataclass(frozen=True, slots=True)
class WholeReach:
    """The whole text at once; nothing is released before its end."""


Reach = PatternReach | SpansReach | WindowReach | WholeReach


@dataclass(frozen=True, slots=True)
class Needs:
    """What a detector declares about itself, so that the engine can place its windows and run it.

    Attributes:
        views: Names of the views of `guard.text` that it reads.
        sees: "text", or "exchange" where it wants `Item.exchange` filled.
        media: MIME type prefixes that it can judge (`image/`); empty for text only.
    """

    reach: Reach = WholeReach()
    views: tuple[str, ...] = ("raw",)
    sees: str = "text"
    media: tuple[str, ...] = ()
    runs: Runs = Runs.THREAD


@runtime_checkable
class Detector(Protocol):
    """Whatever finds. One instance serves all exchanges at once, so it keeps no state between calls."""

    @property
    def name(self) -> str:
        """The name under which the policy knows it."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same text may get another verdict; part of the policy's digest."""
        ...

    @property
    def needs(self) -> Needs:
        """What it must be shown and how it is run."""
        ...

    @property
    def categories(self) -> tuple[str, ...]:
        """Every category that it can report."""
        ...

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return one list of findings for each item, in order. A text's findings do not depend on its company."""
        ...

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same as `detect` without blocking the event loop."""
        ...


class Match(NamedTuple):
    """A finding of a scan, with the position at which its evidence was complete.

    Attributes:
        finding: Its span is absolute: in code points of the whole track.
        known: The shortest length of the track whose text makes this match certain.
    """

    finding: Finding
    known: int


class Scan(NamedTuple):
    """What one step of an incremental scan knows.

    Attributes:
        matches: Newly certain matches, each reported once over successive steps, ordered by `known`.
        open: Start of the longest suffix that may still become or extend a match; the track's length where there is none.
        keep: Text before this position is not needed by later steps.
        mark: What to pass to the next step.
    """

    matches: tuple[Match, ...]
    open: int
    keep: int
    mark: Any


@runtime_checkable
class ScanningDetector(Detector, Protocol):
    """A detector of reach `PatternReach`: it can follow a growing text without reading it again."""

    def scan(self, tail: str, base: int, mark: Any, *, final: bool, role: Role, location: Location) -> Scan:  # noqa: ANN401
        """Continue a scan.

        Pure: the same arguments give the same answer, so that a step can be repeated on a shorter text.

        Args:
            tail: The track's text from offset `base` on; it reaches back at least to the last step's `keep`.
            base: Offset of `tail` in the track.
            mark: None at the start of a track, else the last step's mark.
            final: Whether the track ends here.
            role: Whose words the track is; copied into the findings.
            location: Where the track stands; copied into the findings.
        """
        ...
