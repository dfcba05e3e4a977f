"""Characters that look like Latin letters, and the letters they are read as.

After the idea of Unicode TR39 (confusable skeletons); the table is our own and smaller: it goes to lower case at once, and holds
what people use to disguise words and what NFKC leaves alone.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache


@lru_cache(maxsize=8192)
def fold(char: str) -> str:
    """Return what one canonical character is read as: look-alikes as Latin, no diacritics, no case.

    The result is empty for a diacritic, one character for most others, more for ligatures.
    """
    return "".join([_LOOK_ALIKES.get(base) or base.casefold() for base in _without_diacritics(char)])


def _without_diacritics(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join([char for char in decomposed if not _is_diacritic(char)]))


def _is_diacritic(char: str) -> bool:
    """Return whether `char` is an accent, an overlay, a Hebrew or Arabic point; Indic vowels and dakuten are no diacritics."""
    position = unicodedata.combining(char)
    return position == 1 or 10 <= position <= 35 or position >= 200


_ALIKE = {
    "a": "аΑαАɑᴀɐ∂ⱥꭺᎪᗅ🅐🅰",
    "b": "ВΒβЬьƀɓʙᏴᗷ฿🅑🅱",
    "c": "сСᴄɔƈȼᏟᑕ🅒🅲",
    "d": "ԁɗđᴅɖᎠᗪꓒ🅓🅳",
    "e": "еЕΕεєЄɛᴇǝɘəҽᎬꓰ🅔🅴",
    "f": "ƒꜰϜꓝᖴ🅕🅵",
    "g": "ɡɢǥցɠԍᏀᎶ🅖🅶",
    "h": "һНΗнհʜħɦᎻᕼ🅗🅷",
    "i": "іІΙιıɪɩɨᎥ🅘🅸",
    "j": "јЈϳȷᴊɉᎫᒍ🅙🅹",
    "k": "кКΚκᴋƙқᏦ🅚🅺",
    "l": "ӀӏłʟɭƚᏞᒪ🅛🅻",
    "m": "мМΜᴍɱᎷᗰ🅜🅼",
    "n": "Νոռɴɲɳηᑎ🅝🅽",
    "o": "оОΟοσօᴏøɵዐ০੦૦ഠ๐໐🅞🅾",
    "p": "рРΡρᴘƥϼþᏢᑭ🅟🅿",
    "q": "ԛզɋգ🅠🆀",
    "r": "гʀɹɾɼᏒᖇ🅡🆁",
    "s": "ѕЅꜱʂƨᏚՏ🅢🆂",
    "t": "тТΤτᴛŧƭʇᎢ🅣🆃",
    "u": "υսᴜʋμʊՍᑌ🅤🆄",
    "v": "ѵνᴠʌѴᏙᐯ🅥🆅",
    "w": "ԝωшщᴡɯʍᎳ🅦🆆",
    "x": "хХΧχ×ᕁ🅧🆇",
    "y": "уУΥүҮγʏƴɏʎᎩ🅨🆈",
    "z": "ΖᴢƶʐʑᏃ🅩🆉",
    "ae": "æÆ",
    "oe": "œŒɶ",
    "'": "’‘‛′ʼʹˈ",
    '"': "“”„‟«»",
    "-": "‐‒–—―−⁃",
    ".": "·•∙⋅‧・",
    "*": "∗⁎✱٭",
    "/": "⁄∕",
    "!": "ǃ",
    "|": "ǀ∣│",
}

_LOOK_ALIKES = {alike: letter for letter, alikes in _ALIKE.items() for alike in alikes}
_LOOK_ALIKES = {alike.lower(): letter for alike, letter in _LOOK_ALIKES.items()} | _LOOK_ALIKES
