"""The report as one HTML page that needs nothing beside it, and as a model card in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from alignment.evaluation.result import Evaluation, Judge, Measure, Sample
from alignment.promotion.gate import Verdict
from alignment.records_of_steps import StepRecord
from alignment.report.drawing import Dots, curve, dots

_CURVES = ("loss", "eval_loss", "rewards/margins", "rewards/accuracies", "accuracy", "reward", "kl", "completions/mean_length")
_SHOWN_STEPS = 12


@dataclass(frozen=True, slots=True)
class Trained:
    """A training step with what was logged of it."""

    record: StepRecord
    metrics: Sequence[dict[str, float]]


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a report is made of.

    Attributes:
        recipe: The recipe as it was written; empty where there is none.
        gate: What became of each condition; empty where there is no gate.
    """

    name: str
    evaluation: Evaluation
    steps: Sequence[Trained] = ()
    recipe: str = ""
    gate: Sequence[Verdict] = ()


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """Return what a training step logged; nothing where it logged nothing."""
    file = folder / "metrics.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def page(found: Findings) -> str:
    """Return the report as HTML; it loads nothing and runs no script."""
    body = "".join(_body(found))
    title = escape(f"{found.name}: baseline and candidate")
    head = f'<meta charset="utf-8"><title>{title}</title>\n<style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en">{head}\n<main>{body}</main></html>\n'


def _body(found: Findings) -> Iterator[str]:
    evaluation = found.evaluation
    yield f"<h1>{escape(found.name)}</h1>"
    if evaluation.notice:
        yield f'<p class="notice">{escape(evaluation.notice)}</p>'
    yield f"<p>{escape(_summary(found))}</p>"
    if found.gate:
        yield f"<h2>Gate: {'passed' if all(each.held for each in found.gate) else 'refused'}</h2>{_table_of(found.gate)}"
    rates = [each for each in evaluation.measures if each.unit == "rate" and not each.part and _both(each)]
    yield f"<h2>Measures</h2>{_legend()}{dots([_dots(each) for each in rates])}" if rates else "<h2>Measures</h2>"
    yield _measures(evaluation)
    for warning in evaluation.warnings:
        yield f'<p class="notice">{escape(warning)}</p>'
    for trained in found.steps:
        yield "".join(_step(trained))
    if evaluation.samples:
        yield f"<h2>Answers side by side</h2>{''.join(_sample(each) for each in evaluation.samples)}"
    yield f"<h2>Where it comes from</h2>{_provenance(found)}"
    if found.recipe:
        yield f"<h2>Recipe</h2><pre>{escape(found.recipe)}</pre>"


def _summary(found: Findings) -> str:
    evaluation = found.evaluation
    prompts = sum(each.prompts for each in evaluation.prompts)
    policy = f" under the policy {evaluation.policy_name or evaluation.policy[:12]}" if evaluation.policy else ""
    return (
        f"The candidate beside the baseline on the same {prompts:,} prompts and seeds{policy}."
        f" Intervals and bounds hold with {100 * evaluation.level:g} % confidence."
    )


def _legend() -> str:
    return '<p class="legend"><span class="baseline">●</span> baseline <span class="candidate">●</span> candidate</p>'


def _both(measure: Measure) -> bool:
    return measure.baseline is not None and measure.candidate is not None


def _dots(measure: Measure) -> Dots:
    def placed(value: float | None, bounds: object) -> tuple[float, float, float]:
        figure = value or 0.0
        low, high = getattr(bounds, "low", figure), getattr(bounds, "high", figure)
        return figure, low, high

    label = measure.key.replace("_", " ")
    return Dots(label, placed(measure.baseline, measure.baseline_interval), placed(measure.candidate, measure.candidate_interval))


