"""Curves of a report as PNG and SVG: precision over recall, ROC, and how far scores can be taken at their word."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import Any

import numpy as np

from guard.errors import MissingExtra
from guard.evaluation.measured import RANKING, Row
from guard.evaluation.metrics import Counts, precision_recall, rates, reliability
from guard.evaluation.report import Report

KINDS = {
    "precision-recall": "Precision and recall",
    "roc": "Recall and false positives",
    "reliability": "Scores and how often they are right",
}
"""What is drawn: the beginnings of the files' names, with titles."""

_FORMATS = ("png", "svg")
_COLUMNS = 4
_MOST_POINTS = 1000


def require_plots() -> None:
    """Raise MissingExtra where nothing can be drawn, as the package for it is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtra("plots (PNG and SVG)", "data") from error


def plots(report: Report) -> Iterator[tuple[str, bytes]]:
    """Yield file names and what is to be in them; none where no row has both classes.

    Raises:
        MissingExtra: Without the package for it.
    """
    require_plots()
    drawn = [row for row in report.rows if RANKING[0] in row.figures and 0 < int(row.labels.sum()) < row.labels.size]
    if not drawn:
        return
    names = [of.candidate.name for of in report.found]
    for kind, title in KINDS.items():
        figure = _figure(title, drawn, names, _DRAWING[kind])
        for form in _FORMATS:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=form, dpi=120, metadata={"Date": None} if form == "svg" else {})
            yield f"{kind}.{form}", buffer.getvalue()


def _figure(title: str, rows: Sequence[Row], names: Sequence[str], draw: Callable[[Any, Counts, str, str], None]) -> Any:  # noqa: ANN401
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(rows))
    lines = ceil(len(rows) / columns)
    figure = Figure(figsize=(3.2 * columns + 0.4, 3.2 * lines + 0.9), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, row in zip(panels, rows, strict=False):
        panel.set_title(_plain(row.name), fontsize=9)
        panel.set_xlim(-0.02, 1.02)
        panel.set_ylim(-0.02, 1.02)
        panel.tick_params(labelsize=7)
        for number, name in enumerate(names):
            scored = row.scored(number)
            if scored is not None:
                draw(panel, Counts.of(row.labels, scored.scores), _plain(name), f"C{number}")
    for panel in panels[len(rows) :]:
        panel.set_visible(False)
    lines_by_name = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    figure.legend(lines_by_name.values(), lines_by_name.keys(), loc="outside lower center", ncols=len(names), fontsize=8)
    return figure


def _draw_precision_recall(panel: Any, counts: Counts, name: str, colour: str) -> None:  # noqa: ANN401
    recall, precision = precision_recall(counts)
    points = _thinned(np.concatenate([[0.0], recall]), np.concatenate([precision[:1], precision]))
    panel.step(*points, where="pre", color=colour, label=name, linewidth=1.2)
    _label(panel, "recall", "precision")


def _draw_roc(panel: Any, counts: Counts, name: str, colour: str) -> None:  # noqa: ANN401
    alarms, recall = rates(counts)
    points = _thinned(np.concatenate([[0.0], alarms]), np.concatenate([[0.0], recall]))
    panel.plot(*points, color=colour, label=name, linewidth=1.2)
    panel.plot([0, 1], [0, 1], color="0.7", linewidth=0.7, linestyle=":")
    _label(panel, "false-positive rate", "recall")


def _draw_reliability(panel: Any, counts: Counts, name: str, colour: str) -> None:  # noqa: ANN401
    bins = reliability(counts)
    largest = max(size for _, _, size in bins)
    panel.plot([0, 1], [0, 1], color="0.7", linewidth=0.7, linestyle=":")
    panel.plot([mean for mean, _, _ in bins], [share for _, share, _ in bins], color=colour, label=name, linewidth=1.0)
    sizes = [6 + 34 * (size / largest) ** 0.5 for _, _, size in bins]
    panel.scatter([mean for mean, _, _ in bins], [share for _, share, _ in bins], s=sizes, color=colour)
    _label(panel, "score", "share of positives")


_DRAWING: dict[str, Callable[[Any, Counts, str, str], None]] = {
    "precision-recall": _draw_precision_recall,
    "roc": _draw_roc,
    "reliability": _draw_reliability,
}


def _label(panel: Any, across: str, up: str) -> None:  # noqa: ANN401
    panel.set_xlabel(across, fontsize=7)
    panel.set_ylabel(up, fontsize=7)


def _thinned(across: Any, up: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Return at most about `_MOST_POINTS` points of a curve; more cannot be seen."""
    if across.size <= _MOST_POINTS:
        return across, up
    chosen = np.unique(np.linspace(0, across.size - 1, _MOST_POINTS).astype(np.int64))
    return across[chosen], up[chosen]


def _plain(name: str) -> str:
    """Return a name that is not taken for mathematics."""
    return name.replace("$", r"\$")
