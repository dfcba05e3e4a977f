"""What a policy file of version 1 may say: every key, its type, its allowed values, and what it means in one line.

The one place that knows the language; the loader checks against it and documentation is written from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from guard import categories
from guard.policy.kinds import Option
from guard.policy.locales import LOCALE
from guard.policy.model import Limits, Policy, Routes
from guard.policy.shapes import Anything, Either, Field, ListOf, MapOf, Number, Record, Shape, Text, Truth, Word
from guard.policy.timing import DAYS
from guard.runtime.settings import RuntimeSettings
from guard.values import Role

_HARM_ROLES = frozenset({Role.USER, Role.ASSISTANT, Role.TOOL_CALL, Role.TOOL_RESULT})
_PERSONAL_ROLES = frozenset({Role.USER, Role.ASSISTANT})
_INSTRUCTION_ROLES = frozenset({Role.USER, Role.TOOL_RESULT})

DEFAULT_ROLES: Mapping[str, frozenset[Role]] = {
    "secret": frozenset(Role),
    "pii": _PERSONAL_ROLES,
    "injection": _INSTRUCTION_ROLES,
    "jailbreak": _INSTRUCTION_ROLES,
    "obfuscation": _INSTRUCTION_ROLES,
    **dict.fromkeys(("hate", "harassment", "self-harm", "sexual", "violence", "illicit"), _HARM_ROLES),
    **dict.fromkeys(("toxicity", "profanity", "harmful-request", "harmful-response", "image"), _HARM_ROLES),
}
"""Whose words a rule reads where it does not say, by the group of its categories."""

OTHER_ROLES = _HARM_ROLES
"""The same for groups that the table does not have, a policy's own categories among them."""

ROLE_WORDS: Mapping[str, frozenset[Role]] = {
    **{role.value: frozenset({role}) for role in Role},
    "tool": frozenset({Role.TOOL_CALL, Role.TOOL_RESULT}),
}
"""What `roles:` may name."""


def default_roles(patterns: Iterable[str]) -> frozenset[Role]:
    """Return whose words a rule on these categories reads where it does not say."""
    return frozenset().union(*(DEFAULT_ROLES.get(categories.group(pattern), OTHER_ROLES) for pattern in patterns))


ID = Text("an id (letters, digits, `-`, `_` and `.`, at most 64)", r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
CATEGORY_PATTERN = Text("a category (`group`, `group/kind` or `group/*`)", r"[a-z0-9][a-z0-9_-]*(/([a-z0-9_-]+|\*))?")
OWN_CATEGORY = Text("a category (`group` or `group/kind`, lower case)", r"[a-z0-9][a-z0-9_-]*(/[a-z0-9_-]+)?")
ROUTE = Text("a method and a path, such as `GET /v1/models`", r"[A-Z]+ /[^\s?#]*")
SELECTOR = Text("a selector, such as `messages[*].text`", r"[^\s]+", longest=200)
ON_ERROR = Word(("allow", "flag", "block"), later={"redact": "use block", "revise": "use block"})
THRESHOLD = Number(0, 1)
MESSAGE = Text("a text of at most 2,000 characters", longest=2_000)
LANGUAGE = Text("the ISO 639 code of a language, such as `de`", r"[a-z]{2,3}")
LOCALISED = Either(MESSAGE, MapOf(Text("a locale, such as `de` or `en-GB`, or `default`", LOCALE), MESSAGE))
SEVERITIES: Mapping[str, float] = {"low": 0.25, "medium": 0.5, "high": 0.75, "severe": 0.9}
"""The thresholds that `severity:` stands for, where a policy does not say."""

ACTIONS: Mapping[str, str] = {
    "allow": "an exception: takes the rules named in `overrides` out, for findings that lie within what it matched",
    "flag": "the decision says so; nothing is changed or held",
    "redact": "what was found is replaced before it goes on: in the request for the model, in the answer for the client",
    "revise": "it is rewritten by the rule's principle and judged again, some times over; what still may not leave is refused",
    "block": "the request isn't sent, or the answer's choice ends, and the client is refused with `message`",
}
"""What `action:` may say, and what happens then."""

ONLY_WITH_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "overrides": ("allow",),
    "redact": ("redact",),
    "on_error": ("block", "redact", "revise"),
    "revise": ("revise",),
}
"""Keys of a rule that only some actions have."""

