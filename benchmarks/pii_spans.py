"""Measure the detector `pii`: precision and recall by type, false alarms on ordinary texts, and speed.

    python benchmarks/pii_spans.py [FOLDER] [-v]

FOLDER (else $TENET_DATA, else ../shared/data) holds `pii_spans.jsonl` and the ordinary texts. A predicted span is right if it
overlaps a span of its type for at least half of their union.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from guard.detectors.pii import make
from guard.values import Detector, Item, Span

TYPES = {
    "EMAIL_ADDRESS": "pii/email",
    "PHONE_NUMBER": "pii/phone",
    "CREDIT_CARD": "pii/credit-card",
    "IBAN_CODE": "pii/iban",
    "IP_ADDRESS": "pii/ip-address",
    "US_SSN": "pii/us-ssn",
    "US_DRIVER_LICENSE": "pii/driver-licence",
}
ORDINARY = ("benign_prompts", "benign_more", "code_prompts", "counsel_questions", "cyber_benign", "begin_wow")


def main() -> None:
    named = [argument for argument in sys.argv[1:] if argument != "-v"]
    folder = Path(named[0] if named else os.environ.get("TENET_DATA", "../shared/data"))
    verbose = "-v" in sys.argv
    detector = make("pii", {})
    print(f"{'type':22} {'true':>5} {'found':>5} {'right':>5} {'prec':>6} {'recall':>6} {'F1':>6}")
    counts = spans(detector, list(records(folder / "pii_spans.jsonl")), verbose)
    for kind in TYPES.values():
        row(kind, *(counts[kind, what] for what in ("true", "found", "right")))
    row("all", *(sum(counts[kind, what] for kind in TYPES.values()) for what in ("true", "found", "right")))
    for name in ORDINARY:
        alarms(detector, name, list(records(folder / f"{name}.jsonl")), verbose)


def records(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def spans(detector: Detector, rows: list[dict], verbose: bool) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    started = time.perf_counter()
    answers = detector.detect([Item(row["text"]) for row in rows])
    seconds = time.perf_counter() - started
    for record, findings in zip(rows, answers, strict=True):
        for kind in TYPES.values():
            true = [Span(span["start"], span["end"]) for span in record["spans"] if TYPES.get(span["type"]) == kind]
            found = united(finding.span for finding in findings if finding.category == kind and finding.score >= 0.5)
            right = [span for span in found if any(alike(span, other) for other in true)]
            counts.update({(kind, "true"): len(true), (kind, "found"): len(found), (kind, "right"): len(right)})
            if verbose:
                report(record["text"], kind, [span for span in found if span not in right], "wrong")
                report(record["text"], kind, [span for span in true if not any(alike(span, other) for other in found)], "missed")
    print(f"{len(rows) / seconds:,.0f} texts/s of {sum(len(row['text']) for row in rows) / len(rows):.0f} characters\n")
    return counts


def united(found: Iterable[Span | None]) -> list[Span]:
    """Return the spans with overlapping ones united."""
    result: list[Span] = []
    for span in sorted(span for span in found if span):
        if result and span.start < result[-1].end:
            result[-1] = Span(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(span)
    return result


def alike(one: Span, other: Span) -> bool:
    shared = min(one.end, other.end) - max(one.start, other.start)
    return shared * 2 >= max(one.end, other.end) - min(one.start, other.start)


def report(text: str, kind: str, where: list[Span], what: str) -> None:
    for span in where:
        before, after = text[max(0, span.start - 40) : span.start], text[span.end : span.end + 20]
        print(f"  {what} {kind}: {before!r} [{text[span.start : span.end]!r}] {after!r}")


def row(kind: str, true: int, found: int, right: int) -> None:
    precision = right / found if found else 1.0
    recall = right / true if true else 1.0
    score = 2 * right / (found + true) if found + true else 1.0
    print(f"{kind:22} {true:5} {found:5} {right:5} {precision:6.3f} {recall:6.3f} {score:6.3f}")


def alarms(detector: Detector, name: str, rows: list[dict], verbose: bool) -> None:
    texts = [str(row.get("text") or f"{row.get('context', '')}\n{row.get('answer', '')}") for row in rows]
    counts: Counter[str] = Counter()
    for text, findings in zip(texts, detector.detect([Item(text) for text in texts]), strict=True):
        sure = [finding for finding in findings if finding.score >= 0.5]
        counts.update({finding.category for finding in sure})
        if verbose:
            for finding in sure:
                report(text, finding.category, [finding.span] if finding.span else [], name)
    print(f"{name:20} {len(rows):5} texts, with findings: {dict(counts) or 'none'}")


if __name__ == "__main__":
    main()
