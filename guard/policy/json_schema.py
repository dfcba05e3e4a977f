"""JSON Schemas (draft 2020-12) of policy files and of their tests, written from the tables of the language.

An editor's YAML language server completes and checks by them. They know shapes, and which keys go together; what refers to
something else in the file, or to other files, only the loader knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guard import categories
from guard.policy import schema
from guard.policy.kinds import Kind
from guard.policy.redactors import KEYED, PARAMS
from guard.policy.shapes import Anything, Either, Field, ListOf, MapOf, Number, Record, Shape, Text, Truth, Word

DIALECT = "https://json-schema.org/draft/2020-12/schema"

JsonSchema = dict[str, Any]


def policy_schema(kinds: Mapping[str, Kind]) -> JsonSchema:
    """Return the schema of a policy file in which these kinds of detectors may be used."""
    return _Writer(_PARTS, kinds, places=True).document(schema.POLICY, "A policy of Tenet")


def schema_of_tests(tests: Shape) -> JsonSchema:
    """Return the schema of the file of tests beside a policy.

    Args:
        tests: The shape of that file.
    """
    return _Writer({}, {}).document(tests, "Tests of a policy of Tenet")


_PARTS: Mapping[str, Shape] = {
    "id": schema.ID,
    "category": schema.CATEGORY_PATTERN,
    "principle": schema.PRINCIPLE,
    "detector": schema.DETECTOR,
    "runtime": schema.RUNTIME,
    "rule": schema.RULE,
    "clause": schema.CLAUSE,
    "localised": schema.LOCALISED,
    "redact": schema.REDACT,
    "mapped": schema.MAPPED,
}
"""Shapes that stand under `$defs`, by name."""


class _Writer:
    """Writes one document, and the parts that it refers to."""

    def __init__(self, parts: Mapping[str, Shape], kinds: Mapping[str, Kind], *, places: bool = False) -> None:
        """Prepare.

        Args:
            places: Whether `$(name)` may stand in place of a value.
        """
        self._places = places
        self._parts = parts
        self._kinds = kinds
        self._written: dict[str, JsonSchema] = {}

    def document(self, shape: Shape, title: str) -> JsonSchema:
        body = self.of(shape)
        parts = {"$defs": dict(sorted(self._written.items()))} if self._written else {}
        return {"$schema": DIALECT, "title": title, **body, **parts}

    def of(self, shape: Shape) -> JsonSchema:
        """Return the schema of a shape, or a reference to it."""
        for name, part in self._parts.items():
            if part is shape:
                if name not in self._written:
                    self._written[name] = {}
                    self._written[name] = self._part(shape)
                return {"$ref": f"#/$defs/{name}"}
        return self._plain(shape)

    def _part(self, shape: Shape) -> JsonSchema:
        if shape is schema.CATEGORY_PATTERN:
            return {"anyOf": [{"enum": _known_categories()}, self._plain(shape)]}
        if shape is schema.DETECTOR:
            return self._detector()
        return self._plain(shape)

    def _plain(self, shape: Shape) -> JsonSchema:
        match shape:
            case Text():
                return self._or_place(_text(shape)) if shape.pattern else _text(shape)
            case Word():
                meanings = [shape.meanings.get(word, "") for word in shape.choices]
                return self._or_place({"enum": list(shape.choices), **({"enumDescriptions": meanings} if any(meanings) else {})})
            case Number():
                return self._or_place(_number(shape))
            case Truth():
                return self._or_place({"type": "boolean"})
            case ListOf():
                item = self.of(shape.item)
                many = {"type": "array", "items": item, **({} if shape.empty else {"minItems": 1})}
                return {"anyOf": [item, many]} if shape.single else self._or_place(many)
            case MapOf():
                return {"type": "object", "propertyNames": self.of(shape.name), "additionalProperties": self.of(shape.item)}
            case Record():
                whole = self._record(shape)
                return {"anyOf": [self.of(shape.fields[shape.word].shape), whole]} if shape.word else whole
            case Either():
                return {"anyOf": [self.of(shape.plain), self.of(shape.mapping)]}
            case Anything():
                return {}
        raise TypeError(f"no schema is known for {shape!r}")

    def _or_place(self, plain: JsonSchema) -> JsonSchema:
        """Return the schema of a value in whose place a parameter may stand."""
        if not self._places:
            return plain
        self._written["place"] = _PLACE
        return {"anyOf": [plain, {"$ref": "#/$defs/place"}]}

    def _record(self, record: Record) -> JsonSchema:
        required = [key for key, field in record.fields.items() if field.required]
        return {
            "type": "object",
            "properties": {key: self._field(field) for key, field in record.fields.items()},
            **({} if record.open else {"additionalProperties": False}),
            **({"required": required} if required else {}),
            **next((between for known, between in _BETWEEN_KEYS if known is record), {}),
        }

    def _field(self, field: Field) -> JsonSchema:
        default = {} if field.default is None else {"default": field.default}
        return {"description": field.summary, **self.of(field.shape), **default}

    def _detector(self) -> JsonSchema:
        """Return a detector: a kind's name, or a mapping whose keys are those of its kind."""
        uses = sorted(self._kinds)
        bare = [use for use in uses if not any(option.required for option in self._kinds[use].options.values())]
        own = {key: self._field(field) for key, field in schema.DETECTOR.fields.items()}
        own["use"] = {"description": schema.DETECTOR.fields["use"].summary, **self._named(uses)}
        whole = {
            "type": "object",
            "properties": own,
            "anyOf": [{"required": ["use"]}, _OVERRIDES],
            "allOf": [{"if": _says("use", use), "then": self._options(self._kinds[use], own)} for use in uses],
        }
        return {"anyOf": [self._named(bare), whole]}

    def _named(self, uses: list[str]) -> JsonSchema:
        return {"enum": uses, "enumDescriptions": [self._kinds[use].summary for use in uses]}

    def _options(self, kind: Kind, own: Mapping[str, JsonSchema]) -> JsonSchema:
        required = [name for name, option in kind.options.items() if option.required]
        fields = {
            name: Field(schema.option_shape(option), option.summary) for name, option in kind.options.items() if name not in own
        }
        return {
            "properties": {**dict.fromkeys(own, True), **{name: self._field(field) for name, field in fields.items()}},
            "additionalProperties": False,
            **({"if": _OVERRIDES, "else": {"required": required}} if required else {}),
        }


