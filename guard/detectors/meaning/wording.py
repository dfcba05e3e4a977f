"""Words, folded and without their endings; and those that carry no content of their own."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from guard.detectors.meaning.quantities import SPELLED

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|[^\W_]*\d[^\W_]*")
"""A word, or a number with the letters that stick to it."""

_DENYING = """
not no never none nobody nothing neither nor without cannot nowhere unable except cant dont wont isnt arent wasnt werent
doesnt didnt hasnt havent shouldnt wouldnt couldnt mustnt neednt
"""
_EMPTY = """
a an the this that these those it its he him his she her hers they them their theirs we us our ours you your yours i me
my mine who whom whose which what when where why how there here and or but if then than so as of at by for with from to
in on into onto over under up down out off about between during before after above below again also too very just only
own same such both each all any some more most other another be is am are was were been being have has had having do
does did doing will would can could may might shall should must ought need let s t d ll re ve m yes ok well one ones get
gets got make makes made per via etc because since while though although until upon within according say says said
"""
_COUNTING = """
kg kilogram kilograms kilo kilos g gram grams mg milligram milligrams km kilometre kilometres kilometer kilometers m
metre metres meter meters cm mm l litre litres liter liters ml percent degree degrees celsius fahrenheit w watt watts
euro euros eur dollar dollars usd pound pounds gbp pm am hundred thousand million billion
"""
_CALLING = """
mr mrs ms miss dr prof sir madam president ceo i im id ill ive ok pm am
"""
DENIALS = frozenset(_DENYING.split())
"""Words that deny what follows."""

COUNTED = frozenset(_COUNTING.split()) | frozenset(SPELLED)
"""Units and spelled numbers: numbers are compared by themselves, however they are written."""

TITLES = frozenset(_CALLING.split())
"""Capitalised words that name nobody."""

STOP = frozenset(_EMPTY.split()) | DENIALS
"""Words without content."""

_ENDINGS = (("ies", "y"), ("ing", ""), ("edly", ""), ("ed", ""), ("es", ""), ("ly", ""), ("s", ""), ("e", ""))
_SHORTEST_STEM = 3


def folded(word: str) -> str:
    """Return a word in lower case, without accents, apostrophes and a possessive `s`."""
    word = word.replace("’", "'").lower().removesuffix("'s").replace("'", "")
    if word.isascii():
        return word or "'"
    return "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter)) or word


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return a word without its commonest English ending: enough to match a word with its own inflections."""
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            bare = word[: -len(ending)] + instead
            return bare[:-1] if len(bare) > _SHORTEST_STEM and bare[-1] == bare[-2] else bare
    return word
