"""Shapes of SQL injection, and statements that delete everything."""

from __future__ import annotations

import re

from guard.detectors.rules.deletion import Spans
from guard.detectors.scanning import Pattern

CATEGORY = "code/sql"
VIEWS = ("canonical", "decoded")

_GAP = r"(?:[\s+]|/\*[^*]{0,20}\*/|--\s?\n|\()"
_WS, _SEP = rf"{_GAP}{{0,6}}", rf"{_GAP}{{1,6}}"
_NAME = r"""[\w.$\[\]"`#-]{1,128}"""
_VALUE = r"""(?:[\"'][\w @.%-]{0,40}[\"']?|0x[0-9a-f]{1,16}|\d{1,12}|true|null|[a-z_]{1,20}\(\d{0,6}\))"""
_COMPARES = rf"{_VALUE}{_WS}(?:=|<=>|<|>|<>|!=|like|is|in){_WS}{_VALUE}"
_END = r"(?:--|#|/\*|;\s{0,3}--)"
_CALLS = (
    r"(?i)\b(?:xp_cmdshell|sp_oacreate|xp_regread|xp_dirtree)\b",
    r"(?i)\bwaitfor\s+delay\s+['\"]\d",
    r"(?i)(?:\bor\b|\band\b|\|\||&&|[;,=(]|\bselect\b|\bif\b)\s{0,5}(?:pg_sleep\s?\(|benchmark\s?\(\s?\d{4,}\s?,|dbms_pipe\.receive_message\s?\()",
    r"(?i)['\")\d]\s{0,5}(?:or|and|\|\||&&)\s{1,5}(?:if\([^)\n]{1,80},\s?)?sleep\s?\(\s?\d",
    r"(?i)\b(?:load_file\s?\(\s?['\"]|into\s+(?:out|dump)file\s+['\"])",
    r"(?i)\b(?:extractvalue|updatexml)\s?\([^\n]{0,60}\b(?:concat|0x7e|select)\b",
    r"(?i)['\")\d]\s{0,5}(?:or|and)\s{1,5}1\s?=\s?(?:convert|cast)\s?\(",
    r"(?i)['\")]\s{0,3}(?:order|group)\s+by\s+\d{1,3}\s{0,3}(?:--|#|/\*)",
    r"(?i);\s{0,5}(?:exec(?:ute)?(?:\s+immediate|\s+master|\s?\()|shutdown\b\s{0,3}(?:;|--|with\b|$)|create\s+user\b|grant\s+all\b)",
    r"(?i)['\")]\s{0,3};\s{0,5}(?:insert\s+into|update|alter\s+table|create\s+(?:table|user)|grant|declare|merge)\s[^\n]{1,200}(?:--|#)",
    r"(?i)\bdb\.(?:dropDatabase\(\)|\w{1,64}\.(?:drop\(\)|(?:deleteMany|remove)\(\{\s?\}\)))",
    r"""(?i)\{\s{0,3}["']?\$(?:ne|gt|regex)["']?\s{0,3}:\s{0,3}(?:null|["']{2}|-?1|["']\.\*["'])\s{0,3}\}""",
)

_TAUTOLOGY = (
    rf"""(?i)(?:[\"'`)\d%]{_WS}(?:or|and|\|\||&&|xor|having){_SEP}(?:not{_SEP})?(?:{_COMPARES}|true\b|not{_SEP}false\b))"""
)
_NUMERIC = (
    rf"""(?i)\b(?:or|having){_SEP}(\d{{1,9}}{_WS}(?:=|<|>|like){_WS}\d{{1,9}})(?:{_GAP}{{0,3}}{_END}|[;\"')]|\s*\z|\s*\n)"""
)

_UNION_LIST = (
    rf"(?i)\bunion{_SEP}(?:(?:all|distinct){_SEP})?select{_SEP}(?:null|\d{{1,6}}|@@\w{{1,20}}|'[^'\n]{{0,20}}')"
    rf"{_WS},{_WS}(?:null\b|\d{{1,6}}|@@\w|[a-z_]{{1,30}}\(|'|username|user|pass)[^\n;]{{0,200}}"
)
_UNION_DEAR = (
    rf"(?i)\bunion{_SEP}(?:(?:all|distinct){_SEP})?select\b[^;\n]{{1,300}}"
    r"\b(?:information_schema|sqlite_master|sys\.|pg_catalog|pg_shadow|mysql\.user|passwords?|passwd|pass|credit_?cards?|@@version|version\(\))"
)
_UNION_BROKEN = rf"(?i)(?:\bselect\b[^;]{{0,600}}?)?[\"')\d]{_WS}union{_SEP}(?:(?:all|distinct){_SEP})?select\b"
_UNION_COMMENT = r"(?i)\bunion/\*[^*]{0,40}\*/(?:all/\*[^*]{0,40}\*/)?select\b|/\*!\d{0,6}\s?(?:union|select)\b"
_COMMENT = r"(?i)(?:^|[\s=(,:])[\w.@%+-]{1,40}['\"]\)?(?:(?:--|#|/\*)[ +-]{0,3}|\s(?:--|#|/\*) ?)(?:\n|\z)"

