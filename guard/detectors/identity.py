"""Dates of birth, passports and driver licences: found only beside the words that say what they are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from guard.detectors.matching import Pattern
from guard.detectors.validators import is_birthday, is_date

_VIEWS = ("raw", "canonical")

_MONTHS = (
    # English, German, French, Spanish, Italian and Portuguese; one row a month.
    "january|jan|januar|jänner|janvier|enero|gennaio|janeiro",
    "february|feb|februar|février|fevrier|febrero|febbraio|fevereiro",
    "march|mar|märz|mars|marzo|março",
    "april|apr|avril|abril|aprile",
    "may|mai|mayo|maggio|maio",
    "june|jun|juni|juin|junio|giugno|junho",
    "july|jul|juli|juillet|julio|luglio|julho",
    "august|aug|août|aout|agosto",
    "september|sept|sep|septembre|septiembre|settembre|setembro",
    "october|oct|oktober|okt|octobre|octubre|ottobre|outubro",
    "november|nov|novembre|noviembre|novembro",
    "december|dec|dezember|dez|décembre|diciembre|dicembre|dezembro",
)
_MONTH_NUMBERS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split("|")}
_MONTH = "(?:" + "|".join(_MONTHS) + r")\.?"
_DAY = r"\d{1,2}(?:st|nd|rd|th|\.|er|º)?"
_OF = r"(?: (?:of|de|den))?"

_DATE = (
    r"\d{1,2}[/.-] ?\d{1,2}[/.-] ?(?:\d{4}|\d{2})"
    r"|\d{4}[/.-]\d{1,2}[/.-]\d{1,2}"
    r"|\d{4} ?[年년] ?\d{1,2} ?[月월] ?\d{1,2} ?[日일]"
    rf"|(?:the )?{_DAY}{_OF}[ -]{_MONTH},?{_OF}[ -]\d{{4}}"
    rf"|{_MONTH}[ -](?:the )?{_DAY},?[ -]\d{{4}}"
)
_AFTER_DATE = r"(?:[/.-]?\d{1,8})?"

_BIRTH = (
    r"\b(?:dates? of birth|birth ?-?dates?|d\.?o\.?b\b\.?|birthday|birth_?date|date_of_birth|dateofbirth|geburtsdatum|geburtstag|"
    r"geb\.|date de naissance|fecha de nacimiento|data di nascita|data de nascimento|geboortedatum|fødselsdato|födelsedatum|"
    r"data urodzenia)|дат[аы] рождения|出生日期|出生年月日|生年月日|생년월일|जन्म ?तिथि"
)
_BORN = r"born|geboren|n[ée]e? le|nacid[oa](?: el)?|nat[oa] il|nascid[oa](?: em)?|urodzon[ya]"
_GAP = r"[^\d\n]{0,16}"

_SAID = (
    r"(?:[^\w\n]{0,4}\b(?:number|numbers|no|nr|num|id|book|card|is|was|are|the|my|his|her|with|of|and|it|numéro|número|numero|"
    r"nummer|lautet|est|es|de|do|del|n)\b)*[^\w\n]{0,5}"
)
_PASSPORT = (
    r"\b(?:passports?|passeport|pasaporte|passaporto|passaporte|reisepass|reisepassnummer|paspoort|"
    r"pass_?port_?(?:number|no))\b"
)
_LICENCE = (
    r"\b(?:driver'?s?'?|driver’s|drivers|driving|dmv) ?licen[cs]es?\b|\bdrivers?_?licen[cs]e_?(?:number|no)?\b|"
    r"\bd\.?l\.? ?(?:number|num|no\b\.?|#)|\bpermis de conduire\b|\bführerschein(?:nummer)?\b|"
    r"\b(?:carnet|permiso|licencia) de conduc(?:ir|ción)\b|\bpatente di guida\b|\bcarteira de motorista\b|\brijbewijs\b"
)
_NUMBER = r"[A-Z0-9](?:[ -]?[A-Z0-9]){4,19}"


def _birthday(text: str) -> Sequence[tuple[int, int]]:
    """Accept a date on which someone who lives can be born."""
    lowered = text.lower()
    named = next((_MONTH_NUMBERS[word] for word in re.findall(r"[^\W\d_]+", lowered) if word in _MONTH_NUMBERS), 0)
    numbers = [int(digits) for digits in re.findall(r"\d+", text)]
    if named:
        fits = len(numbers) == 2 and numbers[1] > 99 and is_birthday(numbers[1], named, numbers[0])
    else:
        fits = len(numbers) == 3 and _numeric_birthday(*numbers)
    return ((0, len(text)),) if fits else ()


def _numeric_birthday(first: int, second: int, third: int) -> bool:
    return is_birthday(first, second, third) if first > 31 else is_birthday(third, first, second)


def _day_of_birth(text: str) -> Sequence[tuple[int, int]]:
    """Accept a month's name with one of its days."""
    month = next(_MONTH_NUMBERS[word] for word in re.findall(r"[^\W\d_]+", text.lower()) if word in _MONTH_NUMBERS)
    day = next(re.finditer(r"\d+", text))
    return ((0, len(text)),) if is_date(2000, month, int(day[0])) else ()


