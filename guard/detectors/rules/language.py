"""The detector `language`: stretches in a language that a policy does not allow.

Where the script tells the language, it decides; else py3langid (BSD-3-Clause) is asked for each sentence. What has too few
letters, and what is no sentence (code, addresses, lists of names), is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from guard.detectors.rules.scripts import HAN, KANA, LANGUAGES, LATIN, SAME, Stretch, stretches
from guard.detectors.running import Threaded
from guard.errors import DetectorError, MissingExtra
from guard.policy.kinds import Mistake
from guard.text import read
from guard.values import Finding, Item, Needs, Runs, Span, WindowReach

VERSION = "language-1"
CATEGORY = "language"
KNOWN = frozenset().union(*LANGUAGES.values(), SAME)
"""The codes that `allowed` may name."""

_LEAST = 20
_PRIOR = 0.1
"""How likely a sentence is to be in another language, before one looks: it makes short sentences prove more."""

_SURE = 0.99
_CERTAIN = 0.3
"""What the likeliest language has at least; where none has, the text is in none that is known."""

_UNWRITTEN = "zxx"
_FEWER = {HAN: 4, KANA: 3, "Hangul": 3}
"""A sign of these scripts is worth several letters."""

SKIPPED = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]{1,200}`|\b(?:https?|ftp)://\S+|\bwww\.\S+|\S+@\S+\.\S+|[@#][\w-]+|</?[a-zA-Z][^<>]{0,200}>|"
    r"(?<!\S)[~.]{0,2}/?(?:[\w.-]+/){2,}[\w.-]*|\b\w*[_\d]\w*\b|\b\w+\(\S*\)",
    re.DOTALL,
)
"""What is written in no language: code, addresses, markup, paths."""
_SENTENCE = re.compile(r"[^\n.!?…。！？]+(?:[.!?…。！？]+(?!\s|\Z)[^\n.!?…。！？]*)*(?:[.!?…。！？]+[\"'”’)\]]*)?")
_ENDING = re.compile(r"[.!?…。！？]*[\"'”’)\]]*")
_CODE_SIGNS = re.compile(r"[{}\[\]()<>=;|&$\\^%*+_/#@~]")
_WORD = re.compile(r"[^\W\d_]+")
_CASED = frozenset({LATIN, "Cyrillic", "Greek", "Armenian"})
_GAP = 40
"""Characters between two stretches up to which they are reported as one."""


class Identifier(Protocol):
    """What is asked of py3langid."""

    def rank(self, instance: str) -> list[tuple[str, float]]:
        """Return the languages with their probabilities."""
        ...


class _Part(NamedTuple):
    start: int
    end: int
    letters: int
    score: float


class Language(Threaded):
    """Finds stretches in other languages than those allowed."""

    model_key = "py3langid"

    def __init__(self, name: str, allowed: Sequence[str], least: int, identifier: Identifier) -> None:
        """Take the languages, by their codes.

        Args:
            least: Letters of a script with letters that a stretch has at least.
        """
        super().__init__(name, VERSION, Needs(WindowReach(160, 600, 120), runs=Runs.THREAD), (CATEGORY,))
        self._allowed = frozenset(map(_same, allowed))
        self._least = least
        self._identifier = identifier

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return where each item is in another language; the score is how surely."""
        return [[*self._findings(item)] for item in items]

    def _findings(self, item: Item) -> Iterator[Finding]:
        [view, *_] = read(item.text, ("canonical",)).views
        for part in _merged(self._parts(_blanked(view.text))):
            ending = _ENDING.match(view.text, part.end)
            start, end = view.span(part.start, ending.end() if ending else part.end)
            if part.score > 0 and end > item.judged_from:
                span = Span(max(start, item.judged_from), end)
                yield Finding(self.name, CATEGORY, part.score, span, item.location, item.role)

    def _parts(self, text: str) -> Iterator[_Part]:
        found = [*stretches(text)]
        letters = sum(stretch.letters for stretch in found)
        for stretch in found:
            decided = self._by_script(stretch.script, stretch.letters)
            if decided is None:
                yield from self._sentences(text, stretch)
            elif self._is_long(text, stretch, letters):
                yield _Part(stretch.start, stretch.end, stretch.letters, decided)

    def _is_long(self, text: str, stretch: Stretch, letters: int) -> bool:
        """Return whether a stretch has enough letters to be more than a name; more where most of the text is in another."""
        least = max(2, self._least // _FEWER.get(stretch.script, 2))
        if 2 * stretch.letters < letters:
            least += least // 2
        return stretch.letters >= least and (
            stretch.script not in _CASED or _has_lower_words(_WORD.findall(text, stretch.start, stretch.end), 1)
        )

    def _by_script(self, script: str, letters: int) -> float | None:
        """Return the score of a stretch whose script tells enough, else None."""
        languages = frozenset(map(_same, LANGUAGES[script]))
        if languages <= self._allowed or (script == HAN and "ja" in self._allowed and letters < self._least):
            return 0.0
        if not languages & self._allowed:
            return _SURE
        return _SURE if script == HAN and "zh" not in self._allowed else 0.0 if script in (HAN, KANA) else None

    def _sentences(self, text: str, stretch: Stretch) -> Iterator[_Part]:
        """Judge each sentence that has enough letters; shorter ones that follow each other are judged together."""
        begun: int | None = None
        for sentence in _SENTENCE.finditer(text, stretch.start, stretch.end):
            start, end = sentence.span()
            alone = _letters(text, start, end) >= self._least
            if begun is not None and not alone:
                start = begun
            if alone or _letters(text, start, end) >= self._least:
                chosen = text[start:end]
                if _reads(chosen, stretch.script):
                    lead = len(chosen) - len(chosen.lstrip())
                    score = self._score(chosen, stretch.script)
                    yield _Part(start + lead, start + len(chosen.rstrip()), _letters(text, start, end), score)
                begun = None
            else:
                begun = start

    def _score(self, text: str, script: str) -> float:
        """Return the probability that `text`, in this script, is in none of the allowed languages."""
        chances: dict[str, float] = {}
        for code, chance in self._identifier.rank(" ".join(text.split())):
            if code == _UNWRITTEN or code in LANGUAGES[script] or _same(code) in LANGUAGES[script]:
                chances[_same(code)] = chances.get(_same(code), 0.0) + chance
        total = sum(chances.values())
        allowed = chances.pop(_UNWRITTEN, 0.0) + sum(chances.pop(code, 0.0) for code in self._allowed)
        if not total or max(chances.values(), default=0.0) < _CERTAIN * total:
            return 0.0
        allowed /= total
        return (1 - allowed) * _PRIOR / ((1 - allowed) * _PRIOR + allowed * (1 - _PRIOR))


def make(name: str, options: Mapping[str, Any]) -> Language:
    """Return the detector.

    Raises:
        MissingExtra: Without py3langid.
        DetectorError: Where its model cannot be read.
    """
    try:
        identifier = load_identifier()
    except ImportError as error:
        raise MissingExtra(f"the detector '{name}'", "language") from error
    except (OSError, ValueError, EOFError) as error:
        raise DetectorError(name, f"py3langid: expected its model, found {type(error).__name__}; install it again") from error
    return Language(name, options["allowed"], options.get("least", _LEAST), identifier)


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the codes that no language has."""
    allowed = options.get("allowed", ())
    if not allowed:
        return [Mistake(("allowed",), "at least one language, such as en", "none")]
    return [
        Mistake(("allowed", index), "the ISO 639 code of a language that can be told, such as en", repr(code))
        for index, code in enumerate(allowed)
        if _base(code) not in KNOWN
    ]


@cache
def load_identifier() -> Identifier:
    """Return py3langid with its own model, loaded once. Raises ImportError where it is not installed."""
    langid = import_module("py3langid.langid")
    identifier: Identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    return identifier


def _base(code: str) -> str:
    return code.lower().replace("_", "-").partition("-")[0]


def _same(code: str) -> str:
    base = _base(code)
    return SAME.get(base, base)


def _blanked(text: str) -> str:
    """Return `text` with spaces, or lines where it had some, for what is written in no language."""
    return SKIPPED.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _letters(text: str, start: int, end: int) -> int:
    return sum(map(str.isalpha, text[start:end]))


def _reads(text: str, script: str) -> bool:
    """Return whether `text` may be a sentence: few signs of code, and in a script with case some words that are no names."""
    if len(_CODE_SIGNS.findall(text)) > 0.12 * _letters(text, 0, len(text)):
        return False
    words = _WORD.findall(text)
    return len(words) >= 3 if script not in _CASED else len(words) >= 4 and _has_lower_words(words, 3)


def _has_lower_words(words: Sequence[str], least: int) -> bool:
    """Return whether enough words begin with a small letter, as names do not; where all are capitals, that tells nothing."""
    if all(map(str.isupper, words)):
        return len(words) > 2
    return sum(map(str.islower, words)) >= max(least, 0.3 * len(words))


def _merged(parts: Iterator[_Part]) -> Iterator[_Part]:
    """Join neighbours in other languages; the score is their mean, by letters."""
    current: _Part | None = None
    for part in parts:
        foreign = part.score >= 0.5
        if current and foreign and current.score >= 0.5 and part.start - current.end <= _GAP:
            letters = current.letters + part.letters
            mean = (current.score * current.letters + part.score * part.letters) / letters
            current = _Part(current.start, part.end, letters, mean)
            continue
        if current:
            yield current
        current = part
    if current:
        yield current
