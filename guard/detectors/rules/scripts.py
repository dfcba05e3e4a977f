"""Which script a letter belongs to, and which languages are written in it: where one is enough to tell, no model is asked.

The ranges are those of Unicode's blocks; the languages are those that py3langid knows, with their ISO 639 codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

LATIN, HAN, KANA = "Latin", "Han", "Kana"

LANGUAGES: Mapping[str, frozenset[str]] = {
    script: frozenset(codes.split())
    for script, codes in {
        LATIN: "ace af an az bcl br bs ca crh cs cy da de en eo es et eu ext fi fo fr fuv fy ga gcf gcr gd gl gug guw ha hr ht "
        "hu id ig is it jv kab kik ku la lb lg lij ln lt ltg lv mg ms mt nl no nso oc om pl pt qu ro rw se sk sl sn so "
        "sq sr st sv sw tk tl tr uz vec vi vo wa xh yo zu",
        "Cyrillic": "ba be bg kk ky mk mn ru sr tg tt uk uz az crh",
        "Greek": "el grc",
        "Armenian": "hy",
        "Hebrew": "he hbo yi",
        "Arabic": "ar fa ku ps ug ur az kk",
        "Devanagari": "gom hi mr ne sa",
        "Bengali": "as bn",
        "Gurmukhi": "pa",
        "Gujarati": "gu",
        "Oriya": "or",
        "Tamil": "ta",
        "Telugu": "te",
        "Kannada": "kn",
        "Malayalam": "ml",
        "Sinhala": "si",
        "Thai": "th",
        "Lao": "lo",
        "Tibetan": "bo dz",
        "Myanmar": "my",
        "Georgian": "ka",
        "Hangul": "ko",
        "Ethiopic": "am",
        "Khmer": "km",
        KANA: "ja",
        HAN: "zh ja",
    }.items()
}
"""The languages that are written in a script."""

SAME: Mapping[str, str] = {
    **{"nb": "no", "nn": "no", "pcm": "en", "arz": "ar", "ary": "ar", "yue": "zh", "wuu": "zh", "uzs": "uz", "sdh": "ku"},
    **{"hr": "sr", "bs": "sr", "sh": "sr", "ms": "id", "fil": "tl", "iw": "he", "gcr": "ht", "gcf": "ht"},
}
"""Languages that a few sentences cannot tell apart, or that are forms of one."""

_RANGES = {
    LATIN: "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Cyrillic": "\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f",
    "Armenian": "\u0530-\u058f",
    "Hebrew": "\u0590-\u05ff\ufb1d-\ufb4f",
    "Arabic": "\u0620-\u065f\u066e-\u06d5\u06e5-\u06ef\u06fa-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
    "Devanagari": "\u0900-\u0963\u0971-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Gurmukhi": "\u0a00-\u0a7f",
    "Gujarati": "\u0a80-\u0aff",
    "Oriya": "\u0b00-\u0b7f",
    "Tamil": "\u0b80-\u0bff",
    "Telugu": "\u0c00-\u0c7f",
    "Kannada": "\u0c80-\u0cff",
    "Malayalam": "\u0d00-\u0d7f",
    "Sinhala": "\u0d80-\u0dff",
    "Thai": "\u0e00-\u0e4f",
    "Lao": "\u0e80-\u0ecf",
    "Tibetan": "\u0f40-\u0fbf",
    "Myanmar": "\u1000-\u103f\u1050-\u109f",
    "Georgian": "\u10a0-\u10ff\u1c90-\u1cbf",
    "Hangul": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "Ethiopic": "\u1200-\u137f",
    "Khmer": "\u1780-\u17dd",
    KANA: "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d",
    HAN: "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
}
_RUN = re.compile("|".join(f"(?P<{script}>[{ranges}]+)" for script, ranges in _RANGES.items()))


class Stretch(NamedTuple):
    """A part of a text whose letters are of one script.

    Attributes:
        letters: How many there are; what stands between them counts for nothing.
    """

    script: str
    start: int
    end: int
    letters: int


def stretches(text: str) -> Iterator[Stretch]:
    """Yield the stretches of `text` in order. Kana and the Han signs around it are one, of the script `Kana`."""
    current: Stretch | None = None
    for run in _RUN.finditer(text):
        script, (start, end) = str(run.lastgroup), run.span()
        joined = _joined(current.script, script) if current else None
        if current and joined:
            current = Stretch(joined, current.start, end, current.letters + end - start)
            continue
        if current:
            yield current
        current = Stretch(script, start, end, end - start)
    if current:
        yield current


def _joined(before: str, after: str) -> str | None:
    if before == after:
        return before
    return KANA if {before, after} == {KANA, HAN} else None