def _text(shape: Text) -> JsonSchema:
    """Return the schema of a text. JSON Schema's expressions are ECMAScript's, in which a dot never matches a line end."""
    length: JsonSchema = {"type": "string", "maxLength": shape.longest}
    if not shape.pattern:
        return {**length, "pattern": r"\S"}
    if shape.pattern.startswith("(?s)"):
        return {**length, **({} if shape.pattern.endswith("*") else {"minLength": 1})}
    return {**length, "pattern": f"^(?:{shape.pattern})$"}


def _number(shape: Number) -> JsonSchema:
    if shape.minimum is not None and shape.minimum == shape.maximum:
        return {"const": shape.minimum}
    bounds = {"minimum": shape.minimum, "maximum": shape.maximum}
    return {
        "type": "integer" if shape.integer else "number",
        **{key: bound for key, bound in bounds.items() if bound is not None},
    }


def _known_categories() -> list[str]:
    known = sorted(categories.KNOWN)
    return sorted({*known, *(f"{categories.group(name)}/*" for name in known)})


def _says(key: str, *words: str) -> JsonSchema:
    """Return the schema of a mapping in which one of these words stands under a key."""
    return {"required": [key], "properties": {key: {"enum": list(words)}}}


def _says_or_place(key: str, *words: str) -> JsonSchema:
    """Return the same for a key in whose place a parameter may stand."""
    return {"required": [key], "properties": {key: {"anyOf": [{"enum": list(words)}, _PLACE]}}}


_PLACE: JsonSchema = {"type": "string", "pattern": r"^\$\([a-z][a-z0-9_]{0,31}\)$", "description": "a parameter of this file"}
_OVERRIDES: JsonSchema = {"required": ["override"], "properties": {"override": {"const": True}}}


def _between_rule_keys() -> JsonSchema:
    alone = {"required": ["reason"], "propertyNames": {"enum": ["disable", "reason"]}}
    return {
        "oneOf": [{"required": [key]} for key in ("id", "override", "disable")],
        "allOf": [
            {"if": {"required": ["id"]}, "then": {"required": ["action"], "anyOf": _READINGS}},
            {"if": {**_says("action", "revise"), "required": ["id", "action"]}, "then": {"required": ["principle"]}},
            *({"if": {"required": [key]}, "then": _none_of(*others)} for key, others in schema.INSTEAD_OF.items()),
            {"if": {"required": ["disable"]}, "then": alone},
            {"if": {**_says("action", "allow"), "required": ["id", "action"]}, "then": {"required": ["overrides"]}},
            *(
                {"if": {"required": [key, "action"]}, "then": _says_or_place("action", *actions)}
                for key, actions in schema.ONLY_WITH_ACTIONS.items()
            ),
        ],
    }


def _between_clause_keys() -> JsonSchema:
    return {
        "oneOf": [{"required": ["detect", "category"]}, *({"required": [key]} for key in ("any", "all", "not", "sum"))],
        "dependentRequired": {"detect": ["category"], "category": ["detect"], "threshold": ["detect"]},
    }


def _none_of(*keys: str) -> JsonSchema:
    return {"properties": dict.fromkeys(keys, False)}


_READINGS = [{"required": ["detect", "category"]}, *({"required": [key]} for key in ("any", "all", "sum", "count"))]


def _between_redact_keys() -> JsonSchema:
    usual = schema.REDACT.fields["with"].default
    kinds = [
        {
            "if": {"required": [key]},
            "then": {"properties": {"with": {"const": kind}}, **({} if kind == usual else {"required": ["with"]})},
        }
        for key, kind in schema.ONLY_WITH_REDACTOR.items()
    ]
    operators = [
        {"if": _says("operator", operator), "then": {"properties": {"params": {"propertyNames": {"enum": list(params)}}}}}
        for operator, params in PARAMS.items()
    ]
    keys = [
        {"if": {"required": ["key_env"]}, "then": {"properties": {"operator": {"enum": list(KEYED)}}}},
        {"if": _says("operator", "encrypt"), "then": {"required": ["key_env"]}},
    ]
    return {"allOf": [*kinds, {"if": _says("with", "presidio"), "then": {"required": ["operator"]}}, *operators, *keys]}


_BETWEEN_KEYS: tuple[tuple[Record, JsonSchema], ...] = (
    (schema.RULE, _between_rule_keys()),
    (schema.CLAUSE, _between_clause_keys()),
    (schema.REDACT, _between_redact_keys()),
)
"""Which keys go together."""
