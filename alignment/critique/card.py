"""The card of a critique: who criticised what, how far the labels agree, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from alignment.critique.gathered import Gathered
from alignment.critique.prompts import Prompts
from alignment.critique.settings import CritiqueSettings
from alignment.records import Record
from guard.errors import TenetError
from guard.policy.model import Policy

REASONS: Mapping[str, str] = {
    "benign-share": "refusals and revisions that would have left less than the wanted share of benign demonstrations",
    "cut-off": "prompts whose answers were cut off before the end of a sentence (raise max_new_tokens)",
    "failed": "answers on which a detector gave no verdict",
    "held-out": "prompts that are held out",
    "minded": "prompts whose best answer the policy would still act on",
    "more-than-most": "prompts beyond `most`",
    "near-duplicate": "prompts that are nearly the same as another",
    "no-answer": "prompts without an answer",
    "no-critique": "answers of which a critique or a revision could not be had",
    "nothing-found": "prompts of which nobody said whether they are benign, and in whose answers nothing was found",
    "refused": "benign prompts that the model refuses",
    "too-long": "prompts that leave no room for an answer, or that the chat template does not take",
}
"""What each reason for leaving something out means."""


def card_of(
    found: Gathered, prompts: Prompts, *, answers: int, model: str, critic: str, settings: CritiqueSettings, policy: Policy
) -> dict[str, Any]:
    """Return the card as JSON values. Raises TenetError where nothing came of it."""
    if not found.demonstrations and not found.pairs:
        reasons = ", ".join(f"{count:,} × {reason}" for reason, count in sorted((+found.left_out).items()))
        said = f"expected demonstrations or pairs, nothing came of {len(prompts.all):,} prompts ({reasons or 'no answers'})"
        raise TenetError("\n".join([said, *found.notes]))
    records: list[Record] = [*found.demonstrations, *found.pairs]
    compared = found.agreement.total() - found.agreement["unread"]
    benign = sum(bool(record.origin.benign) for record in found.demonstrations)
    return {
        "prompts": len(prompts.all),
        "answers": answers,
        "model": model,
        "policy": {"name": policy.name, "digest": policy.digest},
        "critic": {"name": critic, "kind": settings.critic, **found.critic},
        "demonstrations": dict(sorted(found.targets.items())),
        "benign_share": round(benign / len(found.demonstrations), 4) if found.demonstrations else None,
        "pairs": len(found.pairs),
        "pairs_by_principle": dict(sorted(found.labels.items())),
        "broken_principles": dict(sorted(found.principles.items())),
        "agreement": dict(found.agreement),
        "disagreement": round(found.agreement["disagreed"] / compared, 4) if compared else None,
        "categories": dict(sorted(Counter(name for record in records for name in record.origin.categories).items())),
        "sources": dict(sorted(Counter(record.origin.source for record in records).items())),
        "left_out": dict(sorted((+found.left_out).items())),
        "inputs": [{"file": name, "sha256": digest} for name, digest in prompts.inputs.items()],
        "sets": {},
        "notes": found.notes,
    }


def markdown(card: Mapping[str, Any]) -> str:
    """Return the card as a page to read."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: Mapping[str, Any]) -> Iterator[str]:
    yield "# Critique"
    yield ""
    yield f"Policy `{card['policy']['name']}`, digest `{card['policy']['digest']}`. Critic: {card['critic']['name']}."
    yield from ("", f"{card['prompts']:,} prompts, {card['answers']:,} answers of {card['model']}.")
    yield from (f"- {note}" for note in card["notes"])
    yield from _table("Demonstrations", card["demonstrations"])
    yield from _table("Pairs by principle", card["pairs_by_principle"])
    yield from _table("Answers that broke a principle", card["broken_principles"])
    yield from _table("Categories", card["categories"])
    yield from _table("Sources", card["sources"])
    if card["disagreement"] is not None:
        yield from (
            "",
            f"Both orders of a pair were asked; in {card['disagreement']:.1%} of them the critic contradicted itself.",
        )
    yield from ("", "## Left out", "")
    left_out = card["left_out"]
    yield from (f"- {count:,} × `{reason}`: {REASONS.get(reason, reason)}" for reason, count in left_out.items())
    if not left_out:
        yield "Nothing."


def _table(title: str, rows: Mapping[str, int]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    if not rows:
        yield "None."
        return
    yield from ("| | |", "| --- | ---: |")
    yield from (f"| {name} | {count:,} |" for name, count in rows.items())
