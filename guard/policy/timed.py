"""Turn a rule's `schedule` and `count` into values, and check what no single key of them tells."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from guard.errors import Problem
from guard.policy.counting import Count
from guard.policy.merge import Draft, items, members, word
from guard.policy.node import Node
from guard.policy.shapes import did_you_mean
from guard.policy.timing import Schedule, parsed_hours, parsed_moment


def schedule_of(node: Node | None, problems: list[Problem]) -> Schedule | None:
    """Return when a rule holds; None where it does not say, or where that is wrong."""
    if node is None or not isinstance(node.value, dict):
        return None
    fields = members(node)
    before = len(problems)
    zone = _zone(fields, problems)
    begins, ends = (_moment(fields, key, zone, problems) for key in ("from", "until"))
    hours = None
    if word(fields, "hours"):
        hours = parsed_hours(word(fields, "hours"))
        if hours is None:
            problems.append(fields["hours"].problem("two different times of the day, such as `22:00-06:00`"))
    if begins is not None and ends is not None and begins >= ends:
        problems.append(fields["until"].problem("a moment after `from`"))
    if not fields.keys() & {"from", "until", "days", "hours"}:
        problems.append(node.problem("one of the keys `from`, `until`, `days` and `hours`", "none"))
    if len(problems) > before:
        return None
    days = tuple(str(each.value) for each in items(fields.get("days")))
    return Schedule(begins, ends, days, hours[0] if hours else None, hours[1] if hours else None, zone.key)


def count_of(draft: Draft, drafts: Mapping[str, Draft], gone: Collection[str], problems: list[Problem]) -> Count | None:
    """Return what a rule counts; None where it counts nothing, or where that is wrong.

    Args:
        drafts: The policy's rules, by id.
        gone: Ids of rules that were switched off; they are counted no more.
        problems: Grows.
    """
    node = draft.fields.get("count")
    if node is None or not isinstance(node.value, dict):
        return None
    fields = members(node)
    names = []
    for named in items(fields.get("rule")):
        target = drafts.get(str(named.value))
        if not isinstance(named.value, str) or named.value in gone:
            continue
        if target is None:
            others = [name for name in drafts if name != draft.id]
            hint = did_you_mean(named.value, others) or f"known: {', '.join(others)}"
            problems.append(named.problem("the id of another rule", hint=hint))
        elif "count" in target.fields:
            problems.append(named.problem("a rule that does not count itself", f"{named.shown}, which has `count`"))
        elif word(target.fields, "action") == "allow":
            problems.append(named.problem("a rule above `allow`", f"{named.shown}, an exception"))
        else:
            names.append(named.value)
    least = fields["at_least"].value if "at_least" in fields else None
    within = word(fields, "within") or "conversation"
    turns = 0 if within == "conversation" else int(within.split()[0])
    if not isinstance(least, int) or not names:
        return None
    if turns and least > turns:
        problems.append(fields["within"].problem(f"at least {least} turns, as `at_least` says", hint="raise it"))
        return None
    return Count(tuple(names), least, turns)


def _zone(fields: Mapping[str, Node], problems: list[Problem]) -> ZoneInfo:
    name = word(fields, "zone")
    try:
        return ZoneInfo(name) if name else _UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(name, available_timezones())
        problems.append(fields["zone"].problem("a time zone of the IANA data base, such as `Europe/Berlin`", hint=hint))
        return _UTC


def _moment(fields: Mapping[str, Node], key: str, zone: ZoneInfo, problems: list[Problem]) -> datetime | None:
    written = word(fields, key)
    if not written:
        return None
    moment = parsed_moment(written, zone)
    if moment is None:
        problems.append(fields[key].problem("a date of ISO 8601, such as `2026-12-01` or `2026-12-01T18:00`"))
    return moment


_UTC = ZoneInfo("UTC")
