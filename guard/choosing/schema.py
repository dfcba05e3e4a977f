"""What a file of choices may say: every key, its type, and what it means in one line."""

from __future__ import annotations

from guard.policy.shapes import Field, ListOf, MapOf, Number, Record, Text, Word

MOST_CHOICES = 1_000
REQUIREMENTS = ("read-only", "signed")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

POLICY = Text("the name of a shipped policy, or a path", r"[^\s].*", longest=1_000)
ROUTE = Text("a path such as `/v1/chat/completions`; `*` is one segment, `**` at the end all that comes after", r"/[^\s?#%;\\]*")
NAME = Text('a text of at most 200 characters, or `""` for none', r"(\S(.*\S)?)?", longest=200)
HEADER = Text("the name of a header", r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
VALUE = Text("a value without a comma, of at most 200 characters", r"[^\s,]([^,]*[^\s,])?", longest=200)

WHEN = Record(
    {
        "route": Field(ListOf(ROUTE, single=True, empty=False), "the path, without its query; case does not matter"),
        "method": Field(ListOf(Word(METHODS), single=True, empty=False), "the method; `GET` stands for `HEAD` too"),
        "tenant": Field(ListOf(NAME, single=True, empty=False), "the tenant of the caller's key"),
        "key": Field(ListOf(NAME, single=True, empty=False), "the id of the caller's key, `gk_…`"),
        "role": Field(ListOf(NAME, single=True, empty=False), "a role of the caller's key"),
        "headers": Field(
            MapOf(HEADER, ListOf(VALUE, single=True, empty=False)), "values of headers, by name; case does not matter"
        ),
    }
)
"""Conditions, of which all must hold; where one lists values, any of them will do."""

CHOICE = Record(
    {
        "when": Field(WHEN, "for which requests", required=True),
        "policy": Field(POLICY, "which policy they get: a shipped one's name, or a path relative to this file", required=True),
    }
)

CHOICES = Record(
    {
        "version": Field(Number(1, 1, integer=True), "version of this schema", required=True),
        "require": Field(
            ListOf(Word(REQUIREMENTS), single=True),
            "what must hold of this file and of all files of its policies, or they are not served",
        ),
        "trusted_headers": Field(
            ListOf(HEADER, single=True),
            "headers that something in front of the server sets, and takes out where clients set them",
        ),
        "choices": Field(ListOf(CHOICE), "the first that holds tells the policy"),
        "default": Field(POLICY, "the policy of all other requests", required=True),
    }
)