def _measures(evaluation: Evaluation) -> str:
    rows = "".join(
        f'<tr><td title="{escape(each.meaning)}">{escape(each.key)}</td><td>{_figure(each.baseline, each)}</td>'
        f'<td>{_figure(each.candidate, each)}</td><td class="{_direction(each)}">{_difference(each)}</td>'
        f"<td>{each.prompts:,}</td><td>{escape(each.evaluator)}{'' if each.independent else ' (not independent)'}</td>"
        f"<td>{escape(each.reason)}</td></tr>"
        for each in evaluation.measures
    )
    heads = ("measure", "baseline", "candidate", "difference", "prompts", "judged by", "")
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{rows}</table>"


def _figure(value: float | None, measure: Measure) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if measure.unit == "rate" else f"{value:.4g} {escape(measure.unit)}"


def _difference(measure: Measure) -> str:
    if measure.difference is None:
        return "–"
    scale, unit = (100, " points") if measure.unit == "rate" else (1, "")
    bounds = measure.difference.interval
    interval = f" [{scale * bounds.low:+.3g}, {scale * bounds.high:+.3g}]" if bounds else ""
    return f"{scale * measure.difference.value:+.3g}{unit}{interval}"


def _direction(measure: Measure) -> str:
    """Return whether a difference is certainly good or bad."""
    if measure.difference is None or measure.difference.interval is None or not measure.better:
        return ""
    bounds = measure.difference.interval
    if bounds.low <= 0 <= bounds.high:
        return ""
    return "good" if (bounds.high < 0) == (measure.better == "lower") else "bad"


def _table_of(verdicts: Sequence[Verdict]) -> str:
    rows = "".join(
        f'<tr><td class="{"good" if each.held else "bad"}">{"holds" if each.held else "fails"}</td>'
        f"<td>{escape(each.condition)}</td><td>{escape(each.found)}</td></tr>"
        for each in verdicts
    )
    return f"<table><tr><th></th><th>condition</th><th>found</th></tr>{rows}</table>"


def _step(trained: Trained) -> Iterator[str]:
    record = trained.record
    yield f"<h2>Step {escape(record.name)}: {escape(record.kind)}</h2>"
    figures = ", ".join(f"{escape(name)} {value:.4g}" for name, value in list(record.figures.items())[:_SHOWN_STEPS])
    yield f"<p>{figures}; {record.seconds:,.0f} s</p>"
    for note in record.notes:
        yield f"<p>{escape(note)}</p>"
    for name in _CURVES:
        yield curve(name, [(row["step"], row[name]) for row in trained.metrics if name in row and "step" in row])


def _sample(sample: Sample) -> str:
    sides = "".join(
        f"<div><h4>{name}{_verdict(refused, harm, action)}</h4><pre>{escape(text)}</pre></div>"
        for name, text, refused, harm, action in (
            ("baseline", sample.baseline, sample.baseline_refused, sample.baseline_harm, sample.baseline_action),
            ("candidate", sample.candidate, sample.candidate_refused, sample.candidate_harm, sample.candidate_action),
        )
    )
    about = escape(f"{sample.set}{f', {sample.category}' if sample.category else ''}")
    return f'<section><h3>{about}</h3><pre class="prompt">{escape(sample.prompt)}</pre><div class="sides">{sides}</div></section>'


def _verdict(refused: bool | None, harm: float | None, action: str) -> str:
    parts = [
        *(["refused" if refused else "answered"] if refused is not None else []),
        *([f"harm {harm:.2f}"] if harm is not None else []),
        *([escape(action)] if action else []),
    ]
    return f" · {', '.join(parts)}" if parts else ""


