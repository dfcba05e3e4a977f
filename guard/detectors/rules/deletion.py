"""Tell whether a command that deletes, or that changes rights, is aimed at a system, a home or everything there is.

`rm -rf build/` is a working day, `rm -rf /` is the end of one; what makes the difference is the target.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Spans = Sequence[tuple[int, int]]

_TOKEN = re.compile(r"""(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'\\]|["'\\])+""")
_SPACE = re.compile(r"\$\{?IFS\}?(?:\$\d)?")
_QUOTES = re.compile(r"""["']|\\(?=[^\\\s])""")
_ENDING = ".,:!?)]}>`”’"

_ROOT = r"/+(?:\.?/*)*\*?"
_TOP = (
    r"/+(?:bin|boot|dev|etc|home|lib(?:32|64|exec)?|opt|proc|root|sbin|srv|sys|usr|var|mnt|media|"
    r"Users|System|Library|Applications|Volumes)(?:/+\*?)?"
)
_SECOND = r"/+(?:home|Users)/+[^/*\s]+(?:/+\*?)?|/+(?:usr|var)/+(?:bin|lib|local|log|mail|sbin|spool|www)(?:/+\*?)?"
_HOME = r"(?:~[\w-]*|\$\{?(?:HOME|USERPROFILE)\}?)(?:/+[.*{},!]*\*?)?"
_HERE = r"(?:\./+)?\*|\.{1,2}(?:/+\.\.)*/*\*?"
_UNIX = re.compile(rf"(?:{_ROOT}|{_TOP}|{_SECOND}|{_HOME})")
_UNIX_HERE = re.compile(_HERE)

_DRIVE = r"(?:[a-z]:|\$\{?env:(?:systemdrive|homedrive)\}?|%(?:systemdrive|homedrive)%)(?:[\\/]*(?:\*(?:\.\*)?)?)"
_SYSTEM_DRIVE = r"(?:[a-z]:|\$\{?env:systemdrive\}?|%systemdrive%)[\\/]+"
_FOLDERS = (
    rf"{_SYSTEM_DRIVE}(?:windows|winnt|users|program files(?: \(x86\))?|programdata|boot|system32)"
    r"(?:[\\/]+(?:[\w.-]+)?(?:[\\/]*\*(?:\.\*)?)?)?"
)
_KNOWN = "home|userprofile|systemroot|windir|programfiles|appdata"
_VARIABLES = rf"(?:\$\{{?(?:env:)?(?:{_KNOWN})\}}?|%(?:{_KNOWN})%|~)(?:[\\/]+(?:\*(?:\.\*)?)?)?"
_HIVES = r"(?:hklm|hkcu|hkey_local_machine|hkcr):?[\\/]*(?:\*|software|system|sam)?[\\/]*\*?"
_WINDOWS = re.compile(rf"(?i)(?:{_DRIVE}|{_FOLDERS}|{_VARIABLES}|{_HIVES}|[\\/]+\*?|\*(?:\.\*)?|\.[\\/]?\*?)")

_RM = re.compile(r"(?:.*/)?rm")
_OPTION = re.compile(r"-[A-Za-z]+|--[a-z-]+")


def of_rm(text: str) -> Spans:
    """Return where `rm` deletes recursively what must not be deleted; `text` is one command or the rest of its line."""
    return _of_command(text, _RM, _is_recursive, lambda target: bool(_UNIX.fullmatch(target)))


def of_rm_here(text: str) -> Spans:
    """Return where `rm` deletes the folder it is in, and nothing worse."""
    if of_rm(text):
        return []
    forced = lambda options: _is_recursive(options) and _has(options, "f", "--force")  # noqa: E731
    return _of_command(text, _RM, forced, lambda target: bool(_UNIX_HERE.fullmatch(target)))


def of_rights(text: str) -> Spans:
    """Return where `chmod` or `chown` changes the rights of a system recursively."""
    return _of_command(
        text, re.compile(r"(?:.*/)?(?:chmod|chown|chgrp)"), _is_recursive_rights, lambda target: bool(_UNIX.fullmatch(target))
    )


def of_windows(text: str) -> Spans:
    """Return where a command of Windows deletes a tree that must not be deleted."""
    lowered = text.lower()
    recursive = re.search(r"-r(?:ec(?:urse)?)?\b|/s\b", lowered)
    quiet = re.search(r"-f(?:o(?:rce)?)?\b|/q\b|/f\b|-confirm:\$false", lowered)
    if not recursive or not quiet:
        return []
    targets = [match for match in re.finditer(r"""["']([^"']+)["']|([^\s"',;]+)""", text)]
    hits = [match for match in targets[1:] if _WINDOWS.fullmatch((match[1] or match[2]).rstrip(_ENDING) or "-")]
    return [(0, len(text.rstrip()))] if hits else []


def _of_command(
    text: str, command: re.Pattern[str], is_meant: Callable[[list[str]], bool], is_dear: Callable[[str], bool]
) -> Spans:
    spaced = _SPACE.sub(lambda match: " " * len(match[0]), text)
    start: int | None = None
    options: list[str] = []
    end = 0
    for token in _TOKEN.finditer(spaced):
        word = _QUOTES.sub("", token[0])
        if command.fullmatch(word.lstrip("`($*")):
            if start is not None and end and is_meant(options):
                break
            start, options, end = token.start(), [], 0
        elif start is None:
            continue
        elif _OPTION.fullmatch(word):
            options.append(word)
            if word == "--no-preserve-root":
                end = max(end, token.end())
        elif is_dear(word) or (word.rstrip(_ENDING) and is_dear(word.rstrip(_ENDING))):
            end = token.end()
    return [(start, end)] if start is not None and end and is_meant(options) else []


def _has(options: Sequence[str], letters: str, *words: str) -> bool:
    return any(option in words or (option[1] != "-" and any(letter in option for letter in letters)) for option in options)


def _is_recursive(options: Sequence[str]) -> bool:
    return _has(options, "rR", "--recursive") or "--no-preserve-root" in options


def _is_recursive_rights(options: Sequence[str]) -> bool:
    return _has(options, "R", "--recursive")
