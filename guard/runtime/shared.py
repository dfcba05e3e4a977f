"""One loaded model for a process, however many policies use it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class _Turn:
    """Whoever holds its lock loads; the others wait, and find the value."""

    __slots__ = ("__weakref__", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()


_guard = threading.Lock()
_values: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
_turns: WeakValueDictionary[Hashable, _Turn] = WeakValueDictionary()


def shared(key: Hashable, load: Callable[[], T]) -> T:
    """Return the value of `key`; `load` makes it where nobody holds one, once however many ask at the same time.

    The value lives as long as somebody holds it. A `load` that raises leaves nothing behind: the next caller loads.

    Args:
        key: Everything that the value depends on, the digest of its files included.
        load: Makes the value; what it returns must allow weak references and must not change after.
    """
    with _guard:
        turn = _turns.setdefault(key, _Turn())
    with turn.lock:
        value: T | None = _values.get(key)
        if value is None:
            value = load()
            _values[key] = value
        return value
