"""Prompts, and what each of them is there to show."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from alignment.data.sources import CARD, Reading
from alignment.evaluation.disjoint import Apart
from alignment.evaluation.result import PromptSet
from alignment.evaluation.settings import SETS, PromptFiles
from alignment.records import Kind, Message, Messages, Origin, Pair, Record, digest_of, spoken
from guard.errors import TenetError

UNSORTED = "harmful-request"
"""The category of a harmful request whose row names none."""

_PLACE = re.compile(
    r"\[\s*(?:insert\s+)?(?:prompt|question|request|query)(?:\s+here)?\s*\]|\{+\s*(?:prompt|question|request)\s*\}+", re.I
)
_NO_HARM = frozenset({"harmful-request", "jailbreak", "injection"})
_CONTINUE = "Continue this text:\n\n"


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt.

    Attributes:
        set: Which of `SETS`.
        category: Of harm, for harmful requests; empty elsewhere.
        request: What is asked for, without a jailbreak around it.
    """

    set: str
    id: str
    category: str
    messages: Messages
    request: str
    source: str


@dataclass(slots=True)
class Prompts:
    """All that an evaluation asks.

    Attributes:
        asks: Prompts that are answered, by set.
        pairs: Held-out pairs.
        neutral: Plain texts.
        left_out: Reasons, by set.
    """

    asks: dict[str, list[Ask]] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    neutral: list[str] = field(default_factory=list)
    left_out: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in SETS})

    def all(self) -> list[Ask]:
        """Return the prompts that are answered, set by set."""
        return [ask for name in SETS for ask in self.asks.get(name, ())]

    def described(self) -> tuple[PromptSet, ...]:
        """Return what is used of each set that was asked for."""
        return tuple(found for name in SETS if (found := self._described(name)))

    def _described(self, name: str) -> PromptSet | None:
        left_out = dict(sorted(self.left_out[name].items()))
        if name == "pairs":
            said = [digest_of(pair.prompt, pair.chosen, pair.rejected) for pair in self.pairs]
            sources = Counter(pair.origin.source for pair in self.pairs)
        elif name == "neutral":
            said, sources = self.neutral, Counter[str]()
        else:
            said = [digest_of(ask.messages) for ask in self.asks.get(name, ())]
            sources = Counter(ask.source for ask in self.asks.get(name, ()))
        if not said and not left_out:
            return None
        digest = hashlib.sha256("\0".join(sorted(said)).encode("utf-8", "surrogatepass")).hexdigest()
        return PromptSet(name=name, prompts=len(said), digest=digest, sources=dict(sources), left_out=left_out)


def read_prompts(files: PromptFiles, known: Iterable[Record] = ()) -> Prompts:
    """Return the prompts of all sets.

    Args:
        known: Training data: what stands there, nearly the same, is left out.

    Raises:
        TenetError: Where a file cannot be read, or a set that was asked for has nothing left.
    """
    apart = Apart(known)
    found = Prompts()
    for name in ("harmful", "benign", "helpful", "continuations"):
        records = _chosen(_records(getattr(files, name), Kind.PROMPTS, name, found), files.most, apart, found.left_out[name])
        if getattr(files, name):
            found.asks[name] = [_ask(name, record) for record in records]
    jailbreaks = _chosen(
        _records(files.jailbreaks, Kind.PROMPTS, "jailbreaks", found), files.most, apart, found.left_out["jailbreaks"]
    )
    if files.jailbreaks:
        found.asks["jailbreaks"] = list(_around(jailbreaks, found.asks.get("harmful", ())))
    found.pairs = [
        record
        for record in _chosen(_records(files.pairs, Kind.PAIRS, "pairs", found), files.most, apart, found.left_out["pairs"])
        if isinstance(record, Pair)
    ]
    neutral = _chosen(_records(files.neutral, Kind.PROMPTS, "neutral", found), files.most, apart, found.left_out["neutral"])
    found.neutral = [spoken(record.prompt) for record in neutral]
    _check(files, found)
    return found


