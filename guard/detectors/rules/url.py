"""The detector `url`: addresses that a policy denies, that pose as others, that hold code, or that carry data away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import re2

from guard.detectors.rules.addresses import domain_of, hosts_of, parsed
from guard.detectors.rules.homographs import LIKELY, SURE, Impostors
from guard.detectors.rules.leaks import Load, load_of
from guard.detectors.rules.links import (
    BARE,
    DATA_ACTIVE,
    DATA_INERT,
    FULL,
    IMAGES,
    SCRIPT,
    is_host,
    is_surely_host,
    trimmed,
)
from guard.detectors.scanning import Pattern, PatternScanner
from guard.policy.kinds import Mistake

VERSION = "url-1"
DENIED, HOMOGRAPH, DATA, EXFILTRATION = "url/denied", "url/homograph", "url/data", "url/exfiltration"
CATEGORIES = (DENIED, HOMOGRAPH, DATA, EXFILTRATION)

_LONGEST = 1 << 13
_VIEWS = ("canonical", "decoded")
_IMAGE_SCORES = (((Load.VALUE,), 0.5), ((Load.OPAQUE,), 0.7), ((Load.WORDS,), 0.9), ((Load.ENCODED,), 0.95))
_LINK_SCORES = (((Load.OPAQUE, Load.WORDS), 0.4), ((Load.ENCODED,), 0.8))

_Accept = Callable[[str], Sequence[tuple[int, int]]]


def make(name: str, options: Mapping[str, Any]) -> PatternScanner:
    """Return the scanner; see the catalogue for its options."""
    denied = _domains(options, "denied")
    allowed = _domains(options, "allowed")
    impostors = Impostors((*allowed, *_domains(options, "brands")))
    patterns = [
        *(Pattern(expression, DATA, 0.95, group=1, views=_VIEWS) for expression in (*SCRIPT, DATA_ACTIVE)),
        Pattern(DATA_INERT, DATA, 0.6, group=1, views=_VIEWS),
        *_posing(impostors),
        *_leaking(_among(allowed)),
    ]
    if denied or allowed:
        patterns += _forbidden(denied, allowed)
    return PatternScanner(name, patterns, VERSION, longest=_LONGEST)


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options reports: `url/denied` only where domains are listed."""
    return CATEGORIES if options.get("denied") or options.get("allowed") else CATEGORIES[1:]


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in lists of domains."""
    return [
        Mistake((key, index), "a domain such as example.com", repr(entry))
        for key in ("denied", "allowed", "brands")
        for index, entry in enumerate(options.get(key, ()))
        if not domain_of(entry) or any(char.isspace() for char in domain_of(entry))
    ]


def _domains(options: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(domain_of(entry) for entry in options.get(key, ()))


def _posing(impostors: Impostors) -> Iterator[Pattern]:
    """Yield a pattern for each grade of certainty, so that each address is found by one."""
    score = lru_cache(maxsize=1024)(impostors.score)
    for least, most in ((SURE, 1.01), (LIKELY, SURE)):

        def poses(text: str, least: float = least, most: float = most) -> bool:
            return least <= score(parsed(text)) < most

        yield Pattern(FULL, HOMOGRAPH, least, group=1, views=_VIEWS, accept=_address(poses))
    yield Pattern(BARE, HOMOGRAPH, LIKELY, group=1, views=_VIEWS, accept=_bare(lambda text: score(parsed("//" + text)) >= LIKELY))


def _forbidden(denied: Sequence[str], allowed: Sequence[str]) -> Iterator[Pattern]:
    among_denied, among_allowed = _among(denied), _among(allowed)

    def is_denied(hosts: Sequence[str]) -> bool:
        return any(map(among_denied, hosts))

    def is_forbidden(text: str) -> bool:
        hosts = hosts_of(text)
        return is_denied(hosts) or (bool(allowed) and not among_allowed(hosts[0]))

    def is_forbidden_bare(text: str) -> bool:
        hosts = hosts_of("//" + text)
        return is_denied(hosts) or (bool(allowed) and is_surely_host(text) and not among_allowed(hosts[0]))

    yield Pattern(FULL, DENIED, group=1, views=_VIEWS, accept=_address(is_forbidden))
    yield Pattern(BARE, DENIED, group=1, views=_VIEWS, accept=_bare(is_forbidden_bare))
    for domain in denied:
        if not domain.isascii():
            yield Pattern(f"(?i)({re2.escape(domain)})", DENIED, group=1, views=_VIEWS)


def _leaking(trusts: Callable[[str], bool]) -> Iterator[Pattern]:
    for expressions, scores in ((IMAGES, _IMAGE_SCORES), ((FULL,), _LINK_SCORES)):
        for loads, score in scores:

            def leaks(text: str, loads: Sequence[Load] = loads) -> bool:
                address = parsed(text)
                return bool(address.host) and not trusts(address.host) and load_of(address) in loads

            for expression in expressions:
                yield Pattern(expression, EXFILTRATION, score, group=1, views=_VIEWS, accept=_address(leaks))


def _among(domains: Sequence[str]) -> Callable[[str], bool]:
    """Return whether a host is one of the domains or within one, in time that does not grow with their number."""
    known = frozenset(domains)

    def among(host: str) -> bool:
        labels = host.split(".")
        return any(".".join(labels[start:]) in known for start in range(len(labels)))

    return among


def _address(is_found: Callable[[str], bool]) -> _Accept:
    def accept(text: str) -> Sequence[tuple[int, int]]:
        end = trimmed(text)
        return [(0, end)] if is_found(text[:end]) else []

    return accept


def _bare(is_found: Callable[[str], bool]) -> _Accept:
    def accept(text: str) -> Sequence[tuple[int, int]]:
        end = trimmed(text)
        return [(0, end)] if is_host(text[:end]) and is_found(text[:end]) else []

    return accept