def _document(text: str, least: int, most: int, digits: int) -> Sequence[tuple[int, int]]:
    """Accept the longest beginning, in whole groups, of capitals and digits with at least `digits` digits, and no word."""
    for end in sorted((group.end() for group in re.finditer(r"[A-Za-z0-9]+", text)), reverse=True):
        number = re.sub(r"[ -]", "", text[:end])
        count = sum(map(str.isdigit, number))
        lone = re.findall(r"(?i)(?<!\d)[a-z]+(?!\d)", text[:end])
        words = any(len(word) > 5 or (len(word) > 2 and word.islower()) for word in lone)
        if least <= len(number) <= most and count >= digits and not words:
            return ((0, end),)
    return ()


def _passport(text: str) -> Sequence[tuple[int, int]]:
    """Accept six to ten letters and digits, as ICAO 9303 and older books have them."""
    return _document(text, 6, 10, 4)


def _licence(text: str) -> Sequence[tuple[int, int]]:
    """Accept five to nineteen letters and digits: American states 6 to 14, Germany 11, Britain 16, India 15."""
    return _document(text, 6, 18, 4)


PATTERNS = (
    Pattern(rf"(?i)(?:{_BIRTH}){_GAP}((?:{_DATE}){_AFTER_DATE})", "pii/date-of-birth", 0.9, 1, _VIEWS, _birthday),
    Pattern(
        rf"(?i)(?:^|[^\w\s(;]|[^\s(;]\s)(?:{_BORN})\b{_GAP}((?:{_DATE}){_AFTER_DATE})",
        "pii/date-of-birth",
        0.6,
        1,
        _VIEWS,
        _birthday,
    ),
    Pattern(rf"(?i)[(;]\**\s?(?:{_BORN})\b{_GAP}((?:{_DATE}){_AFTER_DATE})", "pii/date-of-birth", 0.4, 1, _VIEWS, _birthday),
    Pattern(
        rf"(?i)\b(?:my|his|her|their|your|our)\b[^\d\n.]{{0,24}}\bbirthday(?: is|'s|:| on| was| falls on){{1,2}} "
        rf"((?:the )?{_DAY}{_OF} {_MONTH}|{_MONTH} {_DAY})",
        "pii/date-of-birth",
        0.55,
        1,
        _VIEWS,
        _day_of_birth,
    ),
    Pattern(
        rf"(?i)(?:{_PASSPORT}|паспорт[а-я]{{0,2}}|护照号?码?|旅券番号|パスポート番号|여권 ?번호){_SAID}({_NUMBER})",
        "pii/passport",
        0.8,
        1,
        _VIEWS,
        _passport,
    ),
    Pattern(r"\b(P[A-Z<][A-Z]{3}[A-Z]{1,38}<[A-Z<]{1,38})", "pii/passport", 0.9, 1, _VIEWS),
    Pattern(r"\b([A-Z0-9<]{9}\d[A-Z]{3}\d{7}[MFX<]\d{7}[A-Z0-9<]{14}\d\d)\b", "pii/passport", 0.9, 1, _VIEWS),
    Pattern(
        rf"(?i)(?:{_LICENCE}|водительск[а-я]{{2,4}} удостоверени[а-я]|驾驶证号?码?|運転免許証番号){_SAID}({_NUMBER})",
        "pii/driver-licence",
        0.8,
        1,
        _VIEWS,
        _licence,
    ),
    Pattern(r"\b([A-Z]{5}\d[0156]\d[0-3]\d[0-9][A-Z9]{2}\d[A-Z]{2})\b", "pii/driver-licence", 0.7, 1, _VIEWS),
)
"""The patterns of dates of birth, passports and driver licences."""
