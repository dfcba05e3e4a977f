"""`use: llama-guard`: a model that is trained to judge, of any family in `guard.detectors.judges.families`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from guard.constitution import Unreadable
from guard.constitution.answers import without_thought
from guard.detectors.judges.completions import Completions
from guard.detectors.judges.conversation import answers, turns
from guard.detectors.judges.families import FAMILIES, HARMFUL, Family, Outcome, Question
from guard.detectors.judges.judge import REPORTED, reach_of
from guard.detectors.judges.model import Answered, Model, mistakes_in_address, reached
from guard.detectors.judges.openai_chat import ChatCompletions
from guard.detectors.judges.pieces import LONGEST, Piece, pieces, together
from guard.detectors.running import Remote
from guard.errors import DetectorError
from guard.policy.kinds import Mistake
from guard.values import Finding, Item, Needs, Runs

FAMILY = "llama-guard-3"
VERSION = "1"
"""Changes whenever the same text may be asked about in other words, or an answer read otherwise."""

_SIDES = {False: "harmful-request", True: "harmful-response"}


class GuardModel(Remote):
    """A detector of the categories that a family's labels mean."""

    def __init__(self, name: str, needs: Needs, family: Family, model: Model, options: Mapping[str, Any]) -> None:
        super().__init__(name, f"{family.name} {model.name} {VERSION}", needs, categories_of(options))
        self._family = family
        self._options = options
        self._meanings = meanings_of(options)
        self._labels = labels_of(options)
        self._chat = ChatCompletions(model, "none", options.get("logprobs", True))
        self._completions = Completions(model, options.get("logprobs", True))

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return for each item the categories that were found, each with the highest score of the item's pieces."""
        return await together([self._judged(item) for item in items])

    async def _judged(self, item: Item) -> list[Finding]:
        if not item.text[item.judged_from :].strip():
            return []
        longest = self._options.get("longest", LONGEST)
        asked = [self._asked(item, piece, label) for piece in pieces(item, longest) for label in self._labels]
        scores: dict[str, float] = {}
        for found in await together(asked):
            for category, score in found.items():
                scores[category] = max(score, scores.get(category, 0.0))
        return [Finding(self.name, category, score, None, item.location, item.role) for category, score in scores.items()]

    async def _asked(self, item: Item, piece: Piece, label: str) -> Mapping[str, float]:
        """Return the score of each category by one request."""
        conversation = turns(item, piece.text, self._options.get("longest", LONGEST), exchange=self.needs.sees == "exchange")
        question = self._family.question(conversation, label, self._options)
        answered = await self._answer(question)
        if not isinstance(answered.content, str):
            raise DetectorError(self.name, "expected words, got the call of a tool")
        try:
            outcome = self._family.outcome(without_thought(answered.content), answered.tokens, question.label)
            return self._scores(outcome, question.label, answer=answers(item))
        except Unreadable as error:
            raise DetectorError(self.name, str(error)) from error

    async def _answer(self, question: Question) -> Answered:
        if self._options.get("template") == "raw":
            return await self._completions.complete(question.prompt)
        messages = [{"role": turn.role, "content": turn.text} for turn in question.messages]
        return await self._chat.complete({"messages": messages, **question.extra})

    def _scores(self, outcome: Outcome, label: str, *, answer: bool) -> Mapping[str, float]:
        score = outcome.probability if outcome.probability is not None else float(outcome.unsafe)
        if not outcome.unsafe:
            labels: tuple[str, ...] = (label,) if label and score >= REPORTED else ()
            nameless = score >= REPORTED and not label
        else:
            labels, nameless = outcome.labels, not outcome.labels
        if unknown := [name for name in labels if name not in self._meanings]:
            raise Unreadable(f"expected labels that `categories` maps, got {len(unknown)} others")
        named = [category for name in labels for category in self._meanings[name]]
        return {_SIDES[answer] if category == HARMFUL else category: score for category in (*named, *([HARMFUL] * nameless))}


def make(name: str, options: Mapping[str, Any]) -> GuardModel:
    """Return the detector that a policy describes."""
    family = FAMILIES[options.get("family", FAMILY)]
    model = reached(name, options, api="openai", limit=family.limit)
    # The models' prompts have no place for context that is not judged.
    reach = reach_of({**options, "context": 0}) if {"after", "most"} & options.keys() else reach_of({})
    needs = Needs(reach=reach, sees=options.get("sees", "exchange"), runs=Runs.ASYNC)
    return GuardModel(name, needs, family, model, options)


def meanings_of(options: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """Return the categories of each label: the family's, and the policy's in place of them where it names any."""
    own = {label: _listed(meaning) for label, meaning in options.get("categories", {}).items()}
    return {**FAMILIES[options.get("family", FAMILY)].labels, **own}


def labels_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the risks that are asked about, one request for each; one that is empty where a request covers all."""
    family = FAMILIES[options.get("family", FAMILY)]
    if options.get("template") == "ollama" and "ollama" in family.servers and family.name == "shieldgemma":
        return ("any",)
    return tuple(options.get("risks", ())) or family.asked or ("",)


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report."""
    named = [category for meanings in meanings_of(options).values() for category in meanings]
    spread = (part for category in (*named, HARMFUL) for part in (_SIDES.values() if category == HARMFUL else (category,)))
    return tuple(dict.fromkeys(spread))


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes that no type tells."""
    family = FAMILIES[options.get("family", FAMILY)]
    found = mistakes_in_address(options)
    template = options.get("template", "server")
    if template not in family.servers:
        found.append(Mistake(("template",), f"one of {', '.join(family.servers)}, for {family.name}", f'"{template}"'))
    if family.name == "gpt-oss-safeguard":
        if not options.get("policy", "").strip():
            found.append(Mistake((), "`policy`, in prose, for gpt-oss-safeguard", "none"))
    elif "policy" in options:
        found.append(Mistake(("policy",), "no policy, as only gpt-oss-safeguard reads one", "one"))
    for index, risk in enumerate(options.get("risks", ())):
        if risk not in family.labels or not family.asked:
            known = ", ".join(family.labels) if family.asked else "no risks, as it is asked about all at once"
            found.append(Mistake(("risks", index), f"one of {known}", f'"{risk}"'))
    for label, meaning in options.get("categories", {}).items():
        if not all(isinstance(category, str) and category for category in _listed(meaning)):
            found.append(Mistake(("categories", label), "a category or a list of them", repr(meaning)))
        if label not in family.labels and family.asked:
            found.append(Mistake(("categories", label), f"one of {', '.join(family.labels)}", f'"{label}"'))
    return found


def _listed(meaning: Any) -> tuple[Any, ...]:  # noqa: ANN401
    return tuple(meaning) if isinstance(meaning, list | tuple) else (meaning,)
