"""What is found wrong in an audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that somebody without the key did, or that got lost.

    Attributes:
        kind: changed, missing, inserted, reordered, truncated, head or unvouched.
        sequence: Where in the writer's chain; 0 where the whole chain is meant.
    """

    kind: str
    writer: str
    sequence: int
    expected: str
    found: str

    def __str__(self) -> str:
        at = f" at {self.sequence}" if self.sequence else ""
        return f"{self.writer}{at}: {self.kind}: expected {self.expected}, found {self.found}"


@dataclass(slots=True)
class Report:
    """What came of a verification.

    Attributes:
        signed: Entries and heads whose signature fits.
        faults: The first of them.
        count: How many there are in all.
    """

    chains: int = 0
    entries: int = 0
    signed: int = 0
    faults: list[Fault] = field(default_factory=list)
    count: int = 0

    def add(self, kind: str, writer: object, sequence: object, expected: str, found: str) -> None:
        """Add a fault; names and numbers may be anything that somebody wrote into a database."""
        self.count += 1
        if len(self.faults) < MOST_SHOWN:
            name = writer if isinstance(writer, str) and writer.isascii() and writer.isprintable() else repr(writer)
            self.faults.append(Fault(kind, name[:150], sequence if isinstance(sequence, int) else 0, expected, found))

    def lines(self) -> Iterator[str]:
        """Yield what to print of the faults."""
        yield from map(str, self.faults)
        if self.count > len(self.faults):
            yield f"… and {self.count - len(self.faults)} more"