INSTEAD_OF: Mapping[str, tuple[str, ...]] = {
    "any": ("detect", "category", "all", "sum", "thresholds"),
    "all": ("detect", "category", "any", "sum", "thresholds"),
    "sum": ("detect", "category", "any", "all", "thresholds", "threshold", "severity", "by_language"),
    "severity": ("threshold",),
    "by_language": ("thresholds", "any", "all", "sum"),
}
"""Keys of a rule that stand in place of others."""

ONLY_WITH_REDACTOR: Mapping[str, str] = {
    "keep": "mask",
    "label": "label",
    "operator": "presidio",
    "params": "presidio",
    "key_env": "presidio",
}
"""Keys of `redact` that only one of its kinds has."""

_ONCE_BUILT = "leave it out"
_USUAL = Policy("", (), {})
_USUAL_THRESHOLD = 0.5

PRINCIPLE = Record(
    {
        "id": Field(ID, "how rules name it", required=True),
        "text": Field(Text(), "the principle, in prose", required=True),
        "critique": Field(Text(), "what a critic is asked about an answer"),
        "revision": Field(Text(), "how an answer that breaks it is to be rewritten"),
    }
)

REDACT_PARAMS = Record(
    {
        "masking_char": Field(
            Text("one character", r"(?s).", longest=1),
            "with `mask`: what stands for each character; `*` where absent",
            default="*",
        ),
        "chars_to_mask": Field(Number(1, 100_000, integer=True), "with `mask`: how many characters; all where absent"),
        "from_end": Field(Truth(), "with `mask`: whether they are counted from the end", default=False),
        "new_value": Field(Text("a text of at most 200 characters", longest=200), "with `replace`: what stands there instead"),
        "hash_type": Field(Word(("sha256", "sha512")), "with `hash`: the function; `sha256` where absent", default="sha256"),
    }
)

REDACT = Record(
    {
        "with": Field(
            Word(("label", "mask", "hash", "fake", "presidio"), later={"token": "use hash"}),
            "how it is made unreadable: [EMAIL], ****1111, a digest, a fake of its form, or by Presidio's anonymizer",
            default="label",
        ),
        "keep": Field(Number(0, 16, integer=True), "with `mask`: how many characters stay readable at the end", default=0),
        "label": Field(
            Text("a word of letters, digits, `-` and `_`", r"[A-Za-z0-9_-]{1,32}"), "with `label`: the word in the brackets"
        ),
        "operator": Field(Word(("mask", "replace", "redact", "hash", "encrypt")), "with `presidio`: its operator"),
        "params": Field(REDACT_PARAMS, "with `presidio`: the operator's parameters"),
        "key_env": Field(
            Text("the name of an environment variable", r"[A-Za-z_][A-Za-z0-9_]*", longest=200),
            "with `presidio`: where the key of `encrypt` or `hash` is",
        ),
    },
    word="with",
)

DETECT = Field(ListOf(ID, single=True, empty=False), "names of the detectors whose findings it reads")
CATEGORY = Field(ListOf(CATEGORY_PATTERN, single=True, empty=False), "the categories it fires on")

SUMMAND = Record(
    {
        "detect": Field(DETECT.shape, DETECT.summary, required=True),
        "category": Field(CATEGORY.shape, "the categories whose highest score counts", required=True),
        "threshold": Field(THRESHOLD, "scores below it count as 0", default=0),
        "weight": Field(Number(0, 100), "what the score is multiplied with", default=1),
    }
)

SUM = Record(
    {
        "of": Field(ListOf(SUMMAND, empty=False), "what is added up", required=True),
        "at_least": Field(Number(0, 10_000), "the sum from which on it holds", required=True),
    }
)

_CLAUSE_FIELDS: dict[str, Field] = {
    "detect": Field(DETECT.shape, DETECT.summary),
    "category": Field(CATEGORY.shape, CATEGORY.summary),
    "threshold": Field(THRESHOLD, "the least score that counts; the rule's where absent"),
}
CLAUSE = Record(_CLAUSE_FIELDS)
CLAUSES = ListOf(CLAUSE, empty=False)
_CLAUSE_FIELDS |= {
    "any": Field(CLAUSES, "holds where one of these clauses does"),
    "all": Field(CLAUSES, "holds where all of these clauses do"),
    "not": Field(CLAUSE, "holds where this clause does not"),
    "sum": Field(SUM, "holds where scores, each times its weight, add up to enough"),
}