def sorted_files(named: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return files by set, as `SET=FILE` names them.

    Raises:
        TenetError: Where a set is not known or not named.
    """
    found: dict[str, tuple[str, ...]] = {}
    for each in named:
        name, equals, file = each.partition("=")
        if not equals or name not in SETS or not file:
            raise TenetError(f"--prompts: expected SET=FILE, where SET is one of {', '.join(SETS)}, got {each!r}")
        found[name] = (*found.get(name, ()), file)
    return found


def _records(files: Sequence[str], kind: Kind, name: str, found: Prompts) -> Iterator[Record]:
    for file in files:
        reading = Reading(kind)
        path = Path(file)
        for record in reading.read(path):
            if path.is_dir() and (path / CARD).is_file() and record.origin.split not in ("", "held_out"):
                found.left_out[name]["of-training"] += 1
            elif reason := _misplaced(name, record.origin):
                found.left_out[name][reason] += 1
            else:
                yield record
        for reason, count in reading.left_out.items():
            found.left_out[name][reason] += count


def _misplaced(name: str, origin: Origin) -> str:
    if name in ("harmful", "jailbreaks") and origin.benign:
        return "benign"
    if name in ("benign", "helpful") and origin.benign is False and origin.categories:
        return "harmful"
    return ""


def _chosen(records: Iterable[Record], most: int, apart: Apart, left_out: Counter[str]) -> list[Record]:
    """Return at most so many different records that stand apart from the training data, chosen by a hash, in its order."""
    different: dict[str, Record] = {}
    for record in records:
        key = digest_of(record.prompt, *record.answers)
        if key in different:
            left_out["said-before"] += 1
        else:
            different[key] = record
    kept: list[Record] = []
    for key in sorted(different):
        if len(kept) == most:
            left_out["more-than-asked"] = len(different) - most - left_out["in-training-data"]
            break
        if apart.stands_in(different[key]):
            left_out["in-training-data"] += 1
        else:
            kept.append(different[key])
    return kept


def _ask(name: str, record: Record) -> Ask:
    said = record.prompt
    if name == "continuations":
        said = (*said[:-1], Message("user", _CONTINUE + said[-1].content))
    category = _category(record.origin) if name == "harmful" else ""
    return Ask(name, digest_of(said), category, said, record.prompt[-1].content, record.origin.source)


def _category(origin: Origin) -> str:
    told = [name for name in origin.categories if name not in _NO_HARM]
    return max(told, key=lambda name: ("/" in name, name)) if told else UNSORTED


def _around(jailbreaks: Sequence[Record], harmful: Sequence[Ask]) -> Iterator[Ask]:
    """Yield each jailbreak with a harmful request in its place, or behind it, taken in turn."""
    for number, record in enumerate(jailbreaks):
        ask = harmful[number % len(harmful)]
        text = record.prompt[-1].content
        # a function as the replacement, as a request may have backslashes
        whole = _PLACE.sub(lambda _: ask.request, text) if _PLACE.search(text) else f"{text}\n\n{ask.request}"  # noqa: B023
        said = (*record.prompt[:-1], Message("user", whole))
        yield replace(ask, set="jailbreaks", id=digest_of(said), messages=said, source=record.origin.source)


def _check(files: PromptFiles, found: Prompts) -> None:
    for name in SETS:
        if not getattr(files, name):
            continue
        left = {"pairs": len(found.pairs), "neutral": len(found.neutral)}.get(name, len(found.asks.get(name, ())))
        if not left:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in found.left_out[name].items()) or "the files are empty"
            raise TenetError(f"prompts.{name}: expected at least one prompt, found none that can be used ({reasons})")


def with_system(messages: Messages, system: str) -> list[dict[str, str]]:
    """Return messages as a model is given them, behind a system message where one is asked for and they have none."""
    said = [message.as_dict() for message in messages]
    return [{"role": "system", "content": system}, *said] if system and messages[0].role != "system" else said


def categories_of(asks: Iterable[Ask]) -> Mapping[str, list[int]]:
    """Return the places of the prompts of each category, in the order of their names."""
    found: dict[str, list[int]] = {}
    for place, ask in enumerate(asks):
        if ask.category:
            found.setdefault(ask.category, []).append(place)
    return dict(sorted(found.items()))
