"""`use: llm-judge`: a chat model that is asked whether a text breaks a principle."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guard.constitution import Block, Example, Request, Unreadable, Verdict, read, readable, verdict_request
from guard.constitution.answers import without_thought
from guard.constitution.requests import VERSION
from guard.detectors.judges.anthropic_messages import Messages
from guard.detectors.judges.conversation import before, label_of
from guard.detectors.judges.model import Answered, Asks, mistakes_in_address, reached
from guard.detectors.judges.openai_chat import ChatCompletions
from guard.detectors.judges.pieces import LONGEST, Piece, pieces, together
from guard.detectors.judges.tokens import probability
from guard.detectors.running import Remote
from guard.errors import DetectorError
from guard.policy.kinds import Mistake
from guard.values import Finding, Item, Needs, Runs, Span, WholeReach, WindowReach

CATEGORY = "custom"
REPORTED = 0.05
"""Lowest score of a finding that comes from probabilities."""
MAX_TOKENS = 1024

_VERDICT = re.compile(r'"violates"\s*:\s*(true|false)')
_EXAMPLE_KEYS = ("text", "violates", "why")


@dataclass(frozen=True, slots=True)
class Question:
    """What a judge asks about every text.

    Attributes:
        principles: In prose.
        longest: Characters that one question shows; a longer text is asked about in pieces.
    """

    principles: tuple[str, ...]
    examples: tuple[Example, ...] = ()
    longest: int = LONGEST

    def about(self, item: Item, piece: Piece, *, exchange: bool) -> Request:
        """Return the request about a piece of an item, with what was said before it as context."""
        context = [Block(label_of(other, "prompt: "), text) for other, text in before(item, self.longest)] if exchange else []
        if item.judged_from:
            context.append(Block("beginning", item.text[: item.judged_from][-self.longest :]))
        return verdict_request(self.principles, Block(label_of(item), piece.text), context, self.examples)


class LlmJudge(Remote):
    """A detector of one category, decided by a chat model."""

    def __init__(
        self, name: str, version: str, needs: Needs, category: str, asks: Asks, question: Question, *, weighed: bool
    ) -> None:
        """Put a judge together.

        Args:
            weighed: Whether the score is the probability of the verdict's token, and not what the model says of itself.
        """
        super().__init__(name, version, needs, (category,))
        self._asks = asks
        self._question = question
        self._weighed = weighed

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return at most one finding for each item, the surest of its pieces; its span is what the model quotes, if there."""
        return await together([self._judged(item) for item in items])

    async def ask(self, request: Request) -> str | Mapping[str, Any]:
        """Return what its model answers to any request about the constitution. Raises DetectorError where it does not."""
        return (await self._asks.ask(request)).content

    async def _judged(self, item: Item) -> list[Finding]:
        if not item.text[item.judged_from :].strip():
            return []
        asked = [self._asked(item, piece) for piece in pieces(item, self._question.longest)]
        found = [finding for finding in await together(asked) if finding is not None]
        return sorted(found, key=lambda finding: -finding.score)[:1]

    async def _asked(self, item: Item, piece: Piece) -> Finding | None:
        request = self._question.about(item, piece, exchange=self.needs.sees == "exchange")
        answered = await self._asks.ask(request)
        try:
            answer = without_thought(answered.content) if isinstance(answered.content, str) else answered.content
            verdict = read(Verdict, answer)
        except Unreadable as error:
            raise DetectorError(self.name, str(error)) from error
        score = self._weight(answered, answer) if self._weighed else verdict.confidence if verdict.violates else 0.0
        if not verdict.violates and score < REPORTED:
            return None
        return Finding(self.name, self.categories[0], score, _place(verdict.quote, piece), item.location, item.role)

    def _weight(self, answered: Answered, answer: str | Mapping[str, Any]) -> float:
        words = answer if isinstance(answer, str) else ""
        share = probability(answered.tokens, words, _VERDICT, "true", "false")
        if share is None:
            raise DetectorError(self.name, "the answer came without probabilities of its tokens; use `score: stated`")
        return share


def make(name: str, options: Mapping[str, Any]) -> LlmJudge:
    """Return the judge that a policy describes."""
    api = options.get("api", "openai")
    model = reached(name, options, api=api, limit=MAX_TOKENS)
    weighed = options.get("score", "stated") == "logprobs"
    structured = options.get("structured", "json_schema")
    asks: Asks = Messages(model, structured) if api == "anthropic" else ChatCompletions(model, structured, weighed)
    principles = (options["principle"],) if "principle" in options else tuple(options["principles"])
    examples = tuple(Example(**example) for example in options.get("examples", ()))
    question = Question(principles, examples, options.get("longest", LONGEST))
    needs = Needs(reach=reach_of(options), sees=options.get("sees", "text"), runs=Runs.ASYNC)
    version = f"{options['model']} prompt {VERSION}"
    return LlmJudge(name, version, needs, options.get("category", CATEGORY), asks, question, weighed=weighed)


def reach_of(options: Mapping[str, Any]) -> WholeReach | WindowReach:
    """Return windows where the options say how long they are, else whole texts."""
    given = {name: options[name] for name in ("after", "most", "context") if name in options}
    return WindowReach(**given) if given else WholeReach()


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a judge with these options can report."""
    return (options.get("category", CATEGORY),)


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes that no type tells."""
    found = mistakes_in_address(options)
    given = [name for name in ("principle", "principles") if options.get(name)]
    if len(given) != 1:
        found.append(Mistake((), "either `principle` or `principles`", "both" if given else "neither"))
    if options.get("api") == "anthropic":
        if options.get("score") == "logprobs":
            found.append(Mistake(("score",), "`stated`, as this interface gives no probabilities", "logprobs"))
        if options.get("structured") == "json_object":
            found.append(Mistake(("structured",), "json_schema or none, for this interface", "json_object"))
    for index, example in enumerate(options.get("examples", ())):
        found += _mistakes_in_example(example, ("examples", index))
    return found


def _mistakes_in_example(example: Any, path: tuple[str | int, ...]) -> Iterator[Mistake]:  # noqa: ANN401
    if not isinstance(example, Mapping):
        yield Mistake(path, "a mapping with `text` and `violates`", repr(example))
        return
    for key in example:
        if key not in _EXAMPLE_KEYS:
            yield Mistake((*path, key), f"one of {', '.join(_EXAMPLE_KEYS)}", repr(key))
    if not isinstance(example.get("text"), str) or not isinstance(example.get("why", ""), str):
        yield Mistake(path, "strings as `text` and `why`", "something else")
    if not isinstance(example.get("violates"), bool):
        yield Mistake((*path, "violates"), "true or false", repr(example.get("violates")))


def _place(quote: str, piece: Piece) -> Span | None:
    """Return where the quoted words stand in the item's text; None where they don't."""
    at = readable(piece.text).find(quote) if quote.strip() else -1
    return Span(piece.start + at, piece.start + at + len(quote)) if at >= 0 else None