COUNT = Record(
    {
        "rule": Field(ListOf(ID, single=True, empty=False), "the rules whose firing counts", required=True),
        "at_least": Field(Number(1, 1_000, integer=True), "in how many exchanges, the present one included", required=True),
        "within": Field(
            Text("`conversation`, or a number of turns such as `5 turns`", r"conversation|[1-9][0-9]{0,2} turns?"),
            "how far back",
            default="conversation",
        ),
    }
)

SCHEDULE = Record(
    {
        "from": Field(Text("a date, such as `2026-12-01`, or a date with a time"), "the first moment at which it holds"),
        "until": Field(Text("a date, such as `2027-01-01`, or a date with a time"), "the first moment at which it holds no more"),
        "days": Field(ListOf(Word(DAYS), single=True, empty=False), "on which days of the week; a night belongs to its evening"),
        "hours": Field(
            Text("two times, such as `22:00-06:00`", r"[0-9]{2}:[0-9]{2} ?- ?[0-9]{2}:[0-9]{2}"), "between which times of the day"
        ),
        "zone": Field(Text("a time zone, such as `Europe/Berlin`"), "whose clock and calendar it goes by", default="UTC"),
    }
)

REVISE = Record(
    {
        "by": Field(ID, "`upstream`, or a detector `use: llm-judge`, whose model it is then", default="upstream"),
        "rounds": Field(Number(1, 5, integer=True), "how often it is rewritten at most", default=2),
        "timeout": Field(Number(0.1, 600), "seconds that all of it may take", default=60),
    },
    word="by",
)

RULE = Record(
    {
        "id": Field(ID, "the name under which decisions report it"),
        "override": Field(ID, "instead of `id`: the inherited rule whose fields it changes"),
        "disable": Field(ID, "instead of `id`: the inherited rule that it switches off"),
        "locked": Field(Truth(), "whether policies that extend this one must keep it as it is", default=False),
        "principle": Field(ID, "the id of the principle that it serves"),
        "when": Field(
            Text("a condition in CEL", longest=2_000), "a condition on request, caller, conversation and what is found"
        ),
        "schedule": Field(SCHEDULE, "when it holds; always where absent"),
        "sample": Field(Number(0.000_001, 1), "for which share of the exchanges it holds, drawn by their ids", default=1),
        "on": Field(
            ListOf(Word(("input", "output")), single=True, empty=False),
            "which way the text travels; both where absent",
            default=["input", "output"],
        ),
        "detect": DETECT,
        "category": CATEGORY,
        "any": Field(CLAUSES, "in place of `detect` and `category`: it fires where one of these clauses holds"),
        "all": Field(CLAUSES, "in place of `detect` and `category`: it fires where all of these clauses hold"),
        "sum": Field(SUM, "in place of `detect` and `category`: it fires where scores add up to enough"),
        "count": Field(COUNT, "it fires once other rules have fired often enough in the conversation"),
        "roles": Field(
            ListOf(Word(tuple(ROLE_WORDS)), single=True, empty=False), "whose words it reads; by category where absent"
        ),
        "turns": Field(Word(("all", "new", "last")), "which user turns of a conversation it reads", default="all"),
        "threshold": Field(THRESHOLD, "it fires on scores of at least this", default=_USUAL_THRESHOLD),
        "severity": Field(Word(tuple(SEVERITIES)), "in place of `threshold`: a name for one (`defaults.severities`)"),
        "thresholds": Field(MapOf(CATEGORY_PATTERN, THRESHOLD), "thresholds by category, where they differ from `threshold`"),
        "by_language": Field(MapOf(LANGUAGE, THRESHOLD), "thresholds by the language that the user writes"),
        "action": Field(Word(tuple(ACTIONS), meanings=ACTIONS), "what happens when it fires"),
        "redact": Field(REDACT, "how what it found is made unreadable"),
        "revise": Field(REVISE, "with `revise`: who rewrites, and how often"),
        "message": Field(LOCALISED, "what the client is told when it blocks; may be given by locale"),
        "overrides": Field(ListOf(ID, single=True, empty=False), "with `allow`: the rules that do not apply to what it matched"),
        "on_error": Field(ON_ERROR, "what happens when one of its detectors gives no verdict", default="block"),
        "reason": Field(Text(), "why, for whoever reads the policy"),
    },
    later={"store": _ONCE_BUILT},
)

