"""A report as tables of words, to be shown on a terminal, as plain text or in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from guard.evaluation import binomial
from guard.evaluation.measured import BLOCKED, FLAGGED, Difference, Measured
from guard.evaluation.report import Of, Report
from guard.values import Action

_COLUMNS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "recall_at_1": "recall @1%",
    "recall_at_5": "recall @5%",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "false_positive_rate": "false pos.",
    "ece_10": "ECE",
    "brier": "Brier",
}
_WITH_INTERVAL = ("auroc", "auprc")
_COMPARED = ("auroc", "auprc", "recall_at_5", "recall", "precision", "false_positive_rate", "ece_10")


_MOST_ALARMS = 10


class Sheet(NamedTuple):
    """A table; the first column is of words, the others of numbers."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sheets(report: Report) -> Iterator[Sheet]:
    """Yield the tables of a report."""
    for of in report.found:
        yield _categories(of)
        yield _decisions(of)
        if of.candidate.decides:
            yield _actions(of)
            if of.benign.rules or of.harmful.rules:
                yield _rules(of)
        if of.benign.reached:
            yield _false_alarms(of)
        yield from (_parts(of, by) for by in of.parts)
    if report.differences:
        yield _comparison(report)
    yield _speeds(report)


def _categories(of: Of) -> Sheet:
    header = ("", "positives", "negatives", *_COLUMNS.values(), "threshold")
    rows = tuple(
        (
            name,
            f"{each.positives:,}",
            f"{each.negatives:,}",
            *(_figure(each, figure, with_interval=figure in _WITH_INTERVAL) for figure in _COLUMNS),
            f"{each.limit.value:.3g} ({each.limit.origin})" if each.limit else "",
        )
        for name, each in of.rows.items()
        if name not in (FLAGGED, BLOCKED)
    )
    return Sheet(f"{of.candidate.name}: scores", header, rows)


def _decisions(of: Of) -> Sheet:
    words = {FLAGGED: "any action above allow" if of.candidate.decides else "any category over its threshold", BLOCKED: "block"}
    rows = []
    for name, word in words.items():
        each = of.rows.get(name)
        if each is not None and each.limit is not None:
            caught, alarms = (_figure(each, figure, with_interval=True) for figure in ("recall", "false_positive_rate"))
            rows.append((word, caught, alarms, _figure(each, "precision"), _figure(each, "f1")))
    harmful, benign = (f"{counted.records:,}" for counted in (of.harmful, of.benign))
    header = ("", f"caught, of {harmful} harmful", f"false alarms, of {benign} benign", "precision", "F1")
    return Sheet(f"{of.candidate.name}: what it says of a text", header, tuple(rows))


def _actions(of: Of) -> Sheet:
    rows = tuple(
        (
            action.word,
            _of_records(of.harmful.actions[action], of.harmful.records),
            _of_records(of.benign.actions[action], of.benign.records),
        )
        for action in Action
    )
    return Sheet(f"{of.candidate.name}: actions", ("", "harmful", "benign"), rows)


def _rules(of: Of) -> Sheet:
    ids = [rule.id for rule in of.candidate.guard.policy.rules if of.harmful.rules[rule.id] or of.benign.rules[rule.id]]
    rows = tuple(
        (
            each,
            _of_records(of.harmful.rules[each], of.harmful.records),
            _of_records(of.benign.rules[each], of.benign.records),
        )
        for each in ids
    )
    return Sheet(f"{of.candidate.name}: rules that fired", ("", "harmful", "benign"), rows)


def _false_alarms(of: Of) -> Sheet:
    rows = tuple((name, _of_records(count, of.benign.records)) for name, count in of.benign.reached.most_common(_MOST_ALARMS))
    return Sheet(f"{of.candidate.name}: over the threshold on benign texts", ("", f"of {of.benign.records:,} benign"), rows)


def _parts(of: Of, by: str) -> Sheet:
    shown = ("auroc", "auprc", "recall_at_5", "recall", "false_positive_rate", "ece_10")
    header = (by, "row", "positives", "negatives", *(_COLUMNS[name] for name in shown))
    rows = tuple(
        (value or "(none)", name, f"{each.positives:,}", f"{each.negatives:,}", *(_figure(each, figure) for figure in shown))
        for value, found in of.parts[by].items()
        for name, each in found.items()
    )
    return Sheet(f"{of.candidate.name}: by {by}", header, rows)


