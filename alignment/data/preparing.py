"""`prepare`: from sources to a folder of training data, with a card; nothing is there where the checks fail."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from alignment.data import card as cards
from alignment.data.agreeing import Agreement, agreed
from alignment.data.checking import Counts, Measure, checked
from alignment.data.contradicting import Scorer, policy_scorer
from alignment.data.folder import check_out, staged, write_json, write_sets
from alignment.data.limits import Limits
from alignment.data.privacy import detectors
from alignment.data.redacting import redacted
from alignment.data.rows import DataError
from alignment.data.sources import CARD, Reading
from alignment.data.splitting import Shares, split
from alignment.data.tokens import Counted, count_tokens, load_tokenizer
from alignment.records import SPLITS, Kind, Record, digest_of
from guard.errors import TenetError
from guard.store.exporting.files import require_parquet, write_text


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted.

    Attributes:
        licence: Of the texts whose source states none.
        policy: One that scores answers, to find where it contradicts people; empty for none.
        redact: Whether secrets and personal data are replaced by their kind.
        tokenizer: A folder with a tokenizer that counts tokens; None for none.
        context: Tokens that the model takes.
        overwrite: Whether an earlier set in `out` is replaced.
    """

    sources: tuple[Path, ...]
    kind: Kind
    out: Path
    shares: Shares = field(default_factory=Shares)
    limits: Limits = field(default_factory=Limits)
    licence: str = ""
    policy: str = ""
    redact: bool = False
    tokenizer: Path | None = None
    context: int = 2048
    overwrite: bool = False


class ChecksFailed(TenetError):
    """Data that is not as good as its limits ask for.

    Attributes:
        measures: All of them, those that passed too.
    """

    def __init__(self, measures: Sequence[Measure], report: Path) -> None:
        self.measures = tuple(measures)
        failed = [str(measure) for measure in measures if not measure.passed]
        count = "1 check" if len(failed) == 1 else f"{len(failed)} checks"
        way = f"nothing was written; {report} has what was found: mend the data, or set --limits"
        super().__init__("\n  ".join([f"{count} failed", *failed]) + f"\n{way}")


def prepare(asked: Asked) -> dict[str, Any]:
    """Write what was asked for, and return the data card.

    Raises:
        DataError: Where a source cannot be read, or the folder cannot be written.
        ChecksFailed: Where a measure is beyond its limit; what was found is then beside the folder, in OUT.checks.json.
        MissingExtra: Where a package is missing.
        PolicyError: Where the policy cannot be used.
    """
    _check(asked)
    require_parquet()
    score, digest = _scorer(asked.policy)
    reading = Reading(asked.kind, asked.licence)
    records, agreement = _gathered(asked, reading)
    sets = split(records, asked.shares, reading.left_out)
    tokens = _counted(asked, sets)
    counts = Counts(reading.rows.total(), reading.left_out, _wanted(asked.shares), agreement, tokens)
    measures = checked(sets, counts, asked.limits, detectors(), score)
    report = asked.out.with_name(f"{asked.out.name}.checks.json")
    if not all(measure.passed for measure in measures):
        try:
            write_json(report, {measure.name: measure.as_dict() for measure in measures})
        except OSError as error:
            raise DataError(f"{report}: cannot be written: {error.strerror or type(error).__name__}") from error
        raise ChecksFailed(measures, report)
    with staged(asked.out, overwrite=asked.overwrite) as folder:
        files = write_sets(folder, asked.kind, sets)
        card = _card(asked, reading, sets, measures, files, digest)
        write_json(folder / CARD, card)
        write_text(folder / "data_card.md", cards.markdown(card))
    report.unlink(missing_ok=True)
    return card


def _check(asked: Asked) -> None:
    shares = asked.shares
    for name, share in (("--validation", shares.validation), ("--held-out", shares.held_out)):
        if not 0 <= share < 1:
            raise DataError(f"{name}: expected a share from 0 to below 1, got {share:g}")
    if shares.validation + shares.held_out >= 1:
        raise DataError("--validation, --held-out: expected less than 1 together, got nothing left to train on")
    if asked.context < 1:
        raise DataError(f"--context: expected a number of tokens above 0, got {asked.context}")
    check_out(asked.out, overwrite=asked.overwrite)


