"""Any classifier that takes JSON and answers JSON, described by the policy: `use: http`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guard import categories
from guard.detectors.classifiers.labels import UNKNOWN_CATEGORY, all_named, check_map
from guard.detectors.services import places
from guard.detectors.services.mapping import SELECTORS, Mapped
from guard.detectors.services.pieces import Piece
from guard.detectors.services.selecting import Astray
from guard.detectors.services.service import Found, Service
from guard.detectors.services.template import filled, takes_many, takes_one
from guard.errors import DetectorError, PolicyError
from guard.formats.selectors import Every, parse
from guard.policy.kinds import Mistake
from guard.runtime.endpoint import encoded

LONGEST = 2_000
"""Characters of one text."""
BATCH = 32
"""Texts of one call, where the body takes many."""

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET = re.compile(r"authorization|cookie|.*(api-?key|token|secret|password).*", re.IGNORECASE)


class AnyJson(Service):
    """Fills a template, asks, and reads the answer by selectors."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Describe the detector; see `make`."""
        self._method = options.get("method", "POST")
        self._body = options.get("body")
        self._params: Mapping[str, str] = options.get("params", {})
        self._many = takes_many(self._body)
        self._mapped = Mapped.of(options)
        self.batch = int(options.get("batch", BATCH)) if self._many else 1
        header = (options.get("key_header", places.BEARER[0]), options.get("key_prefix", _prefix(options)))
        headers = {name.lower(): str(value) for name, value in options.get("headers", {}).items()}
        place = places.endpoint(name, options["url"], options.get("key_env", ""), header=header, headers=headers)
        super().__init__(place, "http-1", options, categories_of(options), LONGEST)

    async def ask(self, asked: Sequence[Piece]) -> list[list[Found]]:
        """Return what the answer says about each piece."""
        texts = [piece.text for piece in asked]
        payload = b"" if self._body is None else encoded(filled(self._body, texts))
        params = {name: filled(str(value), texts) for name, value in self._params.items()}
        answer = await self.endpoint.request(self._method, "", payload, params)
        try:
            return self._mapped.found(answer, texts, many=self._many)
        except Astray as error:
            raise DetectorError(self.name, f"{self.endpoint.host}: the answer: {error}") from None


def make(name: str, options: Mapping[str, Any]) -> AnyJson:
    """Return the detector."""
    return AnyJson(name, options)


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report; where labels speak for themselves, any of Tenet's categories."""
    own = (options["category"],) if "category" in options else ()
    if "labels" in options:
        return tuple(dict.fromkeys((*own, *all_named(options["labels"]))))
    return own or tuple(sorted(categories.KNOWN))


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in the options."""
    shared = (places.check_url(options, query=True), places.check_key_env(options), places.check_window(options))
    return [
        *(mistake for mistakes in shared for mistake in mistakes),
        *_check_template(options),
        *_check_headers(options),
        *_check_selectors(options),
        *_check_categories(options),
    ]


def _check_template(options: Mapping[str, Any]) -> Iterator[Mistake]:
    body, params = options.get("body"), options.get("params", {})
    if options.get("method", "POST") == "GET" and body is not None:
        yield Mistake(("body",), "no body for GET; put the text into `params`", "a body")
    if takes_many(params):
        yield Mistake(("params",), "`{text}`, as a parameter holds a single text", "`{texts}`")
    elif takes_many(body) and (takes_one(body) or takes_one(params)):
        yield Mistake(("body",), "either `{text}` or `{texts}`", "both")
    elif not (takes_many(body) or takes_one(body) or takes_one(params)):
        yield Mistake(("body",), "a place for what is judged: the value `{text}`, or `{texts}` for a list", "none")
    if int(options.get("batch", 1)) > 1 and not takes_many(body):
        yield Mistake(("batch",), "1, as the body has no `{texts}`", str(options["batch"]))


def _check_headers(options: Mapping[str, Any]) -> Iterator[Mistake]:
    for name, value in options.get("headers", {}).items():
        if _SECRET.fullmatch(name):
            hint = "name its environment variable in `key_env`, and the header in `key_header`"
            yield Mistake(("headers", name), "no header that holds a key", "one", hint)
        elif not _HEADER.fullmatch(name) or not str(value).isascii() or not str(value).isprintable():
            yield Mistake(("headers", name), "a header in printable ASCII", "something else")
    prefix = str(options.get("key_prefix", ""))
    if not _HEADER.fullmatch(options.get("key_header", "a")) or not prefix.isascii() or (prefix and not prefix.isprintable()):
        yield Mistake(("key_header",), "the name of a header, and a prefix in printable ASCII", "something else")
    for name in ("key_header", "key_prefix"):
        if name in options and "key_env" not in options:
            yield Mistake((name,), "`key_env`, the environment variable of the key, beside it", "none")


def _check_selectors(options: Mapping[str, Any]) -> Iterator[Mistake]:
    for name in ("results", *SELECTORS):
        try:
            steps = parse(options.get(name, ""))
        except PolicyError as error:
            yield Mistake((name,), "a selector, such as `results[*].scores`", f'"{options[name]}"', error.problems[0].expected)
        else:
            if name != "results" and Every.ITEM in steps:
                yield Mistake((name,), "a selector of one value; put `[*]` into `results`", f'"{options[name]}"')
    if ("start" in options) != ("end" in options):
        missing = "end" if "start" in options else "start"
        yield Mistake((), f"`start` and `end` together; `{missing}` is missing", "one of them")


def _check_categories(options: Mapping[str, Any]) -> Iterator[Mistake]:
    if "labels" in options:
        yield from check_map("labels", options["labels"])
    category = options.get("category")
    if category is not None and (category.endswith("/*") or not categories.is_known(category)):
        close = categories.nearest(category)
        yield Mistake(("category",), UNKNOWN_CATEGORY, f'"{category}"', f"did you mean `{close}`?" if close else "")
    if category is not None and "label" in options:
        yield Mistake(("category",), "no `category` where results have a `label`; use `labels`", "both")


def _prefix(options: Mapping[str, Any]) -> str:
    """Return what stands before the key where the policy does not say: `Bearer ` in `authorization`, nothing in other headers."""
    return places.BEARER[1] if options.get("key_header", places.BEARER[0]).lower() == places.BEARER[0] else ""
