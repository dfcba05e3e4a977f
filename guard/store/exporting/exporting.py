"""`export`: from a store to a folder of training data, which is there whole or not at all."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guard.errors import StoreError
from guard.store.audit_events import shaped
from guard.store.exporting import card as cards
from guard.store.exporting.asked import FORMATS, SPLITS, Asked
from guard.store.exporting.choosing import choose
from guard.store.exporting.files import described, flush, require_parquet, write_set, write_text
from guard.store.exporting.gathering import Gathering, Tally
from guard.store.exporting.records import RECORDS, Record, table_schema
from guard.store.exporting.resolving import Resolved, resolve
from guard.store.exporting.splitting import HELD_OUT, VALIDATION, split
from guard.store.exporting.spool import Spool

if TYPE_CHECKING:
    from guard.store.store import Store

CARD = "data_card.json"
_FACTS = ("policy", "licence", "swept")


@dataclass(slots=True)
class _Kept:
    """What is counted of the records that are written."""

    facts: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in _FACTS})
    says: Counter[str] = field(default_factory=Counter)
    weights: list[float] = field(default_factory=lambda: [math.inf, 0.0, -math.inf])

    def count(self, spool: Spool, n: int, weight: float, record: Record) -> None:
        for name in _FACTS:
            self.facts[name].update(spool.facts(n, name) or [""])
        if "label" in record:
            self.says["good" if record["label"] else "bad"] += 1
        self.says.update(f"{category}: {'yes' if value else 'no'}" for category, value in record.get("labels", {}).items())
        lowest, total, highest = self.weights
        self.weights = [min(lowest, weight), total + weight, max(highest, weight)]


def export(store: Store, asked: Asked) -> dict[str, Any]:
    """Write what was asked for, and return the data card.

    Raises:
        StoreError: Where the folder is there already, or cannot be written.
        MissingExtra: Where Parquet cannot be written.
    """
    check(asked)
    require_parquet()
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{asked.out.name}-", dir=asked.out.absolute().parent))
    except OSError as error:
        raise StoreError(f"{asked.out}: cannot be made: {error.strerror}") from error
    try:
        with closing(Spool()) as spool:
            card = _write(store, asked, spool, staging)
        _note(store, asked, card)
        _publish(staging, asked)
    except OSError as error:
        raise StoreError(f"{asked.out}: cannot be written: {error.strerror or type(error).__name__}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return card


def check(asked: Asked) -> None:
    """Raise StoreError where an export cannot be made as asked for."""
    if asked.format not in FORMATS:
        raise StoreError(f"--format: expected one of {', '.join(FORMATS)}, got {asked.format[:40]!r}")
    if not math.isfinite(asked.min_weight) or asked.min_weight < 0:
        raise StoreError(f"--min-weight: expected a number from 0, got {asked.min_weight}")
    if not asked.out.name:
        raise StoreError("--out: expected the name of a folder, got a root or nothing")
    out = asked.out
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir() or out.is_symlink():
        raise StoreError(f"{out}: expected a folder, or nothing, found something else there; name another")
    if not any(out.iterdir()):
        return
    if not asked.overwrite:
        raise StoreError(f"{out}: expected nothing there, found a folder with files; name another, or say --overwrite")
    if not (out / CARD).is_file():
        raise StoreError(f"{out}: expected an earlier export to overwrite, found a folder without {CARD}; name another")


def _write(store: Store, asked: Asked, spool: Spool, folder: Path) -> dict[str, Any]:
    tally, resolved, kept = Tally(), Resolved(), _Kept()
    Gathering(store, asked, spool, tally).run()
    resolve(spool, asked, resolved)
    split(spool)
    choose(spool, resolved.left_out)
    schema = table_schema(asked.format, _categories(spool) if asked.format == "moderation" else ())
    counts = {
        name: write_set(_records(spool, asked, mark, kept), folder / f"{name}.jsonl", folder / f"{name}.parquet", schema)
        for mark, name in enumerate(SPLITS)
    }
    files = {file.name: described(file) for file in sorted(folder.iterdir())}
    card = _card(asked, counts, files, tally, resolved, kept)
    write_text(folder / CARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    write_text(folder / "data_card.md", cards.markdown(card))
    write_text(folder / "README.md", cards.dataset_page(card))
    flush(folder)
    return card


def _records(spool: Spool, asked: Asked, mark: int, kept: _Kept) -> Iterator[Record]:
    wanted = "kind = 'record' AND verdict IS NOT NULL AND split = ? ORDER BY key"  # by a hash: in no order that means anything
    for item in spool.items(wanted, (mark,)):
        values, weight = spool.db.execute("SELECT verdict, weight FROM items WHERE n = ?", (item.n,)).fetchone()
        said = {"id": item.key, "source": "+".join(_sources(spool, item.n)), "weight": round(weight, 6)}
        record = {**RECORDS[asked.format](item, json.loads(values)), **said}
        kept.count(spool, item.n, weight, record)
        yield record


def _sources(spool: Spool, n: int) -> list[str]:
    return sorted({kind for joined in spool.sources(n) for kind in joined.split("+")})


def _categories(spool: Spool) -> list[str]:
    rows = spool.db.execute("SELECT DISTINCT aspect FROM votes WHERE n IN (SELECT n FROM items WHERE verdict IS NOT NULL)")
    return sorted(aspect for (aspect,) in rows)


def _card(
    asked: Asked, counts: Mapping[str, int], files: Mapping[str, Any], tally: Tally, resolved: Resolved, kept: _Kept
) -> dict[str, Any]:
    left_out = tally.left_out + resolved.left_out
    records = sum(counts.values())
    lowest, total, highest = kept.weights
    shown = {
        "lowest": round(lowest, 6) if records else None,
        "mean": round(total / records, 6) if records else None,
        "highest": round(highest, 6) if records else None,
    }
    by = {f"{source}: {kind}": count for (source, kind), count in sorted(tally.said.items())}
    return {
        "format": asked.format,
        "tenet": _version(),
        "tenant": asked.tenant,
        "since": asked.since,
        "until": asked.until,
        "records": records,
        "splits": {name: counts[name] for name in reversed(SPLITS)},
        "split_by": (
            "All records of one subject and of one conversation are in one set, which the hash of the subject decides, or of the "
            f"conversation, or of the prompt: {HELD_OUT} % are held out, {VALIDATION} % are for validation."
        ),
        "statements": {"taken": sum(by.values()), "by": by},
        "columns_note": "Each has `id`, `source` and `weight` beside the columns that trainers read.",
        "policies": _counted(kept.facts["policy"], "unknown"),
        "counts": dict(sorted(kept.says.items())),
        "agreement": {
            "note": (
                "Krippendorff's alpha over everything that several sources spoke of: 1 is full agreement, 0 is chance. "
                f"Sources differed about {resolved.conflicts:,} things; the heavier side won."
            ),
            "by": {name or "all": each.as_dict() for name, each in sorted(resolved.agreement.items())},
        },
        "weights": {"asked_for": asked.min_weight, **shown},
        "redaction": _redaction(asked, kept),
        "licences": _counted(kept.facts["licence"], "not stated"),
        "notice": cards.NOTICE,
        "left_out": [
            {"reason": reason, "count": count, "meaning": cards.REASONS[reason]} for reason, count in sorted(left_out.items())
        ],
        "files": files,
    }


def _redaction(asked: Asked, kept: _Kept) -> dict[str, Any]:
    swept = kept.facts["swept"]["yes"]
    if asked.keep_personal_data:
        note = "Kept: texts are as the store has them, as was asked for. Treat these files like the store."
    else:
        note = (
            "Texts are as the store keeps them under the policy; what it keeps in full, and what people wrote as corrections, "
            "was searched for secrets and personal data when these files were made, and what was found is replaced by its kind, "
            "such as [EMAIL]. Names and places are not searched for."
        )
    return {"personal_data": "kept" if asked.keep_personal_data else "redacted", "redacted_at_export": swept, "note": note}


def _counted(found: Counter[str], unknown: str) -> dict[str, int]:
    return {name or unknown: count for name, count in sorted(found.items())}


def _version() -> str:
    try:
        return version("tenet-guard")
    except PackageNotFoundError:
        return "unknown"


def _note(store: Store, asked: Asked, card: Mapping[str, Any]) -> None:
    """Have the audit say that data is about to leave; where it cannot, none leaves."""
    rows = {name: int(count) for name, count in card["splits"].items()}
    digest = card["files"]["train.jsonl"]["sha256"]
    store.audit.note_command(
        "export", by=asked.actor, tenant=shaped(asked.tenant), what="feedback", format=asked.format, digest=digest, rows=rows
    )


def _publish(staging: Path, asked: Asked) -> None:
    out = asked.out.absolute()
    before = staging.with_name(f"{staging.name}-before")
    if out.exists():
        os.rename(out, before)
    try:
        os.rename(staging, out)
    except OSError:
        if before.exists():
            os.rename(before, out)
        raise
    shutil.rmtree(before, ignore_errors=True)
    flush(out.parent)
