"""Small plots as SVG, which stand in a page without anything loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _ROW, _LEFT, _RIGHT = 720, 44, 230, 90
_CURVE_WIDTH, _CURVE_HEIGHT, _MARGIN = 340, 180, 56


@dataclass(frozen=True, slots=True)
class Dots:
    """One measure of both models on a common scale: figures with their intervals, in [0, 1]."""

    label: str
    baseline: tuple[float, float, float]
    candidate: tuple[float, float, float]


def dots(rows: Sequence[Dots]) -> str:
    """Return a plot with a row for each measure: the baseline above, the candidate below, each with its interval."""
    height = _ROW * len(rows) + 30
    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="measures of both models, with intervals">']
    for tick in range(0, 101, 25):
        x = _x(tick / 100)
        parts.append(f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height - 24}" class="grid"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" class="tick" text-anchor="middle">{tick} %</text>')
    for index, row in enumerate(rows):
        y = index * _ROW + 22
        parts.append(f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(row.label)}</text>')
        for name, (value, low, high), offset in (("baseline", row.baseline, -7), ("candidate", row.candidate, 7)):
            parts.append(f'<line x1="{_x(low):.1f}" y1="{y + offset}" x2="{_x(high):.1f}" y2="{y + offset}" class="{name} bar"/>')
            title = f"<title>{name} {value:.3f}</title>"
            parts.append(f'<circle cx="{_x(value):.1f}" cy="{y + offset}" r="4.5" class="{name}">{title}</circle>')
    return "".join([*parts, "</svg>"])


def curve(title: str, points: Sequence[tuple[float, float]]) -> str:
    """Return a curve over steps, with its lowest and highest value at the axis."""
    if len(points) < 2:
        return ""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = min(ys), max(ys)
    across = (max(xs) - min(xs)) or 1.0
    up = (high - low) or 1.0
    inner_width, inner_height = _CURVE_WIDTH - _MARGIN - 10, _CURVE_HEIGHT - 44
    placed = " ".join(
        f"{_MARGIN + (x - min(xs)) / across * inner_width:.1f},{22 + (high - y) / up * inner_height:.1f}" for x, y in points
    )
    return (
        f'<svg viewBox="0 0 {_CURVE_WIDTH} {_CURVE_HEIGHT}" class="curve" role="img" aria-label="{escape(title)} over steps">'
        f'<text x="{_MARGIN}" y="13">{escape(title)}</text>'
        f'<text x="{_MARGIN - 5}" y="27" class="tick" text-anchor="end">{high:.3g}</text>'
        f'<text x="{_MARGIN - 5}" y="{22 + inner_height}" class="tick" text-anchor="end">{low:.3g}</text>'
        f'<line x1="{_MARGIN}" y1="{22 + inner_height}" x2="{_CURVE_WIDTH - 10}" y2="{22 + inner_height}" class="grid"/>'
        f'<polyline points="{placed}" class="candidate line"/>'
        f'<text x="{_CURVE_WIDTH - 10}" y="{_CURVE_HEIGHT - 6}" class="tick" text-anchor="end">step {max(xs):g}</text></svg>'
    )


def _x(share: float) -> float:
    return _LEFT + min(1.0, max(0.0, share)) * (_WIDTH - _LEFT - _RIGHT)
