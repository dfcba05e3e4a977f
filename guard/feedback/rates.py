"""How much feedback a token, a person, a key and an address may give: a leaky bucket for each (GCRA), in bounded memory.

GCRA after ITU-T I.371, annex A: one time for each bucket, at which it would be empty again.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from guard.errors import TenetError

_UNITS = {"s": 1.0, "min": 60.0, "h": 3_600.0}
_RATE = re.compile(r"([a-z]+)=(?:(off)|([0-9]{1,7})/(s|min|h))")
_MOST = 50_000


class Rate(NamedTuple):
    """At most `most` in `seconds`, all of them at once if need be; 0 for any number."""

    most: int = 0
    seconds: float = 1.0


class Rates(NamedTuple):
    """How much may be given.

    Attributes:
        token: About one exchange.
        source: By one person, about whatever exchanges.
        key: By one key.
        address: From one address, without a key.
        local: Whether requests from this machine itself are limited too.
    """

    token: Rate = Rate(30, 60.0)
    source: Rate = Rate(120, 60.0)
    key: Rate = Rate()
    address: Rate = Rate(600, 60.0)
    local: bool = False

    def shared(self, workers: int) -> Rates:
        """Return what each of several processes takes, so that all of them together take this."""
        token, source, key, address = (each._replace(most=-(-each.most // workers)) for each in self[:4])
        return Rates(token, source, key, address, self.local)


def rates(text: str) -> Rates:
    """Return the rates that a text such as `token=10/min,address=off` asks for; what it does not name stays as it is.

    Empty for the usual ones, `off` for none at all.

    Raises:
        TenetError: For anything else.
    """
    if not text:
        return Rates()
    if text == "off":
        return Rates(Rate(), Rate(), Rate(), Rate())
    found = Rates(local=True)
    for part in text.split(","):
        said = _RATE.fullmatch(part.strip())
        if said is None or said[1] not in ("token", "source", "key", "address") or said[3] == "0":
            expected = "off, or some of token=, source=, key= and address= with a rate such as 30/min, 5/s, 1000/h or off"
            raise TenetError(f"--feedback-rate: expected {expected}, with commas between; got {part.strip()[:40]!r}")
        named: dict[str, Any] = {said[1]: Rate() if said[2] else Rate(int(said[3]), _UNITS[said[4]])}
        found = found._replace(**named)
    return found


class Limiter:
    """Counts what was given. Used from one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._empty: OrderedDict[str, float] = OrderedDict()

    def wait(self, named: Sequence[tuple[str, Rate]], count: int = 1) -> float:
        """Take `count` from each of the buckets; return 0, or else the seconds after which it is worth asking again.

        Where one of them has too little left, nothing is taken from any.
        """
        at = self._clock()
        waits, taken = 0.0, []
        for name, rate in named:
            if not rate.most:
                continue
            until = max(self._empty.get(name, at), at) + min(count, rate.most) * rate.seconds / rate.most
            waits = max(waits, until - at - rate.seconds)
            taken.append((name, until))
        if waits > 1e-9:
            return waits
        for name, until in taken:
            self._empty[name] = until
            self._empty.move_to_end(name)
        while len(self._empty) > self._most:
            self._empty.popitem(last=False)
        return 0.0

    def __len__(self) -> int:
        """The buckets that are remembered."""
        return len(self._empty)
