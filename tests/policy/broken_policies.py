# ruff: noqa: E501 (a table is read best with one row on one line)
"""Policies with one mistake each: name, text, line, path, part of what is expected, part of the hint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from guard.policy.kinds import Kind, Mistake, Option


def _never(*_arguments: Any) -> Any:
    raise AssertionError("loading a policy must not build a detector")


def _check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    bad = [index for index, entry in enumerate(options.get("patterns", ())) if entry.get("pattern") == "("]
    return [Mistake(("patterns", index, "pattern"), "a pattern that compiles", '"("', "close the bracket") for index in bad]


KINDS = {
    "pii": Kind("pii", "personal data", _never, lambda _: ("pii/email", "pii/phone"), {"entities": Option("strings", "which")}),
    "words": Kind(
        "words",
        "words",
        _never,
        lambda _: ("custom", "vendor/special"),
        {
            "patterns": Option("list", "patterns"),
            "score": Option("number", "a score", minimum=0, maximum=1),
            "mode": Option("string", "how", choices=("fast", "exact")),
            "file": Option("string", "a file", path=True),
        },
        check=_check,
    ),
    "strictly": Kind(
        "strictly", "needs a model", _never, lambda _: ("toxicity",), {"model": Option("string", "m", required=True)}
    ),
}

HEAD = """\
version: 1
principles:
  - {id: kind, text: Be kind.}
detectors:
  people: {use: pii}
  own: {use: words}
rules:
  - {id: first, detect: people, category: pii/email, action: redact}