RUNTIME = Record(
    {
        "timeout": Field(Number(0.001, 600), "seconds that a verdict may take, waiting and retries included"),
        "batch": Field(Number(1, 1024, integer=True), "items that one call may take"),
        "parallel": Field(Number(1, 256, integer=True), "calls that may run at the same time"),
        "wait": Field(
            Number(0, 1), "seconds that a call waits for more items when nothing else runs", default=RuntimeSettings().wait
        ),
        "queue": Field(
            Number(1, 1_000_000, integer=True),
            "items that may wait before questions are refused",
            default=RuntimeSettings().queue,
        ),
        "cache": Field(Truth(), "whether verdicts are remembered", default=RuntimeSettings().cache),
        "retries": Field(
            Number(0, 5, integer=True),
            "how often a call that failed for a passing reason is repeated",
            default=RuntimeSettings().retries,
        ),
        "failures": Field(
            Number(1, 1000, integer=True),
            "failures in a row after which it is left alone for a while",
            default=RuntimeSettings().failures,
        ),
        "recovery": Field(Number(0.01, 3600), "seconds until one call tries it again", default=RuntimeSettings().recovery),
    }
)

DETECTOR = Record(
    {
        "use": Field(ID, "the kind of detector"),
        "override": Field(Truth(), "whether it changes an inherited detector's options", default=False),
        "runtime": Field(RUNTIME, "how it is run: time limit, batching, cache, retries"),
    },
    word="use",
    open=True,
)

DEFAULTS = Record(
    {
        "release": Field(Word(("judged", "whole", "optimistic")), "how streams are released", default=_USUAL.release),
        "refusal": Field(Word(("message", "field", "error")), "how a refusal is shown to the client", default=_USUAL.refusal),
        "timeout": Field(Number(0.001, 600), "seconds that a detector may take over a batch", default=_USUAL.timeout),
        "threshold": Field(THRESHOLD, "for this file's rules that do not say", default=_USUAL_THRESHOLD),
        "on_error": Field(ON_ERROR, "for this file's rules above `flag` that do not say", default="block"),
        "message": Field(LOCALISED, "for this file's rules that do not say; may be given by locale", default=_USUAL.message),
        "severities": Field(
            Record({name: Field(THRESHOLD, f"the threshold of `{name}`", default=usual) for name, usual in SEVERITIES.items()}),
            "for this file's rules: the thresholds that `severity` names",
        ),
    },
    later={"store": "use `store` at the top of the file"},
)

STORE = Record(
    {
        "text": Field(
            Word(("none", "redacted", "full")),
            "what is kept of texts: nothing, all but secrets and personal data, or all; `redacted` where absent",
            default=_USUAL.store.text,
        ),
        "durability": Field(
            Word(("async", "commit")),
            "whether answers wait until they are on the disk (`commit`); `async` where absent",
            default=_USUAL.store.durability,
        ),
        "on_failure": Field(
            Word(("shed", "block")),
            "without a store that answers: go on without a record, or not at all; `shed` where absent",
            default=_USUAL.store.on_failure,
        ),
        "implicit": Field(
            Truth(),
            "whether an answer asked for again, or a block tried again, is kept as feedback; `false` where absent",
            default=_USUAL.store.implicit,
        ),
    },
    word="text",
)

MAPPED = Record(
    {
        "path": Field(Text("a path, such as `/generate`", r"/[^\s?#]*"), "the route; `*` matches one segment", required=True),
        "method": Field(Text("a method, such as `POST`", r"[A-Z]+"), "`POST` where absent", default="POST"),
        "input": Field(ListOf(SELECTOR, single=True, empty=False), "where the request's texts are", required=True),
        "output": Field(ListOf(SELECTOR, single=True), "where the answer's texts are", required=True),
        "media": Field(
            ListOf(SELECTOR, single=True), "where images are, in requests and answers; `$` where a body is an image itself"
        ),
        "other": Field(Word(("judge", "drop", "pass")), "what happens to strings that no selector names", default="judge"),
    }
)

ROUTES = Record(
    {
        "unknown": Field(Word(("reject", "pass")), "what happens to routes that no format knows"),
        "allow": Field(ListOf(ROUTE), "routes without text, which pass", default=list(Routes().allow)),
        "mapped": Field(ListOf(MAPPED), "JSON routes that no format knows"),
        "speculate": Field(ListOf(ROUTE), "routes whose upstream may start while the input is judged"),
        "media": Field(
            Word(("judge", "reject", "pass")),
            "whether images, sounds and files pass that no detector can judge; `reject` lets none through",
        ),
    }
)