def _comparison(report: Report) -> Sheet:
    first, second = (of.candidate.name for of in report.found)
    rows = tuple(
        (row, *(_difference(found.get(name)) for name in _COMPARED)) for row, found in report.differences.items() if found
    )
    return Sheet(f"{second} compared with {first}: differences", ("", *(_COLUMNS[name] for name in _COMPARED)), rows)


def _speeds(report: Report) -> Sheet:
    rows = []
    for of in report.found:
        times: Sequence[str] = ("-", "-", "-")
        if of.speed.alone:
            times = [f"{1000 * float(each):.2f}" for each in np.quantile(of.speed.alone, (0.5, 0.95, 0.99))]
        rate = f"{report.tally.records / of.speed.seconds:,.0f}" if of.speed.seconds else "-"
        rows.append((of.candidate.name, *times, rate))
    together = report.settings.get("together")
    header = ("", "p50 ms", "p95 ms", "p99 ms", f"texts/s, {together} together")
    return Sheet("times on this machine, of a text alone and of many", header, tuple(rows))


def _figure(each: Measured, name: str, *, with_interval: bool = False) -> str:
    value = each.figures.get(name)
    if value is None:
        return "-" if name in each.asked else ""
    bounds = each.intervals.get(name)
    return f"{value:.3f}" + (f" ({bounds.low:.3f} to {bounds.high:.3f})" if with_interval and bounds else "")


def _difference(found: Difference | None) -> str:
    if found is None:
        return "-"
    value, low, high = (round(number, 3) + 0.0 for number in (found.value, *found.interval))
    return f"{value:+.3f}{'*' if found.is_sure else ''} ({low:+.3f} to {high:+.3f})"


def _of_records(count: int, records: int) -> str:
    if not records:
        return "-"
    low, high = binomial.interval(count, records)
    return f"{count:,} ({count / records:.1%}, {low:.1%} to {high:.1%})"


def legend(report: Report) -> list[str]:
    """Return what the tables need to be understood."""
    lines = [
        "recall @1% and @5%: the most that is caught while at most so many negatives are false alarms; precision, recall, F1 and "
        "false positives: at the threshold",
        "in brackets: 95 % intervals",
    ]
    if report.differences:
        lines.append(
            "*: the difference is not zero, with 95 % confidence; on the same records, positive where the second is higher"
        )
    return lines


def as_plain(sheet: Sheet) -> str:
    """Return a table as lines of text."""
    table = [sheet.header, *sheet.rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(sheet.header))]
    words = _words(sheet)
    lines = [
        "  ".join(
            cell.ljust(width) if column < words else cell.rjust(width) for column, (cell, width) in enumerate(pairs)
        ).rstrip()
        for pairs in (list(zip(row, widths, strict=True)) for row in table)
    ]
    return "\n".join([sheet.title, *(f"  {line}" for line in lines)])


def as_markdown(sheet: Sheet) -> str:
    """Return a table in Markdown."""
    words = _words(sheet)
    rule = [":--" if column < words else "--:" for column in range(len(sheet.header))]
    lines = [_line(sheet.header), _line(rule), *(_line(row) for row in sheet.rows)]
    return "\n".join([f"## {_escaped(sheet.title)}", "", *lines])


def page(report: Report, plots: Mapping[str, str]) -> str:
    """Return the whole report in Markdown.

    Args:
        plots: Names of image files by title.
    """
    parts = [f"# Evaluation on {_escaped(', '.join(report.datasets))}"]
    parts.append(f"{report.tally.records:,} records, {report.tally.labelled:,} of them with labels.")
    for of in report.found:
        digest = f"policy {of.candidate.digest}" if of.candidate.decides else "detector"
        versions = "; ".join(f"{name} {version}" for name, version in of.candidate.versions.items())
        parts.append(f"{_escaped(of.candidate.name)}: {digest}; {_escaped(versions)}")
    parts += [as_markdown(sheet) for sheet in sheets(report)]
    parts.append("\n".join(f"- {_escaped(line)}" for line in legend(report)))
    parts += [f"![{title}]({name})" for title, name in plots.items()]
    if report.notes:
        parts.append("\n".join(["## To bear in mind", "", *(f"- {_escaped(note)}" for note in report.notes)]))
    return "\n\n".join(parts) + "\n"


def _words(sheet: Sheet) -> int:
    return 2 if len(sheet.header) > 1 and sheet.header[1] == "row" else 1


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "|*_<>[]`\\" else letter for letter in text).replace("\n", " ")
