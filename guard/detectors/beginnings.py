r"""Derive from an RE2 pattern the pattern of its beginnings, so that a match under way is seen in linear time.

RE2 has no partial matching. But if every atom `a` of a pattern becomes `(?:a|\z)`, the pattern may stop wherever the
text stops, and nowhere else: on `text` it then finds, by the same leftmost-first priorities, either a match that no
continuation of the text can change, or one that ends with the text, which is a match under way (a completed match at
the very end included, for it may still be extended). Assertions are atoms too: what follows the end is not known yet.
Nothing else of the pattern is touched, so flags keep their scope and groups their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import re2

from guard.detectors.expressions import compiled

_TOKEN = re.compile(
    r"""
      \\Q(?P<quoted>.*?)(?:\\E|\Z)
    | (?P<assertion> [\^$] | \\[bBAz] )
    | (?P<syntax>
          \(\?[A-Za-z-]+\)
        | \( (?: \? (?: P?<\w+> | [A-Za-z-]*: ) )?
        | [|)]
        | (?: [*+?] | \{\d+(?:,\d*)?\} ) \??
      )
    | (?P<atom>
          \[ \^? \]? (?: \[:\^?\w+:\] | \\[pPx]\{[^}]*\} | \\. | [^\]\\] )* \]
        | \\ (?: [pPx]\{[^}]*\} | [pP]. | x[0-9A-Fa-f]{2} | [0-7]{1,3} | . )
        | .
      )
    """,
    re.VERBOSE | re.DOTALL,
)

_CAPTURE = re.compile(r"\((?:\?P?<\w+>)?")


def stoppable(expression: str) -> str:
    r"""Return a pattern that matches what `expression` matches, and also every beginning of it at the end of the text.

    A match of the result that ends before the text does is the match that `expression` has there, whatever follows.
    Groups keep their numbers; one that was not reached is empty or unset.

    Args:
        expression: A pattern that RE2 compiles.

    Raises:
        ValueError: Where the pattern matches single bytes (`\C`), whose beginnings are not text.
    """
    return _rewritten(expression, _or_end, _or_end)


def beginnings(expression: str) -> str:
    r"""Return a pattern that matches exactly the beginnings of matches of `expression` at the end of the text.

    The empty beginning counts, so a search always hits; its leftmost hit is where the longest match under way starts.
    Its groups capture nothing, so that such patterns can be joined.
    """
    return rf"(?:{_rewritten(expression, _or_end, _or_end, _uncaptured)})\z"


def loosened(expression: str) -> str:
    """Return a pattern that matches all that `expression` matches and more: counted repetitions become uncounted.

    Read backwards from the end of a text, where a match may have got anywhere, counted repetitions make huge automata;
    their loosened form is small, and what it finds can be checked forwards.
    """
    return _rewritten(expression, _same, _same, _uncounted)


def can_be_empty(expression: str) -> bool:
    """Return whether `expression` can match without consuming a character, such as `a*` or a bare assertion."""
    return compiled(_rewritten(expression, _same, lambda _assertion: "(?:)")).fullmatch(b"") is not None


_Rewrite = Callable[[str], str]


def _same(token: str) -> str:
    return token


def _or_end(token: str) -> str:
    return rf"(?:{token}|\z)"


def _uncaptured(syntax: str) -> str:
    return "(?:" if _CAPTURE.fullmatch(syntax) else syntax


def _uncounted(syntax: str) -> str:
    if not syntax.startswith("{"):
        return syntax
    return "*" if re.match(r"\{0+\D", syntax) else "+"


def _rewritten(expression: str, atom: _Rewrite, assertion: _Rewrite, syntax: _Rewrite = _same) -> str:
    """Return the expression with its atoms, assertions and the rest rewritten."""
    pieces = []
    for token in _TOKEN.finditer(expression):
        kind = token.lastgroup
        if kind == "quoted":
            pieces += [atom(re2.escape(character)) for character in token["quoted"]]
        elif kind == "assertion":
            pieces.append(assertion(token[0]))
        elif kind == "syntax":
            pieces.append(syntax(token[0]))
        elif token[0] == r"\C":
            raise ValueError(r"\C matches bytes, not characters")
        else:
            pieces.append(atom(token[0]))
    return "".join(pieces)
