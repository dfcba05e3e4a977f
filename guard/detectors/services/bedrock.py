"""Guardrails of Amazon Bedrock, by the operation ApplyGuardrail: `use: bedrock-guardrails`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from guard.detectors.classifiers.labels import all_named, check_map
from guard.detectors.services import places
from guard.detectors.services.answers import read
from guard.detectors.services.assessments import CATEGORIES, Answer, rows
from guard.detectors.services.pieces import Piece
from guard.detectors.services.service import Found, Service
from guard.detectors.services.sigv4 import Credentials, signed
from guard.errors import DetectorError
from guard.policy.kinds import Mistake
from guard.runtime.endpoint import Endpoint, Sign
from guard.values import Stage

LONGEST = 12_000
"""Characters of one call: within the 25 text units of 1,000 that AWS lets through, even where it counts some of them twice."""

_GUARDRAIL = r"[a-z0-9]+|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+"
_VERSION = r"[1-9][0-9]{0,7}|DRAFT"
_REGION = r"[a-z0-9-]{1,40}"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_IDENTITY = f"check {', '.join(_KEYS)}, the region, and the right `bedrock:ApplyGuardrail`"
_RIGHTS = "check the key, and its right `bedrock:ApplyGuardrail`"
_HINTS = {
    400: "check `guardrail` and `version`; a text may be too long for the account's quota: lower `longest`",
    401: _IDENTITY,
    403: _IDENTITY,
    404: "the region has no such `guardrail` or `version`",
}


class Guardrail(Service):
    """Asks a guardrail about one text at a time. Requests are signed, or carry an API key of Bedrock's."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Describe the detector; see `make`."""
        guardrail, version = options["guardrail"], options.get("version", "DRAFT")
        self._path = f"/guardrail/{quote(guardrail, safe='')}/version/{version}/apply"
        self._labels: Mapping[str, Any] = options.get("labels", {})
        super().__init__(_place(name, options), f"bedrock-1 {version}", options, categories_of(options), LONGEST)

    async def ask(self, asked: Sequence[Piece]) -> list[list[Found]]:
        """Return what the guardrail's policies find in each piece."""
        return [await self._ask(piece) for piece in asked]

    async def _ask(self, piece: Piece) -> list[Found]:
        source = "INPUT" if piece.item.stage is Stage.INPUT else "OUTPUT"
        body = {"source": source, "content": [{"text": {"text": piece.text}}], "outputScope": "FULL"}
        answer = read(self.endpoint, await self.endpoint.post(self._path, body), Answer)
        said = [row for assessment in answer.assessments for row in rows(assessment, piece.item.role, self.lie)]
        if answer.action not in ("NONE", "GUARDRAIL_INTERVENED"):
            raise self.lie("action", "`NONE` or `GUARDRAIL_INTERVENED`", "another word")
        if answer.action == "GUARDRAIL_INTERVENED" and not any(row.score for row in said):
            raise self.lie("assessments", "a reason for the intervention", "none of a policy that is known here")
        return [found for row in said for found in row.found(piece.text, self._labels)]


def make(name: str, options: Mapping[str, Any]) -> Guardrail:
    """Return the detector.

    Raises:
        DetectorError: Where neither the options nor the environment name a region.
    """
    return Guardrail(name, options)


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in the options."""
    mistakes = [*places.check(options), *(check_map("labels", options["labels"]) if "labels" in options else ())]
    for option, pattern, expected in (
        ("guardrail", _GUARDRAIL, "the id of a guardrail, or its ARN"),
        ("version", _VERSION, 'a number in quotes, such as "1", or DRAFT'),
        ("region", _REGION, "a region, such as eu-west-1"),
    ):
        if option in options and not re.fullmatch(pattern, options[option]):
            mistakes.append(Mistake((option,), expected, f'"{options[option]}"'))
    return mistakes


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report."""
    return tuple(dict.fromkeys([*CATEGORIES, *all_named(options.get("labels", {}))]))


def _place(name: str, options: Mapping[str, Any]) -> Endpoint:
    region = options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    with_key = "key_env" in options
    if not re.fullmatch(_REGION, region) and not (with_key and "url" in options):
        raise DetectorError(name, "region: expected the region of the guardrail, found none; set `region` or AWS_REGION")
    url = options.get("url", f"https://bedrock-runtime.{region}.amazonaws.com")
    if with_key:
        return places.endpoint(name, url, options["key_env"], hints={**_HINTS, 401: _RIGHTS, 403: _RIGHTS})
    return Endpoint(name, url, sign=_signer(name, region), hints=_HINTS)


def _signer(name: str, region: str) -> Sign:
    """Return what signs with the keys that the environment holds at that time, as they are renewed."""

    def sign(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        key_id, secret, token = (os.environ.get(variable, "").strip() for variable in _KEYS)
        for variable, value in zip(_KEYS, (key_id, secret, token or "none"), strict=True):
            if not value or not value.isascii() or not value.isprintable():
                raise DetectorError(name, f"the environment variable {variable} is not set, or no header may have it")
        return signed(Credentials(key_id, secret, token), method, url, headers, body, region=region, service="bedrock")

    return sign
