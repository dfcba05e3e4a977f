"""What a critique has found so far: the records, and how many of what."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from alignment.records import Demonstration, Message, Origin, Pair, Prompt, digest_of
from guard.errors import TenetError


@dataclass(slots=True)
class Gathered:
    """Records, and the counts that go into the card.

    Attributes:
        kinds: What the answer of a demonstration is, by its id: `cleared`, `refusal`, `revision`, `unchanged`, `revised`.
        principles: How often an answer was found to break a principle, by its id.
        labels: Pairs by the principle that they were compared by.
        left_out: Prompts and demonstrations of which nothing came, by reason.
        critic: What the critic was asked, and what became of it.
        notes: What a reader has to know, in sentences.
    """

    policy: str
    demonstrations: list[Demonstration] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    principles: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    critic: Counter[str] = field(default_factory=Counter)
    agreement: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def demonstrate(self, prompt: Prompt, answer: str, kind: str, categories: Iterable[str] = ()) -> None:
        """Keep an answer to learn."""
        said = (Message("assistant", answer),)
        origin = self._origin(prompt, digest_of(prompt.prompt, said), categories)
        self.demonstrations.append(Demonstration(origin, prompt.prompt, said))
        self.kinds[origin.id] = kind

    def pair(self, prompt: Prompt, chosen: str, rejected: str, margin: float, categories: Iterable[str] = ()) -> None:
        """Keep a pair."""
        better, worse = (Message("assistant", chosen),), (Message("assistant", rejected),)
        origin = self._origin(prompt, digest_of(prompt.prompt, better, worse), categories)
        self.pairs.append(Pair(origin, prompt.prompt, better, worse, margin))

    @property
    def targets(self) -> Counter[str]:
        """How many demonstrations have each kind of answer."""
        return Counter(self.kinds[record.origin.id] for record in self.demonstrations)

    def balance(self, share: float, seed: int) -> None:
        """Leave out demonstrations, so that at least `share` of them answer benign prompts; a hash says which.

        Raises:
            TenetError: Where none does.
        """
        benign = [record for record in self.demonstrations if record.origin.benign]
        others = sorted(
            (record for record in self.demonstrations if not record.origin.benign), key=lambda each: _order(each, seed)
        )
        if not share or not others:
            return
        if not benign:
            raise TenetError(
                f"benign_share: expected demonstrations of which {share:.0%} answer benign prompts, got none: no answer to a "
                "benign prompt was fit to be learned (raise max_new_tokens or answers, add benign prompts, or set it to 0)"
            )
        room = int(len(benign) * (1 - share) / share + 1e-9)
        self.left_out["benign-share"] += max(0, len(others) - room)
        self.demonstrations = [*benign, *sorted(others, key=lambda record: _order(record, seed))[:room]]

    def _origin(self, prompt: Prompt, digest: str, categories: Iterable[str]) -> Origin:
        known = prompt.origin
        if known.benign:
            return replace(known, id=digest, policy=self.policy)
        found = tuple(sorted({*known.categories, *categories}))
        return replace(known, id=digest, policy=self.policy, categories=found, benign=False if found else known.benign)


def _order(record: Demonstration, seed: int) -> bytes:
    return hashlib.sha256(f"tenet:{seed}:{record.origin.id}".encode()).digest()
