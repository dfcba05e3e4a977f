"""The ways in which a detector that is not inline works: a model in a thread, a service that is asked, or others in some order.

A subclass says what it finds; the runtime (`guard.runtime`) batches, caches, limits and retries around it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from guard.runtime.loop import runtime_loop
from guard.values import Detector, Finding, Item, Needs


class _Described:
    """Name, version, needs and categories of a detector, as given."""

    def __init__(self, name: str, version: str, needs: Needs, categories: Sequence[str]) -> None:
        self._name = name
        self._version = version
        self._needs = needs
        self._categories = tuple(categories)

    @property
    def name(self) -> str:
        """The name under which the policy knows it."""
        return self._name

    @property
    def version(self) -> str:
        """Changes whenever the same text may get another verdict."""
        return self._version

    @property
    def needs(self) -> Needs:
        """What it must be shown and how it is run."""
        return self._needs

    @property
    def categories(self) -> tuple[str, ...]:
        """Every category that it can report."""
        return self._categories


class Threaded(_Described, ABC):
    """A detector that computes: its `detect` blocks, and is called in a thread with a batch of items of like length.

    Attributes:
        batch: Items that one call may take.
        parallel: Calls that may run at the same time.
        model_key: What it shares with others that use the same model; they take turns. Empty where nothing is shared.
    """

    batch: int = 32
    parallel: int = 1
    model_key: str = ""

    @abstractmethod
    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return one list of findings for each item, in order."""

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same in a thread."""
        return await asyncio.to_thread(self.detect, items)

    def warm_up(self) -> None:
        """Make the first real call as quick as the later ones."""
        self.detect([Item("Good morning.")])


class Remote(_Described, ABC):
    """A detector that asks a service: its `detect_async` runs on the runtime's loop.

    Attributes:
        batch: Items that one call may take.
        parallel: Calls that may run at the same time.
    """

    batch: int = 1
    parallel: int = 16

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same as `detect_async`, waiting for it; not for the runtime's loop itself."""
        return runtime_loop().run(self.detect_async(items))

    @abstractmethod
    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return one list of findings for each item, in order. Raises `Transient` where asking again may help."""


class Composed(_Described, ABC):
    """A detector that asks others, and runs wherever it is asked: what is slow about it is the others, not itself."""

    @abstractmethod
    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return one list of findings for each item, in order; waits for the others."""

    @abstractmethod
    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same without blocking the event loop."""

    def served_by(self, run: Callable[[Detector], Detector]) -> Composed:
        """Return the detector with the runtime around those of the others that are its own parts; `run` puts it there."""
        return self

    def warm_up(self) -> None:
        """Load what is loaded late, and make the first real call as quick as the later ones."""
