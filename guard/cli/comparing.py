"""`guard policy diff` and `backtest`: what a policy would change, on texts of a file or on what a store recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from guard.authoring.comparing import Change, Comparison, backtest, compare, moves
from guard.authoring.corpus import Shown, read_corpus
from guard.engine import Guard
from guard.errors import TenetError
from guard.formats.base import Piece, Text
from guard.values import Action, Role, Stage

_VERDICTS = {"violates": Action.BLOCK, "allowed": Action.ALLOW}


def diff(before: str, after: str, files: list[Path], most: int, *, show: bool, as_json: bool) -> bool:
    """Print how two policies differ on the texts of files; return whether they do."""
    corpus = (shown for file in files for shown in read_corpus(file))
    found = compare(Guard(before), Guard(after), corpus, most)
    _tell(found, f"{before} and {after}", show=show, as_json=as_json)
    return bool(found.changed or found.changes)


def backtested(policy: str, on: str, tenant: str, since: str, most: int, *, show: bool, as_json: bool) -> bool:
    """Print what a policy would have done with recorded traffic; return whether that differs from what was done."""
    guard = Guard(policy)
    if Path(on).suffix in (".jsonl", ".ndjson"):
        if tenant or since:
            raise TenetError("--tenant, --since: expected a store, got a file")
        found = backtest(guard, read_corpus(Path(on)), most)
    else:
        found = backtest(guard, _recorded(on, tenant, since), most)
    _tell(found, f"what was recorded and {policy}", show=show, as_json=as_json)
    return bool(found.changed)


def _recorded(url: str, tenant: str, since: str) -> Iterator[Shown]:
    """Yield what a store kept of a tenant's exchanges.

    Raises:
        TenetError: Where none of them has texts, as the policy in force kept none.
    """
    from guard.cli.auditing import moment
    from guard.cli.storing import opened_store
    from guard.store.exchanges import Wanted
    from guard.store.reviewing import labels_of

    seen = without = 0
    with opened_store(url) as store:
        for exchange in store.exchanges.every(tenant, Wanted(since=moment(since) if since else None)):
            texts = store.exchanges.texts(tenant, exchange.id)
            labels = labels_of(store, tenant, exchange.id)
            prompt = _texts(texts[Stage.INPUT].texts) if Stage.INPUT in texts else ()
            for stage, kept in texts.items():
                said = _texts(kept.texts)
                if not said or kept.truncated:
                    without += 1
                    continue
                seen += 1
                decision = exchange.decisions.get(stage)
                recorded = Action[str(decision["action"]).upper()] if decision else None
                about = prompt if stage is Stage.OUTPUT else ()
                yield Shown(exchange.id, stage, said, recorded, _wanted(labels, stage), about)
            without += not texts
    if not seen:
        raise TenetError(
            f"{url}: expected exchanges with kept texts, found none ({without:,} without): a backtest needs `store: redacted`"
            " or `store: full` in the policy that serves"
        )


def _texts(kept: Any) -> tuple[Text, ...]:  # noqa: ANN401
    return tuple(Text((Piece(each.pointer, each.text),), Role(each.role), each.choice, each.turn) for each in kept if each.text)


def _wanted(labels: list[dict[str, Any]], stage: Stage) -> Action | None:
    """Return what reviewers say of a stage: the last label that counts."""
    said = [
        label["verdict"]
        for label in labels
        if label["verdict"] in _VERDICTS and not label["replaced_by"] and label["stage"] in ("", stage.value)
    ]
    return _VERDICTS[said[-1]] if said else None


def _tell(found: Comparison, what: str, *, show: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_plain(found, show=show), indent=2, ensure_ascii=False))
        return
    compared = sum(found.pairs.values())
    print(f"{found.messages:,} messages; {what} decide {found.changed:,} of {compared:,} otherwise")
    for move, count in moves(found):
        print(f"  {count:6,}  {move}")
    if found.labelled:
        print(f"{found.labelled:,} of them have been reviewed: {found.missed:,} missed, {found.overdone:,} acted on too strictly")
    for rule, count in found.rules.most_common():
        needless = f", {found.needless[rule]:,} of them needlessly" if found.needless[rule] else ""
        print(f"  {count:6,}  {rule} fires{needless}")
    for change in found.changes:
        rules = [*(f"-{rule}" for rule in change.rules_gone), *(f"+{rule}" for rule in change.rules_new)]
        move = f"{change.before.word} → {change.after.word}"
        print(f"{change.shown.id} {change.shown.stage.value}: {move}  {' '.join(rules)}".rstrip())
        if show:
            print(f"    {change.shown.excerpt}")


def _plain(found: Comparison, *, show: bool) -> dict[str, Any]:
    return {
        "messages": found.messages,
        "changed": found.changed,
        "moves": {move: count for move, count in moves(found)},
        "reviewed": {"messages": found.labelled, "missed": found.missed, "overdone": found.overdone},
        "rules": {rule: {"fires": count, "needlessly": found.needless[rule]} for rule, count in found.rules.most_common()},
        "examples": [_example(change, show=show) for change in found.changes],
    }


def _example(change: Change, *, show: bool) -> dict[str, Any]:
    return {
        "id": change.shown.id,
        "stage": change.shown.stage.value,
        "before": change.before.word,
        "after": change.after.word,
        "rules_gone": list(change.rules_gone),
        "rules_new": list(change.rules_new),
        **({"text": change.shown.excerpt} if show else {}),
    }
