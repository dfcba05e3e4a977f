"""An evaluation as a table to read in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from alignment.evaluation.result import Evaluation, Measure


def lines(found: Evaluation) -> Iterator[str]:
    """Yield the lines: what has to be said first, the models, the measures, the warnings."""
    if found.notice:
        yield f"NOTICE: {found.notice}"
    yield f"baseline  {found.baseline.name} ({found.baseline.digest[:12]})"
    yield f"candidate {found.candidate.name} ({found.candidate.digest[:12]})"
    yield f"policy    {found.policy_name} ({found.policy[:12]})"
    yield ""
    rows = [_row(each) for each in found.measures]
    header = ("measure", "prompts", "baseline", "candidate", "difference", f"{100 * found.level:g} % interval", "")
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        cells = [
            cell.ljust(width) if not at or at > 4 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
    if any("†" in row[0] for row in rows):
        yield ""
        yield "† judged by who also made labels or rewards"
    for warning in found.warnings:
        yield f"warning: {warning}"


def _row(measure: Measure) -> tuple[str, ...]:
    difference = measure.difference
    interval = difference.interval if difference else None
    mark = "†" if measure.evaluator and not measure.independent else ""
    return (
        measure.key + mark,
        f"{measure.prompts:,}" if measure.prompts else "",
        _number(measure, measure.baseline),
        _number(measure, measure.candidate),
        _number(measure, difference.value, sign=True) if difference else "",
        f"[{_number(measure, interval.low, sign=True)}, {_number(measure, interval.high, sign=True)}]" if interval else "",
        _verdict(measure),
    )


def _verdict(measure: Measure) -> str:
    interval = measure.difference.interval if measure.difference else None
    if interval is None:
        return measure.reason
    if not measure.better or interval.low <= 0 <= interval.high:
        return ""
    return "better" if (interval.low > 0) == (measure.better == "higher") else "worse"


def _number(measure: Measure, value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "–"
    if measure.unit == "rate":
        return f"{100 * value:{'+' if sign else ''}.1f} %"
    return f"{value:{'+' if sign else ''}.3g}"
