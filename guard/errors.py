"""The exceptions that a caller of Tenet can meet. Each says where, what was expected, what was found, and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guard.values import Decision


class TenetError(Exception):
    """The root of Tenet's exceptions."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file.

    Attributes:
        where: The file, as the user named it.
        line: 1-based; 0 where the whole file is meant.
        column: 1-based.
        path: Path in the document, such as `rules[3].threshold`.
        expected: What should stand there.
        got: What stands there; quoted and shortened.
        hint: The way out, such as the nearest known name; may be empty.
    """

    where: str
    line: int
    column: int
    path: str
    expected: str
    got: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.where}:{self.line}:{self.column}" if self.line else self.where
        path = f" {self.path}:" if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}:{path} expected {self.expected}, got {self.got}{hint}"


class PolicyError(TenetError):
    """A policy that cannot be used: every mistake at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class MissingExtra(TenetError):
    """A part of Tenet whose packages are not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs: pip install 'tenet-guard[{extra}]'")


class DetectorError(TenetError):
    """A detector that gave no verdict: it failed, or took too long."""

    def __init__(self, detector: str, reason: str) -> None:
        self.detector = detector
        super().__init__(f"the detector '{detector}' gave no verdict: {reason}")


class Transient(DetectorError):
    """A detector that gave no verdict for a passing reason; asking again may help.

    Attributes:
        retry_after: Seconds that it asked to be left alone; None where it did not say.
    """

    def __init__(self, detector: str, reason: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(detector, reason)


class Overloaded(DetectorError):
    """A detector that has more waiting than it may.

    Attributes:
        retry_after: Seconds after which it is worth asking again.
    """

    def __init__(self, detector: str, reason: str, *, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(detector, reason)


class BadMessage(TenetError):
    """A request or an answer that its format does not allow.

    Attributes:
        status: The HTTP status that a client should get for it, if it sent it.
        code: A short machine-readable word, such as `invalid_json`.
    """

    def __init__(self, message: str, *, status: int = 400, code: str = "invalid_request") -> None:
        self.status = status
        self.code = code
        super().__init__(message)


class UpstreamError(TenetError):
    """A generator that did not answer, or answered what its format does not allow.

    Attributes:
        status: The HTTP status that the client should get: 502, or 504 for a time limit.
    """

    def __init__(self, message: str, *, status: int = 502) -> None:
        self.status = status
        super().__init__(message)


class Blocked(TenetError):
    """A text that the policy does not let through. Its message is the refusal, and never the text."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        super().__init__(decision.message)


class StoreError(TenetError):
    """A store that cannot be used as it is: of another version, sealed with another key, or no store at all."""


class StoreUnavailable(StoreError):
    """A store that does not answer now: gone, locked, full or read-only. What it acknowledged stays; asking again may help."""
