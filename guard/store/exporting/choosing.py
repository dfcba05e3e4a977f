"""Leave out records that are nearly there already, and prompts that would stand in two sets."""

from __future__ import annotations

from collections import Counter

from guard.store.exporting.asked import SPLITS
from guard.store.exporting.conversations import Message
from guard.store.exporting.likeness import Likeness, Signature, signature
from guard.store.exporting.spool import Held, Spool


def choose(spool: Spool, left_out: Counter[str]) -> None:
    """Take the verdict from each record that is left out, and count it.

    Sets are gone through in the order of `SPLITS`: what is held out stays, whatever else there is.
    """
    records, prompts = Likeness(spool.db, "like_records"), Likeness(spool.db, "like_prompts")
    for mark in range(len(SPLITS)):
        wanted = "kind = 'record' AND verdict IS NOT NULL AND split = ? ORDER BY n"
        for item in spool.items(wanted, (mark,)):
            reason = _reason(item, mark, records, prompts)
            if reason:
                left_out[reason] += 1
                spool.db.execute("UPDATE items SET verdict = NULL WHERE n = ?", (item.n,))


def _reason(item: Held, mark: int, records: Likeness, prompts: Likeness) -> str:
    asked = _asked(item.prompt)
    system = "".join(message["content"] for message in item.prompt if message["role"] == "system")
    parts = [signature(system), *asked, *map(signature, item.texts)]
    found = records.find(parts)
    if found is not None:
        return "near-duplicate" if found == mark else "leak"
    if item.prompt:
        elsewhere = prompts.find(asked)
        if elsewhere is not None and elsewhere != mark:
            return "leak"
        if elsewhere is None:
            prompts.add(asked, mark)
    records.add(parts, mark)
    return ""


def _asked(prompt: list[Message]) -> list[Signature]:
    """Return what stands for a prompt: what came before the last words of the user, and these."""
    if not prompt:
        return [signature(""), signature("")]
    said = [f"{message['role']}: {message['content']}" for message in prompt[:-1] if message["role"] != "system"]
    return [signature("\n".join(said)), signature(prompt[-1]["content"])]
