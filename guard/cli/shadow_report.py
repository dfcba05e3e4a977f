"""What came of a policy that is tried, as a page for the terminal or as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from guard.cli.shadows import when
from guard.policy.shapes import excerpt
from guard.store.differences import Difference, Differences
from guard.store.trial_log import CANARY
from guard.store.trial_outcomes import outcomes
from guard.trials.certainty import Share, change, share
from guard.trials.counting import Fires, Tally, together
from guard.values import Action, Stage

if TYPE_CHECKING:
    from guard.store.store import Store
    from guard.store.trial_log import TrialRecord

_EXCERPT = 100


def listed(store: Store, trials: Sequence[TrialRecord], *, as_json: bool) -> str:
    """Return a line for each trial, with how far it agrees with the policy in force."""
    differences = Differences(store)
    rows = []
    for trial in trials:
        found = differences.counted(trial.digest, since=trial.started)
        rows.append((trial, together(tally for stages in found.values() for tally in stages.values())))
    if as_json:
        return json.dumps([{**_plain_trial(trial), "agreement": _plain_agreement(total)} for trial, total in rows], indent=2)
    return "\n".join(_line(trial, total) for trial, total in rows) or "no policy was tried yet"


def report(store: Store, trial: TrialRecord, tenant: str | None, most: int, *, texts: bool, as_json: bool) -> str:
    """Return everything about one trial.

    Args:
        tenant: Whose exchanges; None for everybody's.
        most: Differences that are named.
        texts: Whether to show how the texts begin on which they differ.
    """
    differences = Differences(store)
    counted = differences.counted(trial.digest, tenant, trial.started)
    asked = (trial.digest, trial.beside, trial.started, trial.until)
    arms = {trial.digest: Counter[Action](), **outcomes(store, tenant, *asked)} if trial.kind == CANARY else {}
    latest = differences.latest(trial.digest, tenant, most, trial.started)
    excerpts = {(each.exchange, each.stage): _excerpt(store, each) for each in latest} if texts else {}
    known = _Known(trial, counted, arms, latest, excerpts)
    return json.dumps(_plain(known), indent=2, ensure_ascii=False) if as_json else "\n".join(_page(known))


class _Known(NamedTuple):
    """All that is told of a trial.

    Attributes:
        counted: By the digest of the policy beside it, and by stage.
        arms: By the digest of the policy that decided.
        excerpts: By exchange and stage.
    """

    trial: TrialRecord
    counted: Mapping[str, Mapping[Stage, Tally]]
    arms: Mapping[str, Counter[Action]]
    latest: Sequence[Difference]
    excerpts: Mapping[tuple[str, Stage], str]


def _page(known: _Known) -> Iterator[str]:
    trial, counted, arms, latest, excerpts = known
    yield _head(trial)
    for policy, actions in arms.items():
        who = trial.name if policy == trial.digest else trial.beside
        yield f"{actions.total():,} exchanges decided by {who}, digest {policy[:16]}…"
        for action, count in sorted(actions.items()):
            yield f"  {count:8,}  {action.word:<7} {_percent(share(count, actions.total()))}"
    for policy, stages in counted.items():
        total = together(stages.values())
        yield f"beside digest {policy[:16]}…: {total.compared:,} messages judged by both, {_agreement(total)}"
        for stage, tally in stages.items():
            yield f"  {stage.value:<7} {tally.compared:8,}  {_agreement(tally)}"
        for (before, after), count in total.moves.most_common():
            if before is not after:
                yield f"  {count:8,}  {before.word} → {after.word}"
        for what, fires in (("rules", total.rules), ("categories", total.categories)):
            yield from _changed(what, fires, total.compared)
        if total.failed:
            names = ", ".join(f"{name}: {count:,}" for name, count in total.without.most_common())
            yield f"  {total.failed:,} not compared, without a verdict ({names or 'of the policy in force'})"
        if total.shed:
            yield f"  {total.shed:,} not judged, as there was too much to do"
    if not counted and not arms:
        yield "nothing was judged by both yet"
    for each in latest:
        yield _example(each)
        if (each.exchange, each.stage) in excerpts:
            yield f"    {excerpts[each.exchange, each.stage]}"


def _head(trial: TrialRecord) -> str:
    state = f"; {trial.ended} {when(trial.until)}" if trial.ended else ""
    why = f" ({trial.reason})" if trial.reason else ""
    return (
        f"{trial.name}, digest {trial.digest[:16]}…, {trial.kind} beside {trial.beside} on {trial.percent:g} % of the traffic "
        f"since {when(trial.started)}{state}{why}"
    )


def _line(trial: TrialRecord, total: Tally) -> str:
    state = trial.ended or "running"
    agreement = f"  {_agreement(total)} of {total.compared:,}" if total.compared else ""
    return (
        f"{when(trial.started)}  {trial.digest[:16]}  {trial.kind:<6}  {trial.percent:g} %  {state:<8}  {trial.name} beside "
        f"{trial.beside}{agreement}"
    )


def _changed(what: str, known: Mapping[str, Fires], of: int) -> Iterator[str]:
    moved = sorted(
        ((change(fires.gone, fires.new, of), name, fires) for name, fires in known.items() if fires.gone or fires.new),
        key=lambda entry: (-abs(entry[0].value), entry[1]),
    )
    if moved:
        yield f"  {what}, in 1,000 messages:"
    for found, name, fires in moved:
        before, after = 1000 * fires.before / of, 1000 * fires.after / of
        bounds = f"{1000 * found.low:+.1f} to {1000 * found.high:+.1f}"
        yield f"    {name:<24} {before:6.1f} → {after:6.1f}  {1000 * found.value:+.1f} ({bounds})  {_direction(found)}"


def _direction(found: Share) -> str:
    return "more" if found.low > 0 else "less" if found.high < 0 else "not told apart yet"


def _agreement(tally: Tally) -> str:
    return f"{_percent(share(tally.same, tally.compared))} the same action" if tally.compared else "nothing to compare"


def _percent(found: Share) -> str:
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _example(each: Difference) -> str:
    rules = [*(f"-{rule}" for rule in each.rules if rule not in each.shadow_rules)]
    rules += [f"+{rule}" for rule in each.shadow_rules if rule not in each.rules]
    move = f"{each.action.word} → {each.shadow_action.word}"
    return f"{each.exchange} {each.stage.value}: {move}  {' '.join(rules)}".rstrip()


def _excerpt(store: Store, each: Difference) -> str:
    kept = store.exchanges.texts(each.tenant, each.exchange).get(each.stage)
    words = excerpt(" ".join(text.text for text in kept.texts[-1:]), _EXCERPT) if kept is not None else ""
    return words or "(its text is not kept)"


def _plain(known: _Known) -> dict[str, Any]:
    trial, counted, arms, latest, excerpts = known
    return {
        "trial": _plain_trial(trial),
        "exchanges": {
            policy: {action.word: count for action, count in sorted(actions.items())} for policy, actions in arms.items()
        },
        "beside": {
            policy: {**_plain_tally(together(stages.values())), "stages": {each: _plain_tally(stages[each]) for each in stages}}
            for policy, stages in counted.items()
        },
        "examples": [_plain_example(each, excerpts) for each in latest],
    }


def _plain_trial(trial: TrialRecord) -> dict[str, Any]:
    return {
        "kind": trial.kind,
        "name": trial.name,
        "digest": trial.digest,
        "beside": trial.beside,
        "percent": trial.percent,
        "started": when(trial.started),
        "state": trial.ended or "running",
        "until": when(trial.until) if trial.until else None,
        "reason": trial.reason,
    }


def _plain_tally(tally: Tally) -> dict[str, Any]:
    return {
        "agreement": _plain_agreement(tally),
        "moves": {f"{before.word} → {after.word}": count for (before, after), count in tally.moves.most_common()},
        "rules": {name: _plain_fires(fires, tally.compared) for name, fires in sorted(tally.rules.items())},
        "categories": {name: _plain_fires(fires, tally.compared) for name, fires in sorted(tally.categories.items())},
        "not_compared": tally.failed,
        "without_verdict": dict(tally.without.most_common()),
        "shed": tally.shed,
    }


def _plain_agreement(tally: Tally) -> dict[str, Any]:
    found = share(tally.same, tally.compared)
    return {"messages": tally.compared, "same": tally.same, "share": found.value, "low": found.low, "high": found.high}


def _plain_fires(fires: Fires, of: int) -> dict[str, Any]:
    return {"before": fires.before, "after": fires.after, "change": change(fires.gone, fires.new, of)._asdict()}


def _plain_example(each: Difference, excerpts: Mapping[tuple[str, Stage], str]) -> dict[str, Any]:
    shown = excerpts.get((each.exchange, each.stage))
    return {
        "id": each.exchange,
        "stage": each.stage.value,
        "before": each.action.word,
        "after": each.shadow_action.word,
        "rules": list(each.rules),
        "shadow_rules": list(each.shadow_rules),
        **each.details,
        **({"text": shown} if shown is not None else {}),
    }
