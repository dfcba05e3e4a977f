"""Rot13 that reads as words, found by the words it would be.

A run begins at a word that is none of the common English words while its rot13 is one, goes on over words, and ends before a
common English word or at anything but the spaces and commas between words. It is rot13 if at least `WORDS` words long and most
of them are common after rot13. Plain English never gets so far: what begins a run is a word that no English text has.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from guard.text.runs import LIMIT, Run

WORDS = 3
"""How many words a run must have."""

SHARE = 0.6
"""Which share of them must be common English words after rot13."""

_COMMON_WORDS = """
a about above access account act add address advice after again against all allow already also always am an and another answer
any anyone anything are around as ask assistant at attack away back bad bank based be because become been before begin being
below best better between big bomb book both bring build but buy by bypass call came can card change child code come command
complete computer could create credit data day delete developer did different directions disable do does doing don done drug
during each email end enough even ever every everything example explain far few file find first follow following for forget
friend from full get girl give go going good got great gun guide guidelines had hack hand happen hard has hate have he hello
help her here him his hit hold home house how human i idea if ignore important in information instead instruction instructions
into is it its job just keep key kill kind know language large last later learn leave let life like limits line list little
live ll long look love made mail make making man many may me mean message might mode money more most move much murder must my
name need never new next night no not nothing now number of off old on once one only open or order other our out output over
own part password passwords people person phone place plan please point policy poison police possible previous print private
problem prompt provide public put question read real really reason remember repeat reply respond response restrictions reveal
right rule rules run safe safety said same say school secret secrets see seem send set shall she should show since small so
some someone something speak start state steal step steps still stop story such system take talk tell text than thank that the
their them then there these they thing things think this those though three through time to today together token told too try
turn two under until up upon us use user using very virus want was watch water way we weapon well went were what when where
whether which while who whole why will with within without woman word words work world would write wrong year yes yet you
young your
"""
_COMMON = frozenset(_COMMON_WORDS.split())

_ALSO_WORDS = "bar bcra fur gel guna gung gurl jul jung lrg ner nyy ohl rire sne tha trg ure wbo"
"""Words, names and abbreviations of ordinary texts that happen to be rot13 of a common word."""


def rot13(text: str) -> str:
    """Return `text` with its Latin letters turned by half the alphabet."""
    return codecs.encode(text, "rot13")


OPENERS = frozenset(rot13(word) for word in _COMMON if len(word) > 2) - _COMMON - frozenset(_ALSO_WORDS.split())
"""Lower-case words at which a run begins. Those of two letters are too often abbreviations (GB, vs, NA)."""


def runs(text: str) -> Iterator[Run]:
    """Yield every run in order, those too that do not read as words: while they may go on they hold."""
    position = 0
    for opener in _WORD.finditer(text):
        if opener.start() >= position and opener.group().lower() in OPENERS:
            run = _run(text, opener)
            position = run.end
            yield run


_WORD = re.compile(r"(?<!\w)[A-Za-z]++(?!\w)")
_NEXT = re.compile(r"[ \t,;:'\"()\-’]{1,3}+([A-Za-z]++)")
_BETWEEN = re.compile(r"[ \t,;:'\"()\-’]{0,3}+")


def _run(text: str, opener: re.Match[str]) -> Run:
    start, end = opener.span()
    words = [opener.group()]
    while following := _NEXT.match(text, end):
        word = following.group(1)
        exceeds = following.end() - start > LIMIT
        if exceeds or _ends_run(word.lower()):
            return Run(start, end, following.end() + 1, _reading(text[start:end], words), exceeds)
        words.append(word)
        end = following.end()
    between = _BETWEEN.match(text, end)
    return Run(start, end, (between.end() if between else end) + 1, _reading(text[start:end], words))


def _ends_run(word: str) -> bool:
    """Return whether `word` is English and not also rot13 of an English word, as "or" is of "be"."""
    return word in _COMMON and rot13(word) not in _COMMON


def _reading(encoded: str, words: list[str]) -> str | None:
    common = sum(rot13(word.lower()) in _COMMON for word in words)
    return rot13(encoded) if len(words) >= WORDS and common >= SHARE * len(words) else None
