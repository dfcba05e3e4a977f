"""When a rule holds, and for which share of the exchanges. Pure: the time comes from outside."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Days of the week, in the order of `datetime.weekday`."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a rule holds.

    Attributes:
        begins: The first moment; None for always before.
        ends: The first moment at which it holds no more.
        days: Days of the week, by the clock of `zone`; empty for every day. A night belongs to the day on which it begins.
        opens: Time of the day at which it begins to hold.
        closes: Time of the day at which it ceases; before `opens`, it is the next day's.
        zone: The time zone of days and times, such as `Europe/Berlin`.
    """

    begins: datetime | None = None
    ends: datetime | None = None
    days: tuple[str, ...] = ()
    opens: time | None = None
    closes: time | None = None
    zone: str = "UTC"

    def holds(self, at: float) -> bool:
        """Return whether the rule holds at a moment, in seconds since 1970."""
        moment = datetime.fromtimestamp(at, ZoneInfo(self.zone))
        if self.begins is not None and moment < self.begins:
            return False
        if self.ends is not None and moment >= self.ends:
            return False
        clock = moment.time()
        if self.opens is None or self.closes is None:
            return self._on(moment)
        if self.opens < self.closes:
            return self.opens <= clock < self.closes and self._on(moment)
        if clock >= self.opens:
            return self._on(moment)
        return clock < self.closes and self._on(moment - timedelta(days=1))

    def _on(self, moment: datetime) -> bool:
        return not self.days or DAYS[moment.weekday()] in self.days


def parsed_moment(written: str, zone: ZoneInfo) -> datetime | None:
    """Return the moment that an ISO 8601 date or date and time names, by `zone` where it names no offset; None for no such."""
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def parsed_hours(written: str) -> tuple[time, time] | None:
    """Return the two times of `22:00-06:00`; None for anything else, and where both are the same."""
    first, _, second = written.partition("-")
    try:
        opens, closes = time.fromisoformat(first.strip()), time.fromisoformat(second.strip())
    except ValueError:
        return None
    return (opens, closes) if opens != closes else None


def in_sample(rule: str, exchange: str, share: float) -> bool:
    """Return whether an exchange belongs to a rule's share; the same for the same ids, and each rule draws for itself."""
    digest = hashlib.sha256(f"{rule}\0{exchange}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