def _gathered(asked: Asked, reading: Reading) -> tuple[list[Record], Agreement]:
    """Return one record for each thing that was said, with an id of its own."""
    found: Iterable[Record] = (record for source in asked.sources for record in reading.read(source))
    if asked.redact:
        found = redacted(found, reading.left_out)
    records, agreement = agreed(list(found), reading.left_out)
    if not records:
        reasons = ", ".join(f"{count} × {reason}" for reason, count in sorted(reading.left_out.items()))
        rows = reading.rows.total()
        raise DataError(
            f"expected records for --kind {asked.kind.value}, found none in {rows} rows" + (f" ({reasons})" if reasons else "")
        )
    _check_sources(asked.shares, records)
    return _distinct(records), agreement


def _check_sources(shares: Shares, records: Sequence[Record]) -> None:
    known = {record.origin.source for record in records}
    for name in shares.held_out_sources:
        if name not in known:
            raise DataError(f"--held-out-source: expected one of {', '.join(sorted(known)[:20])}, got {name[:60]!r}")


def _distinct(records: Sequence[Record]) -> list[Record]:
    """Return the records with ids that are unique: sources number their rows each for itself."""
    often = Counter(record.origin.id for record in records)
    return [record if often[record.origin.id] == 1 else _renamed(record) for record in records]


def _renamed(record: Record) -> Record:
    own = digest_of(record.prompt, *record.answers)
    return replace(record, origin=replace(record.origin, id=own))


def _scorer(policy: str) -> tuple[Scorer | None, str]:
    if not policy:
        return None, ""
    from guard.engine import Guard

    guard = Guard(policy)
    guard.prepare()
    return policy_scorer(guard), guard.policy.digest


def _counted(asked: Asked, sets: Mapping[str, Sequence[Record]]) -> Counted | None:
    if asked.tokenizer is None:
        return None
    tokenizer = load_tokenizer(asked.tokenizer)
    return count_tokens((record for members in sets.values() for record in members), tokenizer, asked.context)


def _wanted(shares: Shares) -> list[str]:
    asked = {
        "train": True,
        "validation": shares.validation > 0,
        "held_out": shares.held_out > 0 or bool(shares.held_out_sources),
    }
    return [name for name, wanted in asked.items() if wanted]


def _card(
    asked: Asked,
    reading: Reading,
    sets: Mapping[str, Sequence[Record]],
    measures: Sequence[Measure],
    files: Mapping[str, Any],
    judge: str,
) -> dict[str, Any]:
    origins = [record.origin for members in sets.values() for record in members]
    left_out = sorted((reason, count) for reason, count in reading.left_out.items() if count)
    return {
        "format": asked.kind.value,
        "tenet": _version(),
        "records": len(origins),
        "splits": {name: len(sets[name]) for name in reversed(SPLITS)},
        "split_by": _split_by(asked.shares),
        "shares": {**asdict(asked.shares), "held_out_sources": list(asked.shares.held_out_sources)},
        "columns_note": "Beside the columns that trainers read stand where each record comes from, and what is known about it.",
        "sources": dict(sorted(Counter(origin.source for origin in origins).items())),
        "licences": dict(sorted(Counter(origin.licence or "not stated" for origin in origins).items())),
        "policies": dict(sorted(Counter(origin.policy or "unknown" for origin in origins).items())),
        "checked_by_policy": judge,
        "personal_data": "redacted" if asked.redact else "as it came",
        "inputs": _inputs(reading),
        "checks": {measure.name: measure.as_dict() for measure in measures},
        "left_out": [{"reason": reason, "count": count, "meaning": cards.REASONS[reason]} for reason, count in left_out],
        "files": dict(files),
    }


def _split_by(shares: Shares) -> str:
    sources = ", ".join(shares.held_out_sources)
    held_out = f"what comes from {sources} is held out" if sources else f"{shares.held_out:.0%} are held out"
    return (
        "Records of one subject, of one conversation and of prompts that are nearly the same are in one set, which a hash "
        f"decides (seed {shares.seed}): {held_out}, {shares.validation:.0%} are for validation. What a source has split stays so."
    )


def _inputs(reading: Reading) -> dict[str, Any]:
    files = [{"file": name, "rows": reading.rows[name], "sha256": digest} for name, digest in reading.inputs.items()]
    together = json.dumps(sorted(reading.inputs.values())).encode()
    return {"digest": hashlib.sha256(together).hexdigest(), "files": files}


def _version() -> str:
    try:
        return version("tenet-guard")
    except PackageNotFoundError:
        return "unknown"