"""
"""Eight lines that are right; what is wrong stands on line 9 and later."""

RULE = "  - {id: r, detect: people, category: pii/phone, action: block, %s}"

# fmt: off
BROKEN = [
    # the document
    ("a list", "- a\n- b", 1, "", "a mapping", ""),
    ("no version", "name: x", 1, "", "version", "the version of this language"),
    ("another version", "version: 2", 1, "version", "1", ""),
    ("a version in quotes", 'version: "1"', 1, "version", "1", "without quotes: 1"),
    ("an unknown key", HEAD + "rulez: []", 9, "rulez", "a known key", "did you mean `rules`?"),
    ("a schedule of the whole policy", HEAD + "schedule: none", 9, "schedule", "a key that this version has", "use a rule's `schedule`"),
    ("an unknown pack", HEAD + "include: other", 9, "include", "the name of a shipped pack, or a path", "shipped: "),
    ("an unknown base", HEAD + "extends: defualt", 9, "extends", "the name of a shipped policy", "did you mean `default`?"),
    ("a missing base", HEAD + "extends: ./nowhere.yaml", 9, "extends", "a policy file that exists", "nowhere.yaml"),
    ("a base that is no text", HEAD + "extends: [7]", 9, "extends[0]", "a shipped policy's name", 'put it in quotes: "7"'),
    ("an unfit category of its own", HEAD + "categories: [Bad Name]", 9, "categories[0]", "a category", ""),
    # values
    ("another way to keep texts", HEAD + "store: everything", 9, "store", "none, redacted or full", ""),
    ("an unknown key of the store", HEAD + "store: {txt: none}", 9, "store.txt", "a known key", "did you mean `text`?"),
    ("a threshold in words", HEAD + RULE % "threshold: high", 9, "rules[1].threshold", "a number in [0, 1]", ""),
    ("a threshold above 1", HEAD + RULE % "threshold: 1.5", 9, "rules[1].threshold", "a number in [0, 1]", ""),
    ("a threshold in quotes", HEAD + RULE % 'threshold: "0.5"', 9, "rules[1].threshold", "a number in [0, 1]", "without quotes: 0.5"),
    ("a threshold that is true", HEAD + RULE % "threshold: true", 9, "rules[1].threshold", "a number in [0, 1]", ""),
    ("an action misspelt", HEAD + "  - {id: r, detect: people, category: pii, action: blok}", 9, "rules[1].action", "block", "`block`?"),
    ("revise without a principle", HEAD + "  - {id: r, detect: people, category: pii, action: revise}", 9, "rules[1]", "the key `principle`", "criticised"),
    ("the redactor token", HEAD + "  - {override: x, redact: token}", 9, "rules[1].redact", "label, mask, hash, fake or presidio", "use hash"),
    ("a redactor misspelt", HEAD + RULE % "redact: {with: msak}", 9, "rules[1].redact.with", "label, mask, hash, fake or presidio", "`mask`?"),
    ("a stage misspelt", HEAD + RULE % "on: outputs", 9, "rules[1].on", "input or output", "`output`?"),
    ("no stage at all", HEAD + RULE % "on: []", 9, "rules[1].on", "input or output", ""),
    ("a role misspelt", HEAD + RULE % "roles: [user, asistant]", 9, "rules[1].roles[1]", "user", "`assistant`?"),
    ("turns misspelt", HEAD + RULE % "turns: lst", 9, "rules[1].turns", "all, new or last", "`last`?"),
    ("locked: yes", HEAD + RULE % "locked: yes", 9, "rules[1].locked", "true or false", "write true"),
    ("an id that is a number", HEAD + "  - {id: 5, detect: people, category: pii, action: flag}", 9, "rules[1].id", "an id", 'quotes: "5"'),
    ("an id with a space", HEAD + '  - {id: "a b", detect: people, category: pii, action: flag}', 9, "rules[1].id", "an id", ""),
    ("a blank message", HEAD + RULE % 'message: " "', 9, "rules[1].message", "a text", ""),
    ("an endless message", HEAD + RULE % f"message: {'x' * 2001}", 9, "rules[1].message", "at most 2,000 characters", ""),
    ("a rule that is a word", HEAD + "  - first", 9, "rules[1]", "a mapping", ""),
    ("rules that are a mapping", "version: 1\nrules: {a: 1}", 2, "rules", "a list", ""),
    ("on_error: redact", HEAD + RULE % "on_error: redact", 9, "rules[1].on_error", "allow, flag or block", "use block"),
    ("an unknown field of a rule", HEAD + RULE % "treshold: 0.3", 9, "rules[1].treshold", "a known key", "`threshold`?"),
    ("a schedule", HEAD + RULE % "schedule: weekdays", 9, "rules[1].schedule", "a mapping", ""),
    # references
    ("an unknown detector", HEAD + "  - {id: r, detect: peple, category: pii, action: flag}", 9, "rules[1].detect", "detector", "`people`?"),
    ("an undeclared kind", HEAD + "  - {id: r, detect: strictly, category: pii, action: flag}", 9, "rules[1].detect", "detector", "strictly"),
    ("an unknown category", HEAD + "  - {id: r, detect: people, category: pii/emial, action: flag}", 9, "rules[1].category", "category", "`pii/email`?"),
    ("an unknown group", HEAD + "  - {id: r, detect: people, category: [secrt/*], action: flag}", 9, "rules[1].category[0]", "category", "`secret/*`?"),
    ("a wildcard alone", HEAD + '  - {id: r, detect: people, category: "*", action: flag}', 9, "rules[1].category", "a category", ""),
    ("an unknown principle", HEAD + RULE % "principle: kindd", 9, "rules[1].principle", "the id of a principle", "`kind`?"),
    ("an unknown overridden rule", HEAD + "  - {id: r, detect: people, category: pii, action: allow, overrides: frst}", 9, "rules[1].overrides", "another rule", "`first`?"),
    ("an exception to itself", HEAD + "  - {id: r, detect: people, category: pii, action: allow, overrides: r}", 9, "rules[1].overrides", "above `allow`", ""),
    ("an unknown inherited rule", HEAD + "  - {override: first, threshold: 1}", 9, "rules[1].override", "inherited rule", "nothing is inherited"),
    ("the same id twice", HEAD + "  - {id: first, detect: people, category: pii, action: flag}", 9, "rules[1].id", "a name used once", "another id"),
    ("no id", HEAD + "  - {detect: people, category: pii, action: flag}", 9, "rules[1]", "`id`, `override` and `disable`", ""),
    ("id and override", HEAD + "  - {id: r, override: first}", 9, "rules[1]", "`id`, `override` and `disable`", ""),
    # combinations
    ("no action", HEAD + "  - {id: r, detect: people, category: pii}", 9, "rules[1]", "the key `action`", "what happens"),
    ("no detector", HEAD + "  - {id: r, category: pii, action: flag}", 9, "rules[1]", "the key `detect`", "names of the detectors"),
    ("allow without overrides", HEAD + "  - {id: r, detect: people, category: pii, action: allow}", 9, "rules[1]", "`overrides`", ""),
    ("block with overrides", HEAD + RULE % "overrides: first", 9, "rules[1].overrides", "`overrides` only with allow", "leave `overrides` out"),
    ("block with redact", HEAD + RULE % "redact: mask", 9, "rules[1].redact", "`redact` only with redact", "change the action"),
    ("flag with on_error", HEAD + "  - {id: r, detect: people, category: pii, action: flag, on_error: block}", 9, "rules[1].on_error", "only with block", ""),
    ("keep without mask", HEAD + "  - {id: r, detect: people, category: pii, action: redact, redact: {keep: 4}}", 9, "rules[1].redact.keep", "`mask`", ""),
    # detectors
    ("an unknown kind", "version: 1\ndetectors:\n  p: {use: pi}", 3, "detectors.p.use", "pii, strictly or words", "`pii`?"),
    ("no kind", "version: 1\ndetectors:\n  p: {entities: [x]}", 3, "detectors.p", "the key `use`", "pii"),
    ("an unknown option", "version: 1\ndetectors:\n  p: {use: pii, entitys: [x]}", 3, "detectors.p.entitys", "a known key", "`entities`?"),
    ("an option of the wrong type", "version: 1\ndetectors:\n  p: {use: words, score: 2}", 3, "detectors.p.score", "[0, 1]", ""),
    ("an option's choice misspelt", "version: 1\ndetectors:\n  p: {use: words, mode: fsat}", 3, "detectors.p.mode", "fast or exact", "`fast`?"),
    ("a missing option", "version: 1\ndetectors:\n  p: {use: strictly}", 3, "detectors.p", "the key `model`", "m"),
    ("a bad pattern", "version: 1\ndetectors:\n  p:\n    use: words\n    patterns:\n      - {pattern: a}\n      - {pattern: (}", 7, "detectors.p.patterns[1].pattern", "compiles", "close the bracket"),
    ("a missing file", "version: 1\ndetectors:\n  p: {use: words, file: nowhere.txt}", 3, "detectors.p.file", "a readable file", ""),
    ("overriding nothing", "version: 1\ndetectors:\n  p: {override: true}", 3, "detectors.p", "an inherited detector", ""),
    # settings
    ("a route without method", HEAD + "routes: {allow: [/v1/models]}", 9, "routes.allow[0]", "a method and a path", ""),
    ("unknown misspelt", HEAD + "routes: {unknown: rejct}", 9, "routes.unknown", "reject or pass", "`reject`?"),
    ("a mapped route without output", HEAD + "routes: {mapped: [{path: /g, input: x}]}", 9, "routes.mapped[0]", "the key `output`", "texts"),
    ("a mapped route twice", HEAD + "routes: {mapped: [{path: /g, input: x, output: y}, {path: /g, input: x, output: y}]}", 9, "routes.mapped[1]", "once", ""),
    ("a tiny body", HEAD + "limits: {body: 10}", 9, "limits.body", "a whole number in [1,024,", ""),
    ("release misspelt", HEAD + "defaults: {release: judge}", 9, "defaults.release", "judged, whole or optimistic", "`judged`?"),
    ("no time", HEAD + "defaults: {timeout: 0}", 9, "defaults.timeout", "a number in [0.001, 600]", ""),
    ("a principle without text", "version: 1\nprinciples:\n  - id: x", 3, "principles[0]", "the key `text`", "in prose"),
    ("a principle twice", "version: 1\nprinciples:\n  - {id: x, text: a}\n  - {id: x, text: b}", 4, "principles[1].id", "a name used once", "another id"),
    # conditions
    ("an unknown variable", HEAD + RULE % "when: reqest.method == 'GET'", 9, "rules[1].when", "a known variable", "request.method"),
    ("a condition of another type", HEAD + RULE % "when: model", 9, "rules[1].when", "true or false", ""),
    ("a comparison of unequal types", HEAD + RULE % "when: model == 1", 9, "rules[1].when", "valid CEL", ""),
    ("a header in capitals", HEAD + RULE % """when: 'request.headers["X-A"] == "b"'""", 9, "rules[1].when", "lower case", '"x-a"'),
    ("the headers as a map", HEAD + RULE % """when: '"x-a" in request.headers'""", 9, "rules[1].when", "a header by its name", 'compare with ""'),
    ("an exception by header", HEAD + """  - {id: r, detect: people, category: pii, action: allow, overrides: first, when: 'request.headers["x"] == "y"'}""", 9, "rules[1].when", "reads no header", "never loosen"),
]
# fmt: on
