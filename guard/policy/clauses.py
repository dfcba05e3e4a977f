"""Turn `any`, `all`, `not` and `sum` of a rule, or of a clause, into a `Clause`, and check what no single key tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from guard.errors import Problem
from guard.policy.logic import Clause, Every, Leaf, Not, Some, Sum, needs_a_finding
from guard.policy.merge import items, members, without_invalid
from guard.policy.node import Invalid, Node
from guard.policy.shapes import listed

LOGIC = ("any", "all", "sum")
"""Keys of a rule that stand in place of `detect` and `category`."""

_FORMS = ("detect", "any", "all", "not", "sum")


def readings(fields: Mapping[str, Node]) -> Iterator[Mapping[str, Node]]:
    """Yield every mapping in a rule that has `detect` and `category`: the rule itself, or its clauses."""
    if "detect" in fields or "category" in fields:
        yield fields
    for key in ("any", "all"):
        for node in items(fields.get(key)):
            yield from readings(members(node))
    if "not" in fields:
        yield from readings(members(fields["not"]))
    for node in items(members(fields.get("sum")).get("of")):
        yield from readings(members(node))


def logic_of(fields: Mapping[str, Node], threshold: float, problems: list[Problem]) -> Clause | None:
    """Return what a rule asks of several detectors; None where it has none of the keys, or where they are wrong.

    Args:
        fields: The rule's; only `any`, `all` and `sum` are read.
        threshold: The rule's, for clauses that do not say.
        problems: Grows.
    """
    form = next((key for key in LOGIC if key in fields), "")
    if not form:
        return None
    clause = _of_form(form, fields, threshold, problems)
    if clause is not None and not needs_a_finding(clause):
        hint = "put something that has to be found beside the `not`, in `all`"
        problems.append(fields[form].problem("something that has to be found", "what holds where nothing is found", hint))
        return None
    return clause


def _clause(node: Node, threshold: float, problems: list[Problem]) -> Clause | None:
    if node.value is Invalid.INVALID:
        return None
    fields = members(node)
    forms = [key for key in _FORMS if key in fields] or [key for key in ("category",) if key in fields]
    if len(forms) != 1:
        got = " and ".join(f"`{key}`" for key in forms) or "none"
        problems.append(node.problem(f"one of the keys {listed(f'`{key}`' for key in _FORMS)}", got))
        return None
    if forms[0] not in ("detect", "category"):
        for key in ("category", "threshold"):
            if key in fields:
                at = node.keys.get(key, fields[key])
                problems.append(at.problem(f"`{key}` only beside `detect`", f"`{forms[0]}`", f"leave `{key}` out"))
        return _of_form(forms[0], fields, threshold, problems)
    missing = [key for key in ("detect", "category") if key not in fields]
    problems.extend(node.problem(f"the key `{key}`", "none") for key in missing)
    return None if missing else _leaf(fields, threshold)


def _of_form(form: str, fields: Mapping[str, Node], threshold: float, problems: list[Problem]) -> Clause | None:
    node = fields[form]
    if node.value is Invalid.INVALID:
        return None
    if form == "sum":
        return _sum(node, problems)
    if form == "not":
        inner = _clause(node, threshold, problems)
        return None if inner is None else Not(inner)
    clauses = [_clause(each, threshold, problems) for each in items(node)]
    known = tuple(clause for clause in clauses if clause is not None)
    if len(known) < len(clauses) or not known:
        return None
    return Some(known) if form == "any" else Every(known)


def _sum(node: Node, problems: list[Problem]) -> Sum | None:
    fields = members(node)
    terms = [_leaf(members(each), 0.0) for each in items(fields.get("of"))]
    known = tuple(term for term in terms if term is not None)
    least = fields["at_least"].value if "at_least" in fields else Invalid.INVALID
    if len(known) < len(terms) or not known or not isinstance(least, int | float):
        return None
    most = sum(term.weight for term in known)
    if most < least:
        got = f"{least:g}, where all scores of 1 make {most:g}"
        problems.append(fields["at_least"].problem("a sum that can be reached", got, "lower it, or raise the weights"))
    return Sum(known, float(least))


def _leaf(fields: Mapping[str, Node], threshold: float) -> Leaf | None:
    given = {name: node.plain for name, node in without_invalid(dict(fields))}
    if not given.get("detect") or not given.get("category"):
        return None
    least, weight = float(given.get("threshold", threshold)), float(given.get("weight", 1.0))
    return Leaf(tuple(given["detect"]), tuple(given["category"]), least, weight)
