"""How long somebody has to wait who shows keys that are none: longer each time, in bounded memory.

Only failing attempts wait. A good key is never refused for what others tried, from the same address or with its prefix; guessing
256 random bits would take for ever anyway, so what this saves is work and noise.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

FREE = 10
"""Attempts that may fail without waiting."""
LONGEST = 60.0
FORGET = 600.0
_MOST = 10_000


@dataclass(slots=True)
class _Record:
    failures: int = 0
    until: float = 0.0
    last: float = 0.0


class Backoff:
    """Failed attempts by name: an address, a key's id."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def waits(self, name: str) -> float:
        """Return the seconds that attempts of this name still have to wait."""
        record = self._records.get(name)
        return max(0.0, record.until - self._clock()) if record is not None else 0.0

    def failed(self, names: Iterable[str]) -> float:
        """Note a failed attempt of all these names; return the seconds to wait, 0 where there are attempts left.

        An attempt while one has to wait is answered and not counted, so that nobody is kept out for ever.
        """
        return max((self._note(name) for name in names), default=0.0)

    def __len__(self) -> int:
        """The names that are remembered."""
        return len(self._records)

    def _note(self, name: str) -> float:
        at = self._clock()
        record = self._records.setdefault(name, _Record())
        self._records.move_to_end(name)
        if len(self._records) > _MOST:
            self._records.popitem(last=False)
        if at < record.until:
            return record.until - at
        if at - record.last > FORGET:
            record.failures = 0
        record.failures += 1
        record.last = at
        if record.failures > FREE:
            wait = min(LONGEST, 2.0 ** (record.failures - FREE - 1))
            record.until = at + wait
            return wait
        return 0.0


def network_of(address: str) -> str:
    """Return what attempts of a client are counted under: its address; of IPv6, the network of 64 bits that one client has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
