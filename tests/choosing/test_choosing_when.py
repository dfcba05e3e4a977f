"""Conditions of choices: what holds for a request, and what is left for a choice after those before it."""

from __future__ import annotations

from itertools import product

from hypothesis import example, given
from hypothesis import strategies as st

from guard.choosing.when import Asked, When, fits, left_over, meet, takes
from guard.formats.registry import segments_of
from guard.values import Caller

SEGMENTS = ("a", "b")
ROUTES = [tuple(route) for length in range(4) for route in product(SEGMENTS, repeat=length)]
patterns = st.tuples(st.lists(st.sampled_from(("a", "b", "*")), max_size=3), st.booleans()).map(
    lambda drawn: (*drawn[0], *(("**",) if drawn[1] else ()))
)
values = st.frozensets(st.sampled_from("xy"), min_size=1)
whens = st.builds(
    When,
    st.dictionaries(st.sampled_from(("tenant", "method")), values),
    st.frozensets(patterns, max_size=2),
    st.dictionaries(st.sampled_from(("h",)), values),
)
EVERY = [
    Asked(method, route, Caller(tenant), {"h": frozenset({header})} if header else {})
    for method, route, tenant, header in product("xyz", [route for route in ROUTES if len(route) < 4], "xyz", ("x", "y", "z", ""))
]


def reached(pattern: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {route for route in ROUTES if fits(pattern, route)}


@given(patterns, patterns)
def test_patterns_of_routes_say_of_each_other_what_they_match(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    if takes(one, other):
        assert reached(one) >= reached(other)
    assert meet(one, other) == bool(reached(one) & reached(other))


def test_an_asterisk_is_one_segment_and_two_are_the_rest() -> None:
    assert fits(("v1", "*"), ("v1", "x")) and not fits(("v1", "*"), ("v1",)) and not fits(("v1", "*"), ("v1", "x", "y"))
    assert all(fits(("v1", "**"), ("v1", *more)) for more in ((), ("x",), ("x", "y")))
    assert not fits(("v1", "**"), ("v2",))
    assert fits(("**",), ()) and not fits(("*",), ())


def test_asterisks_in_a_requests_own_path_are_letters() -> None:
    assert fits(("strict", "*"), ("strict", "**")) and fits(("strict", "*"), ("strict", "*"))
    assert not fits(("strict", "x"), ("strict", "*")) and not fits(("strict", "x"), ("**",))


@given(whens, whens)
def test_what_one_condition_says_of_another_holds_for_every_request(one: When, other: When) -> None:
    holding = [(not one.fails(asked), not other.fails(asked)) for asked in EVERY]
    if one.covers(other):
        assert all(mine for mine, its in holding if its)
    if not one.meets(other, frozenset({"h"})):
        assert (True, True) not in holding


@given(st.lists(whens, max_size=3), whens)
def test_a_choice_without_anything_left_is_never_made(before: list[When], last: When) -> None:
    made = any(not last.fails(asked) and all(each.fails(asked) for each in before) for asked in EVERY)
    assert not made or left_over(last, before)


def test_a_choice_is_shadowed_by_several_together() -> None:
    both = When({"tenant": frozenset({"a", "b"}), "method": frozenset({"GET"})})
    one, other = (When({"tenant": frozenset({name})}) for name in "ab")
    assert left_over(both, [one]) and not left_over(both, [one, other])


def test_a_caller_may_have_several_roles() -> None:
    asked = Asked("POST", (), Caller(roles=("viewer", "reviewer")))
    assert not When({"role": frozenset({"reviewer"})}).fails(asked)
    assert When({"role": frozenset({"admin"})}).fails(asked) == "role"
    assert When({"role": frozenset({"viewer"})}).meets(When({"role": frozenset({"reviewer"})}))


@given(st.text(st.sampled_from("aB/.%;\\?#25eEfF *~"), max_size=12))
@example("/%")
def test_a_path_has_segments_only_where_every_server_reads_the_same(path: str) -> None:
    segments = segments_of(path)
    if segments is not None:
        assert path.startswith("/")
        assert not any(segment in (".", "..", "") or set(segment) & set("%;\\?#") for segment in segments)
        assert "/" + "/".join(segments) in (path.lower(), path.lower().removesuffix("/"))