LIMITS = Record(
    {
        "body": Field(
            Number(1_024, 2**31, integer=True), f"bytes of a body; {Limits().body} where absent", default=Limits().body
        ),
        "depth": Field(
            Number(2, 500, integer=True),
            f"levels of nesting of a JSON body; {Limits().depth} where absent",
            default=Limits().depth,
        ),
        "stream_event": Field(
            Number(1_024, 2**28, integer=True),
            f"bytes of one event of a stream; {Limits().stream_event} where absent",
            default=Limits().stream_event,
        ),
    }
)

INCLUDE = Record(
    {
        "pack": Field(Text("a shipped pack's name or a path", r"[^\x00-\x1f\x7f]+", 1_000), "what is included", required=True),
        "with": Field(Record({}, open=True), "values of its parameters, by name"),
        "prefix": Field(
            Text("letters, digits, `-`, `_` and `.`, at most 32", r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}"),
            "what stands before the ids of its rules",
        ),
    },
    word="pack",
)

PARAMETER = Record(
    {
        "type": Field(Word(("number", "integer", "string", "boolean", "strings")), "what its values are", required=True),
        "default": Field(Anything(), "its value where nobody gives one", required=True),
        "choices": Field(ListOf(Text(), empty=False), "the only values that it may have"),
        "minimum": Field(Number(), "the lowest number that it may be"),
        "maximum": Field(Number(), "the highest number that it may be"),
        "description": Field(Text(), "what it is for"),
    }
)

PARAMETERS = MapOf(Text("a name (small letters, digits and `_`)", r"[a-z][a-z0-9_]{0,31}"), PARAMETER)

POLICY = Record(
    {
        "version": Field(Number(1, 1, integer=True), "the version of this language: 1", required=True),
        "name": Field(
            Text("a name of at most 100 characters", r"[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*", 100), "the file's name where absent"
        ),
        "description": Field(Text(), "what the policy is for"),
        "extends": Field(
            ListOf(Text("a shipped policy's name or a path", r"[^\x00-\x1f\x7f]+", 1_000), single=True), "policies it builds upon"
        ),
        "include": Field(ListOf(INCLUDE, single=True), "packs of rules that it takes in"),
        "parameters": Field(PARAMETERS, "what whoever includes this file may say, put in place of `$(name)`"),
        "categories": Field(ListOf(OWN_CATEGORY), "categories of the policy's own"),
        "principles": Field(ListOf(PRINCIPLE), "the constitution"),
        "constitution": Field(
            Word(("system",)), "with `system`, the upstream is told the principles in a system message of each request"
        ),
        "detectors": Field(MapOf(ID, DETECTOR), "what looks at the texts, by name"),
        "defaults": Field(DEFAULTS, "what holds where a rule does not say"),
        "helplines": Field(LOCALISED, "where to find help, for `{helpline}` in messages; may be given by locale"),
        "rules": Field(ListOf(RULE), "what happens when something is found"),
        "routes": Field(ROUTES, "which routes are guarded"),
        "limits": Field(LIMITS, "sizes beyond which a message is refused"),
        "store": Field(STORE, "what is kept of exchanges, where there is a store"),
    },
    later={"schedule": "use a rule's `schedule`"},
)

_OPTION_SHAPES: Mapping[str, Shape] = {
    "string": Text(),
    "boolean": Truth(),
    "strings": ListOf(Text()),
    "mapping": Record({}, open=True),
    "list": ListOf(Anything()),
    "any": Anything(),
}


def option_shape(option: Option) -> Shape:
    """Return the shape that a detector's option declares."""
    if option.type in ("number", "integer"):
        return Number(option.minimum, option.maximum, integer=option.type == "integer")
    if option.choices:
        word = Word(option.choices)
        return ListOf(word) if option.type == "strings" else word
    return _OPTION_SHAPES[option.type]


def options_record(options: Mapping[str, Option]) -> Record:
    """Return what may stand beside `use:` for a kind of detector with these options."""
    fields = {name: Field(option_shape(option), option.summary, option.required) for name, option in options.items()}
    return Record({**DETECTOR.fields, **fields})
