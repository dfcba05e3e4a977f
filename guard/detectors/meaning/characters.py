"""What BERT's normalisation makes of each character: cleaned, without accents, in lower case, apart where it is a word.

The tables are those of the Rust crate `unicode_categories`, which know Unicode 8: what was added to Unicode since is a letter to
them. The pieces of the vocabulary were learnt that way, so this follows.
"""

from __future__ import annotations

import unicodedata

_YOUNGER = """
61D 7FD 890-891 898-89F 8CA-8E2 9FD-9FE A76 AFA-AFF B55 C04 C3C C77 C84 D00 D3B-D3C D81 EBA 180F 1885-1886 1ABF-1ACE 1B7D-1B7E
1DF6-1DFB 2E43-2E4F 2E52-2E5D A82C A8C5 A8FF A9BD 10D24-10D27 10EAB-10EAD 10F46-10F50 10F55-10F59 10F82-10F89 11070 11073-11074
110C2 110CD 111C9 111CF 1123E 1133B 11438-1143F 11442-11444 11446 1144B-1144F 1145A-1145B 1145D-1145E 11660-1166C 116B9
1182F-11837 11839-1183B 1193B-1193C 1193E 11943-11946 119D4-119D7 119DA-119DB 119E0 119E2 11A01-11A0A 11A33-11A38 11A3B-11A47
11A51-11A56 11A59-11A5B 11A8A-11A96 11A98-11A9C 11A9E-11AA2 11C30-11C36 11C38-11C3D 11C3F 11C41-11C45 11C70-11C71 11C92-11CA7
11CAA-11CB0 11CB2-11CB3 11CB5-11CB6 11D31-11D36 11D3A 11D3C-11D3D 11D3F-11D45 11D47 11D90-11D91 11D95 11D97 11EF3-11EF4
11EF7-11EF8 11FFF 12FF1-12FF2 13430-13438 16E97-16E9A 16F4F 16FE2 16FE4 1CF00-1CF2D 1CF30-1CF46 1E000-1E006 1E008-1E018
1E01B-1E021 1E023-1E024 1E026-1E02A 1E130-1E136 1E2AE 1E2EC-1E2EF 1E944-1E94A 1E95E-1E95F
"""
"""Marks, signs and format characters that Unicode got between versions 8 and 14."""
_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
"""As `tokenizers` has them (BERT's own list has 2B820 where this has 2B920)."""
_OTHER_THEN = {"\u166d": "Po", "\u1734": "Mn", "\U000111c9": "Po"}
_REPLACEMENT = "\ufffd"
_PLAIN_SPACE = "\t\n\r"
_REMEMBERED = 50_000


class Characters(dict[int, str]):
    """A table for `str.translate`: what stands for each character; a blank on both sides of a sign makes it a word."""

    def __missing__(self, point: int) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        found = self[point] = _normalised(chr(point))
        return found


def _normalised(character: str) -> str:
    if character in _PLAIN_SPACE:
        return " "
    if character in ("\0", _REPLACEMENT) or _category(character) in ("Cc", "Cf", "Cs", "Co"):
        return ""
    if character.isspace():
        return " "
    letters = [letter for letter in unicodedata.normalize("NFD", character) if _is_kept(letter)]
    spelled = "".join([_apart(lower) for letter in letters for lower in letter.lower()])
    return f" {spelled} " if _is_chinese(ord(character)) else spelled


def _is_kept(letter: str) -> bool:
    return _category(letter) != "Mn"


def _apart(letter: str) -> str:
    """Return a sign between blanks, and any other letter as it is."""
    signs = letter.isascii() and letter.isprintable() and not letter.isalnum() and letter != " "
    return f" {letter} " if signs or _category(letter)[0] == "P" else letter


def _category(letter: str) -> str:
    if letter in _OTHER_THEN:
        return _OTHER_THEN[letter]
    return "Lo" if ord(letter) in _YOUNG else unicodedata.category(letter)


def _is_chinese(point: int) -> bool:
    return point > 0x3000 and any(low <= point <= high for low, high in _CHINESE)


def _parsed(ranges: str) -> frozenset[int]:
    pairs = (entry.partition("-") for entry in ranges.split())
    return frozenset(point for low, _, high in pairs for point in range(int(low, 16), int(high or low, 16) + 1))


_YOUNG = _parsed(_YOUNGER)