_DROPS = (
    r"(?i)\bdrop\s+(?:table|database|schema|tablespace)\s+(?:if\s+exists\s+)?"
    rf"{_NAME}(?:\s{{0,3}},\s{{0,3}}{_NAME}){{0,5}}\s{{0,3}}(?:;|--|#|['\"`)]|\bcascade\b|\bcascade\s+constraints\b|\bpurge\b|\z|\n)"
)
_TRUNCATES = rf"(?i)\btruncate\s+table\s+(?:only\s+)?{_NAME}|(?:^|[\n;'\"`]\s{{0,5}})TRUNCATE\s+{_NAME}\s{{0,3}};"
_TABLE = r"""(?:\w[\w.$]{0,100}|["`\[][\w.$ ]{1,100}["`\]])"""
_EVERY = r"where\s{1,3}(?:\(\s?)?(?:1\s?=\s?1|'1'\s?=\s?'1'|true\b|1\b\s{0,3}(?:;|$|--))"
_DELETES = (
    rf"(?i)\bdelete\s+from\s+{_TABLE}\s{{0,5}}(?:;|--|'\s?\)|\"\s?\)|{_EVERY})",
    rf"(?:^|[^\w])(?i:delete\s+from)\s+{_TABLE}['\"`]\s?(?:[,;)\]}}]|\z)",
    rf"\bDELETE\s+FROM\s+{_TABLE}(?:\s{{0,5}}\z|\s?\n\s?\n|['\"`])",
)
_UPDATES = r"(?i)\bupdate\s+[\w.\"`\[\]]{1,100}\s+set\s[^;]{1,300};"


def _same(text: str) -> Spans:
    """Accept a comparison that is true whatever the table holds."""
    match = _SIDES.search(_JOINED.split(text, maxsplit=1)[-1])
    if not match:
        return [(0, len(text))] if _TRUE.search(text) else []
    left, sign, right = (match[1].strip("\"'").lower(), match[2].lower(), match[3].strip("\"'").lower())
    if sign in ("=", "<=>", "like", "is", "in"):
        true = left == right or (sign == "like" and right.strip("%") == "")
    elif left.isdigit() and right.isdigit():
        true = {"<": int(left) < int(right), ">": int(left) > int(right)}.get(sign, left != right)
    else:
        true = sign in ("<>", "!=") and left != right
    return [(0, len(text))] if true or (re.search(r"(?i)\band\b", text) and left.isdigit() and right.isdigit()) else []


_SIDE = r"""("[^"\n]*"?|'[^'\n]*'?|0x[0-9a-f]+|\d+|true|null|[a-z_]+\(\d*\))"""
_BETWEEN = r"(?:[\s+(]|/\*.*?\*/)*"
_SIDES = re.compile(rf"(?i){_SIDE}{_BETWEEN}(<=>|<>|!=|=|<|>|\blike\b|\bis\b|\bin\b){_BETWEEN}{_SIDE}\Z")
_JOINED = re.compile(r"(?i)\b(?:or|and|xor|having)\b|\|\||&&")
_TRUE = re.compile(r"(?i)\b(?:or|\|\|)\W+true\b")


def _numeric(text: str) -> Spans:
    return _same(text)


def _broken(text: str) -> Spans:
    """Accept a union without the query that it extends: then it was put into somebody else's."""
    start = text.lower().rfind("union")
    return [] if re.match(r"(?i)select\b", text) else [(start, len(text))]


def _everything(text: str) -> Spans:
    return [] if re.search(r"(?i)\bwhere\b(?!\s+(?:1\s*=\s*1|true)\b)|\b(?:from|join|limit)\b", text) else [(0, len(text))]


PATTERNS = (
    Pattern(_TAUTOLOGY, CATEGORY, 0.9, views=VIEWS, accept=_same),
    Pattern(_NUMERIC, CATEGORY, 0.8, group=1, views=VIEWS, accept=_numeric),
    Pattern(_UNION_LIST, CATEGORY, 0.7, views=VIEWS),
    Pattern(_UNION_DEAR, CATEGORY, 0.8, views=VIEWS),
    Pattern(_UNION_BROKEN, CATEGORY, 0.8, views=VIEWS, accept=_broken),
    Pattern(_UNION_COMMENT, CATEGORY, 0.9, views=VIEWS),
    Pattern(_COMMENT, CATEGORY, 0.6, views=VIEWS),
    Pattern(_DROPS, CATEGORY, 0.9, views=VIEWS),
    Pattern(_TRUNCATES, CATEGORY, 0.8, views=VIEWS),
    *(Pattern(expression, CATEGORY, 0.9, views=VIEWS) for expression in _DELETES),
    Pattern(_UPDATES, CATEGORY, 0.6, views=VIEWS, accept=_everything),
    *(Pattern(expression, CATEGORY, 0.8, views=VIEWS) for expression in _CALLS),
)
