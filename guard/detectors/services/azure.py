"""Azure AI Content Safety: harm in four categories, blocklists, and Prompt Shields: `use: azure-content-safety`.

Operations `text:analyze` and `text:shieldPrompt` of the API's version 2024-09-01.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from guard.detectors.classifiers.labels import all_named, check_map, named
from guard.detectors.services import places
from guard.detectors.services.answers import read
from guard.detectors.services.matches import occurrences
from guard.detectors.services.pieces import Piece
from guard.detectors.services.service import Found, Service
from guard.policy.kinds import Mistake
from guard.values import Role

VERSION = "2024-09-01"
LONGEST = 10_000
"""Code points that each operation takes."""

HARM: Mapping[str, str] = {"Hate": "hate", "SelfHarm": "self-harm", "Sexual": "sexual", "Violence": "violence"}
"""What the service's categories are called here."""

WORST = 7
"""Highest of the eight levels of severity; a score is the severity's share of it."""

CHECKS = ("harm", "attacks")
_HEADER = ("ocp-apim-subscription-key", "")
_SHIELDED: Mapping[Role, str] = {Role.USER: "jailbreak", Role.TOOL_RESULT: "injection"}


class _Severity(msgspec.Struct):
    category: str
    severity: Annotated[int, msgspec.Meta(ge=0, le=WORST)]


class _Listed(msgspec.Struct, rename="camel"):
    blocklist_name: str
    blocklist_item_text: str


class _Analysis(msgspec.Struct, rename="camel"):
    categories_analysis: list[_Severity]
    blocklists_match: list[_Listed] = []


class _Attack(msgspec.Struct, rename="camel"):
    attack_detected: bool


class _Shield(msgspec.Struct, rename="camel"):
    user_prompt_analysis: _Attack | None = None
    documents_analysis: list[_Attack] | None = None


class ContentSafety(Service):
    """Asks about one text at a time: how severe its harm is, and whether it attacks the model that will read it."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Describe the detector; see `make`."""
        self._checks = tuple(options.get("checks", CHECKS))
        self._lists: Mapping[str, Any] = options.get("blocklists", {})
        self._params = {"api-version": options.get("api_version", VERSION)}
        place = places.endpoint(name, options["url"], options.get("key_env", "AZURE_CONTENT_SAFETY_KEY"), header=_HEADER)
        super().__init__(place, f"azure-content-safety-1 {self._params['api-version']}", options, categories_of(options), LONGEST)

    async def ask(self, asked: Sequence[Piece]) -> list[list[Found]]:
        """Return what the checks find in each piece."""
        return [await self._ask(piece) for piece in asked]

    async def _ask(self, piece: Piece) -> list[Found]:
        calls = [self._harm(piece)] if "harm" in self._checks else []
        if "attacks" in self._checks and piece.item.role in _SHIELDED:
            calls.append(self._attacks(piece, _SHIELDED[piece.item.role]))
        return [found for answer in await asyncio.gather(*calls) for found in answer]

    async def _harm(self, piece: Piece) -> list[Found]:
        body: dict[str, Any] = {"text": piece.text, "categories": list(HARM), "outputType": "EightSeverityLevels"}
        if self._lists:
            body |= {"blocklistNames": list(self._lists), "haltOnBlocklistHit": False}
        answer = read(self.endpoint, await self._post("analyze", body), _Analysis)
        severities = {one.category: one.severity for one in answer.categories_analysis}
        for missing in HARM.keys() - severities.keys():
            raise self.lie("categoriesAnalysis", f"`{missing}`, which was asked for", "none")
        listed = (found for match in answer.blocklists_match for found in self._listed(piece, match))
        return [*(Found(category, severities[name] / WORST) for name, category in HARM.items()), *listed]

    def _listed(self, piece: Piece, match: _Listed) -> Iterator[Found]:
        if match.blocklist_name not in self._lists:
            raise self.lie("blocklistsMatch.blocklistName", "one of `blocklists`", "another")
        for category in named(self._lists[match.blocklist_name]):
            for span in occurrences(piece.text, match.blocklist_item_text):
                yield Found(category, 1.0, span)

    async def _attacks(self, piece: Piece, category: str) -> list[Found]:
        """Ask whether a user attacks, or a document that a tool brought."""
        from_user = category == "jailbreak"
        body = {"userPrompt": piece.text, "documents": []} if from_user else {"userPrompt": "", "documents": [piece.text]}
        answer = read(self.endpoint, await self._post("shieldPrompt", body), _Shield)
        verdicts = [answer.user_prompt_analysis] if from_user else answer.documents_analysis or []
        if len(verdicts) != 1 or verdicts[0] is None:
            where = "userPromptAnalysis" if from_user else "documentsAnalysis"
            raise self.lie(where, "one verdict, as one text was sent", "none" if not any(verdicts) else "several")
        return [Found(category, 1.0)] if verdicts[0].attack_detected else []

    async def _post(self, operation: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401
        return await self.endpoint.post(f"/contentsafety/text:{operation}", body, params=self._params)


def make(name: str, options: Mapping[str, Any]) -> ContentSafety:
    """Return the detector."""
    return ContentSafety(name, options)


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in the options."""
    lists = options.get("blocklists")
    mistakes = [*places.check(options), *(check_map("blocklists", lists) if lists is not None else ())]
    if lists and "harm" not in options.get("checks", CHECKS):
        mistakes.append(Mistake(("blocklists",), "`harm` among `checks`, whose operation reads blocklists", "none"))
    return mistakes


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report."""
    checks = options.get("checks", CHECKS)
    harm = HARM.values() if "harm" in checks else ()
    attacks = _SHIELDED.values() if "attacks" in checks else ()
    return tuple(dict.fromkeys([*harm, *attacks, *all_named(options.get("blocklists", {}))]))
