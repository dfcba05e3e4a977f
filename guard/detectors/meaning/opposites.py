"""Pairs of English words of which a text that says the one denies the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

_PAIRS = """
more less, more fewer, higher lower, high low, increase decrease, increase reduce, increased decreased, rise fall,
rises falls, rose fell, rising falling, before after, earlier later, early late, always never, open closed, opens closes,
opened closed, allowed forbidden, allowed prohibited, permitted forbidden, permitted prohibited, permitted banned,
allowed banned, included excluded, includes excludes, include exclude, free charged, won lost, win lose, wins loses,
approved rejected, approve reject, accept reject, accepted rejected, accepted declined, minimum maximum, larger smaller,
bigger smaller, longer shorter, faster slower, better worse, best worst, cheaper dearer, hot cold, warm cool,
mandatory optional, required optional, compulsory voluntary, success failure, succeeded failed, enable disable,
enabled disabled, north south, east west, inside outside, indoor outdoor, male female, son daughter, brother sister,
father mother, husband wife, buy sell, bought sold, import export, profit loss, gain loss, gained lost, safe dangerous,
safe unsafe, legal illegal, possible impossible, able unable, true false, same different, public private, old new,
oldest newest, older younger, oldest youngest, positive negative, strong weak, dry wet, active extinct, active inactive,
rechargeable disposable, agree disagree, agreed disagreed, confirmed denied, confirmed lowered, confirmed raised,
raised lowered, raise lower, welcomed protested, supported opposed, support oppose, postponed brought, guilty innocent,
alive dead, top bottom, morning evening, day night, summer winter, monthly yearly, weekly monthly, daily weekly
"""


def _opposites() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for pair in _PAIRS.replace("\n", " ").split(","):
        one, other = pair.split()
        found[one].add(other)
        found[other].add(one)
    return {word: frozenset(others) for word, others in found.items()}


OPPOSITES = _opposites()
"""For each word the words that deny it."""
