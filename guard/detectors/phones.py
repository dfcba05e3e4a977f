"""Telephone numbers: written internationally, in the forms of countries, or beside a word that announces one.

A bare run of digits is a number only beside such a word; dates, ranges of years, prices and dotted versions never are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from guard.detectors.matching import Pattern
from guard.detectors.validators import is_date

_CATEGORY = "pii/phone"
_VIEWS = ("raw", "canonical")

_CALLING_CODES = frozenset(
    # ITU-T E.164, list of assigned country codes.
    re.findall(
        r"\d+",
        "1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 "
        "86 90 91 92 93 94 95 98 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 "
        "237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264 265 "
        "266 267 268 269 290 291 297 298 299 350 351 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377 378 "
        "379 380 381 382 383 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507 508 509 590 591 592 593 594 595 "
        "596 597 598 599 670 672 673 674 675 676 677 678 679 680 681 682 683 685 686 687 688 689 690 691 692 800 808 850 "
        "852 853 855 856 870 878 880 881 882 883 886 888 960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 "
        "977 979 992 993 994 995 996 998 ",
    )
)
_LEAST, _MOST = 6, 15

_EXTENSION = r" ?(?:x|ext\.?|extension|#) ?\d{1,6}\b"
_TAIL = rf"(?:{_EXTENSION}|[./-]?\d[\d./-]{{0,20}}|,\d{{1,3}}\b|:\d\d\b)?"
"""An extension, or what would make the digits before it part of something longer, for which the match is refused."""

_DIGITS = r"\(?\d(?:[ .()/-]{0,2}\d){5,14}"
_EXTENDED = re.compile(r"(?i) ?(?:ext|x|#)")
_SOCIAL_SECURITY = re.compile(r"\d{3}-\d\d-\d{4}")
_NOTHING_BEFORE = r"(?:^|[^\w.,+$€£%/=-]|[^\d][,/=])"
_NO_GROUP_BEFORE = r"(?:^|[^\w \t.,+$€£%/=-]|[^\d][ \t,/=])"
"""Keeps a group within a longer number, such as an IBAN's, from being taken for a number's first."""

_LINK = (
    r"number|numbers|num|no|nr|line|is|was|are|at|on|to|via|using|through|me|us|him|her|them|it|you|my|his|our|your|their|"
    r"the|new|old|home|work|office|cell|mobile|personal|direct|private|back|or|and|today|anytime|please|now|contact|"
    r"phone|telephone|tel|fax|whatsapp|ist|lautet|unter|est|au|es|al|número|numero|nummer"
)
_LINKS = rf"(?:[^\w+(]{{0,4}}\b(?:{_LINK})\b)*[^\w+(]{{0,4}}"
_STRONG = (
    r"phones?|ph|telephones?|tel|telefon|telefonnummer|telefono|teléfono|téléphone|telefone|fax|mobile|mobil|móvil|handy|"
    r"handynummer|portable|cell|cellphone|celular|whatsapp|landline|hotline|rufnummer|phone_number|phonenumber"
)
_WEAK = (
    r"call|calls|calling|called|dial|ring|text|sms|reach|reached|answering|contact|callback|telegram|viber|signal|"
    r"(?:my|his|her|our|your|their|emergency) number"
)
_OTHER_SCRIPTS = (
    r"телефон[а-я]{0,2}|тел\.|τηλέφωνο|هاتف|फ़ोन|फोन|電話番号|電話|电话|手机号码?|手機|携帯|联系方式|전화번호|전화|휴대폰"
)


def _international(text: str) -> Sequence[tuple[int, int]]:
    """Accept what has an assigned country code and as many digits as E.164 allows, cut at the end of the number."""
    digits = _digits(text[:8])
    code = next((digits[:length] for length in (1, 2, 3) if digits[:length] in _CALLING_CODES), "")
    if not code:
        return ()
    dialled = _without_extension(text)
    number = _head(dialled, 11 if code == "1" else _MOST)
    count = len(_digits(number))
    fits = count == 11 if code == "1" else count >= 8
    return ((0, len(text if number == dialled else number)),) if fits else ()


def _double_zero(text: str) -> Sequence[tuple[int, int]]:
    """Accept an international number that is dialled with `00`."""
    return ((0, len(text)),) if _international(text[2:].lstrip(" .-")) else ()


def _american(text: str) -> Sequence[tuple[int, int]]:
    """Accept a number of the North American plan: neither area nor exchange begins with 0 or 1."""
    number = _without_extension(text)
    digits = _digits(number).removeprefix("1")
    return ((0, len(text)),) if _exact(text) and len(digits) == 10 and digits[0] > "1" and digits[3] > "1" else ()


def _american_shape(text: str) -> Sequence[tuple[int, int]]:
    """Accept what is only written like one, where it is not a valid one."""
    ten = len(_digits(_without_extension(text)).removeprefix("1")) in (9, 10)
    return ((0, len(text)),) if _exact(text) and ten and not _american(text) else ()


def _national(text: str) -> Sequence[tuple[int, int]]:
    """Accept a number with its trunk zero or its area in parentheses, grouped with one separator."""
    number = _exact(text) and _head(text, 12)
    if not number or _SOCIAL_SECURITY.fullmatch(number):
        return ()
    first, *others = re.findall(r"\d+", number)
    separators = set(re.findall(r"(?<=\d)[ ./-]+(?=\d)", number.partition(")")[2] or number[len(first) + 1 :]))
    year = number.startswith("(") and re.fullmatch(r"(?:19|20)\d\d", first)
    few = ("." in separators or "/" in separators) and len(others) < 2
    fits = len(separators) <= 1 and not year and not few and others and max(map(len, others)) <= 8
    least = 8 if number.startswith("(") else 9
    return ((0, len(number)),) if fits and least <= len(_digits(number)) <= 12 else ()


def _announced(text: str) -> Sequence[tuple[int, int]]:
    """Accept any digits that a number can have and that are not a date, years or thousands."""
    return ((0, len(text)),) if _exact(text) and _plausible(text) else ()


def _weakly_announced(text: str) -> Sequence[tuple[int, int]]:
    """Accept the same if it is grouped, or as long as a number with its area."""
    grouped = bool(re.search(r"\d[ .()/-]+\d", text))
    return _announced(text) if grouped or 9 <= len(_digits(text)) <= 13 else ()


def _labelled(text: str) -> Sequence[tuple[int, int]]:
    """Accept the same before a word such as `fax`, without reading "250 000 mobile users" so."""
    number = text.rstrip("- ")
    thousands = re.fullmatch(r"[1-9]\d{0,2}(?: \d{3})+", number) and number.endswith("00")
    return () if thousands else _weakly_announced(number)


def _plausible(text: str) -> bool:
    number = _without_extension(text)
    digits = _digits(number)
    groups = re.findall(r"\d+", number)
    if not _LEAST <= len(digits) <= _MOST or len(set(digits)) == 1:
        return False
    years = len(groups) > 1 and all(len(group) == 4 and group[:2] in {"19", "20"} for group in groups)
    dotted = "." in number and len(groups) == 4 and all(int(group) < 256 for group in groups) and not number.startswith("0")
    return not (years or dotted or _dated(groups) or _SOCIAL_SECURITY.fullmatch(number))


def _dated(groups: Sequence[str]) -> bool:
    """Return whether the groups begin like a date, such as 2024-01-31 or 31/01/2024."""
    if len(groups) < 3 or {len(groups[0]), len(groups[2])} & {3}:
        return False
    first, second, third = (int(group) for group in groups[:3])
    if len(groups[0]) == 4:
        return 1900 <= first <= 2100 and is_date(first, second, third)
    return len(groups[2]) == 4 and 1900 <= third <= 2100 and (is_date(third, second, first) or is_date(third, first, second))


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _without_extension(text: str) -> str:
    return _EXTENDED.split(text)[0]


def _exact(text: str) -> bool:
    """Return whether the digits are no part of something longer: a time, or an amount with its cents."""
    return not re.search(r"[,:]|(?<!\.\d\d)\.\d{1,2}$", text)


def _head(text: str, most: int) -> str:
    """Return the longest beginning of `text`, in whole groups of digits, that has at most `most` digits; may be empty."""
    end = 0
    for group in re.finditer(r"\d+", text):
        if len(_digits(text[: group.end()])) > most:
            break
        end = group.end()
    return text[:end]


PATTERNS = (
    Pattern(
        rf"(?:^|[^\w+.)])(\+\d{{1,3}}[ .-]?(?:\(0?\d{{0,4}}\)[ .-]?)?\d(?:[ ./-]?\d){{5,14}}(?:{_EXTENSION})?)",
        _CATEGORY,
        0.9,
        1,
        _VIEWS,
        _international,
    ),
    Pattern(
        rf"{_NO_GROUP_BEFORE}(00[1-9]\d{{0,2}}[ .-](?:\(0?\d{{0,4}}\)[ .-]?)?\d(?:[ .-]?\d){{5,12}}(?:{_EXTENSION})?)",
        _CATEGORY,
        0.75,
        1,
        _VIEWS,
        _double_zero,
    ),
    *(
        Pattern(
            rf"{_NOTHING_BEFORE}((?:1[ .-])?(?:\(\d{{3}}\) ?|\d{{3}}{gap})\d{{3}}{gap}\d{{4}}{_TAIL})",
            _CATEGORY,
            score,
            1,
            _VIEWS,
            accept,
        )
        for gap, score, accept in ((r"[-. ]", 0.8, _american), ("-", 0.6, _american_shape))
    ),
    Pattern(rf"{_NO_GROUP_BEFORE}(0[1-9]\d{{0,4}}(?:[ ./-]\d{{2,8}}){{1,5}}{_TAIL})", _CATEGORY, 0.65, 1, _VIEWS, _national),
    Pattern(
        rf"(?:^|[^\w.,$€£%/=)-] ?)(\(0?[1-9]\d{{0,3}}\)[ -]?\d{{2,5}}(?:[ -]\d{{2,5}}){{1,3}}{_TAIL})",
        _CATEGORY,
        0.6,
        1,
        _VIEWS,
        _national,
    ),
    Pattern(rf"(?i)(?:\b(?:{_STRONG})\b|{_OTHER_SCRIPTS}){_LINKS}({_DIGITS}{_TAIL})", _CATEGORY, 0.85, 1, _VIEWS, _announced),
    Pattern(rf"(?i)\b(?:{_WEAK})\b{_LINKS}({_DIGITS}{_TAIL})", _CATEGORY, 0.65, 1, _VIEWS, _weakly_announced),
    Pattern(
        rf"(?i){_NOTHING_BEFORE}({_DIGITS}[ -]{{0,2}})[(\[]?(?:office|fax|mobile|cell|tel)\b",
        _CATEGORY,
        0.6,
        1,
        _VIEWS,
        _labelled,
    ),
)
"""The patterns of numbers, from the surest form to the weakest."""