def _provenance(found: Findings) -> str:
    evaluation = found.evaluation
    rows = [
        ("baseline", f"{evaluation.baseline.name} ({evaluation.baseline.digest[:16]}…)"),
        ("candidate", f"{evaluation.candidate.name} ({evaluation.candidate.digest[:16]}…)"),
        ("policy", evaluation.policy or "none"),
        *(
            (f"judge: {each.name}", f"{each.judges}; made from {', '.join(each.made_from) or 'no data'}")
            for each in evaluation.judges
        ),
        *((f"prompts: {each.name}", f"{each.prompts:,} ({each.digest[:16]}…)") for each in evaluation.prompts),
        *(
            (f"step {each.record.name}", ", ".join(f"{k} {v[:16]}…" for k, v in each.record.inputs.items()))
            for each in found.steps
        ),
        ("versions", ", ".join(f"{name} {version}" for name, version in evaluation.versions.items())),
        ("made", evaluation.made),
    ]
    return f"<table>{''.join(f'<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>' for name, value in rows)}</table>"


def _made(judge: Judge) -> str:
    return f"{judge.judges}; made from {', '.join(judge.made_from) or 'nothing'}"


def card(found: Findings) -> str:
    """Return a model card in Markdown: figures, data, limits."""
    evaluation = found.evaluation
    lines = [f"# {found.name}", "", *([f"> {evaluation.notice}", ""] if evaluation.notice else []), _summary(found), ""]
    lines += ["| measure | baseline | candidate | difference | prompts | judged by |", "| :-- | --: | --: | --: | --: | :-- |"]
    lines += [
        f"| {each.key} | {_figure(each.baseline, each)} | {_figure(each.candidate, each)} | {_difference(each)} |"
        f" {each.prompts:,} | {each.evaluator} |"
        for each in evaluation.measures
        if each.candidate is not None
    ]
    if found.gate:
        lines += [
            "",
            "## Gate",
            "",
            *(f"- {'holds' if each.held else 'fails'}: {each.condition}: {each.found}" for each in found.gate),
        ]
    lines += ["", "## Training", ""]
    lines += [
        f"- {each.record.name} ({each.record.kind}): {each.record.figures.get('records', 0):,.0f} records, data"
        f" {each.record.inputs.get('data', '')[:16]}…, {each.record.seconds:,.0f} s"
        for each in found.steps
    ]
    lines += [
        "",
        "## Limits",
        "",
        "- Measured on the prompts above only; other prompts and longer conversations may fare otherwise.",
    ]
    lines += [f"- {warning}" for warning in evaluation.warnings]
    lines += [
        "",
        f"Baseline `{evaluation.baseline.digest}`, candidate `{evaluation.candidate.digest}`, policy `{evaluation.policy}`.",
        "",
    ]
    return "\n".join(lines)


_STYLE = """
:root{color-scheme:light dark;--base:#8a8f98;--cand:#2f6fde;--good:#1a7f37;--bad:#c3352b;--line:#8884}
body{font:16px/1.5 system-ui,sans-serif;margin:0}main{max-width:980px;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;font-size:14px;margin:.5rem 0}
td,th{padding:.3rem .5rem;border-bottom:1px solid var(--line);
text-align:left;
vertical-align:top}.good{color:var(--good)}.bad{color:var(--bad)}svg{width:100%;height:auto;font-size:13px}
svg text{fill:currentColor}.tick{font-size:11px;opacity:.7}.grid{stroke:var(--line)}circle.baseline{fill:var(--base)}
circle.candidate{fill:var(--cand)}.bar{stroke-width:2.5;opacity:.6}line.baseline{stroke:var(--base)}
line.candidate{stroke:var(--cand)}
.line{fill:none;stroke:var(--cand);stroke-width:1.8}.curve{width:340px;max-width:100%}.legend .baseline{color:var(--base)}
.legend .candidate{color:var(--cand)}.notice{border-left:4px solid var(--bad);padding:.4rem .8rem}
.sides{display:grid;grid-template-columns:1fr 1fr;gap:1rem}pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:13px;
border:1px solid var(--line);border-radius:6px;padding:.6rem;margin:.3rem 0}h4{margin:.2rem 0}
@media(max-width:700px){.sides{grid-template-columns:1fr}}
"""
