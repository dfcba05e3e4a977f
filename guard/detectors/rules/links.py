r"""How addresses stand in texts: bare, in Markdown, in HTML, in style sheets. The expressions are in the syntax of RE2.

The first group of each is the address; `trimmed` says how much of that is.
"""

from __future__ import annotations

import re

FULL = r"""(?i)(?:^|[^a-z0-9])((?:https?|wss?|ftp):[\\/]{0,4}[^\s<>"`|/\\][^\s<>"`|]*)"""
"""An address with its scheme."""

_SIGN = r"a-z0-9_\x{3002}\x{C0}-\x{58F}\x{13A0}-\x{13FF}\x{1D00}-\x{1FFF}\x{2C60}-\x{2C7F}\x{A640}-\x{A7FF}\x{AB30}-\x{ABBF}-"
BARE = (
    rf"""(?i)(?:^[\\/]{{0,2}}|=[\\/]{{2}}|[^{_SIGN}.@/\\:%&=?#+~](?:[\\/]{{2}})?)([{_SIGN}]{{1,63}}[.\x{{3002}}][{_SIGN}.]{{2,190}}(?:@[{_SIGN}.]{{1,190}})?"""
    r"""(?::\d{1,5})?(?:[/?#][^\s<>"`|]*)?)"""
)
"""What may be a host without its scheme, perhaps with a path; `host_start` says whether it is."""

_TARGET = r"""(?:https?|wss?|ftp):[^\s<>"`]*|[\\/]{2}[^\s<>"`]*"""
_QUOTED = r"""(?:https?|wss?|ftp):[^<>"']*|[\\/]{2}[^<>"']*"""
_ALT = r"!\[[^\[\]]{0,300}(?:\[[^\[\]]{0,100}\][^\[\]]{0,200})?\]"
_ATTRIBUTE = (
    r"<(?:img|image|iframe|frame|embed|object|video|audio|source|track|link|script|input|body|table|t[dhr]|div|svg|use|meta|base|form)\b"
    r"[^<>]{0,300}?\b(?:src|srcset|href|data|poster|background|action|content)\s{0,5}=\s{0,5}"
)

_REFERENCE = r"(?:^|[\n>])[ \t>*-]{0,8}\[[^\]\n]{1,100}\]:\s{0,20}<?"
IMAGES = (
    rf"""(?im)(?:{_ALT}\(\s{{0,20}}|{_REFERENCE}|{_ATTRIBUTE}|(?:url\(|@import)\s{{0,5}}["']?)({_TARGET})""",
    rf"""(?i)(?:{_ALT}\(\s{{0,20}}<\s{{0,5}}|{_ATTRIBUTE}["'](?:\d{{1,3}};\s?url=)?\s{{0,20}})({_QUOTED})""",
)
"""Addresses that are opened by showing them; a reference is one, for an image may be what refers to it."""

_BLANK = r"\s{0,3}"
_SCHEME = f"(?:{_BLANK.join('javascript')}|{_BLANK.join('vbscript')}){_BLANK}:"
SCRIPT = (
    rf"""(?i)(?:^|[^a-z0-9_.-])({_SCHEME}(?:[^\s"<>]{{0,200}}[(=;`]|(?:\\|/|%)[^\s"<>]{{2}})[^\s"<>]*)""",
    rf"""(?i)(?:\]\(|<|\b(?:href|src|action|formaction|data|content)\s{{0,5}}=)\s{{0,5}}["'<]?\s{{0,5}}({_SCHEME}[^\s"<>)]+)""",
)
"""Addresses that are programs; a colon after the word alone makes none."""

_PARAMETERS = r"""(?:;[\w.=+"-]{1,80}){0,5}"""
DATA_ACTIVE = (
    r"""(?i)(?:^|[^\w-])(data:\s{0,3}(?:text/(?:html|xml|javascript|css)|image/svg\+xml|application/[\w.+-]{2,60}|multipart/[\w.+-]{2,60})"""
    rf"""{_PARAMETERS},[^\s"'<>)]*)"""
)
"""Data that a browser may run, or that holds a document."""

DATA_INERT = (
    r"""(?i)(?:^|[^\w-])(data:(?:(?:image/(?:png|jpe?g|gif|webp|bmp|avif|x-icon|\*)|(?:audio|video|font)/[\w.+-]{2,60}|"""
    rf"""text/(?:plain|csv|markdown|calendar)){_PARAMETERS},|;base64,)[^\s"'<>)]*)"""
)
"""Data that a browser shows or plays."""

_TRAILING = ".,;:!?'*_~”’»›。，、；：！？）」』】"
_HOST = re.compile(r"[^/?#:@]+")
_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")
_LAST = re.compile(r"[^\W\d_]{2,63}|xn--[\w-]{2,59}")
_CLOSING = {")": "(", "]": "[", "}": "{"}


def trimmed(text: str) -> int:
    """Return where an address ends that was matched up to white space: before a bracket that it did not open, and punctuation."""
    opened = dict.fromkeys(_CLOSING.values(), 0)
    end = len(text)
    for index, char in enumerate(text):
        if char in opened:
            opened[char] += 1
        elif char in _CLOSING:
            opened[_CLOSING[char]] -= 1
            if opened[_CLOSING[char]] < 0:
                end = index
                break
    return len(text[:end].rstrip(_TRAILING)) or end


def is_host(text: str) -> bool:
    """Return whether `text`, which has no scheme, begins with what may be a host and is no mailbox."""
    host = _HOST.match(text)
    if not host or text[host.end() : host.end() + 1] == "@":
        return False
    labels = host[0].replace("。", ".").rstrip(".").split(".")
    return len(labels) > 1 and all(map(_LABEL.fullmatch, labels)) and _LAST.fullmatch(labels[-1]) is not None


def is_surely_host(text: str) -> bool:
    """Return whether `text`, which has no scheme, is an address even to who knows no domain in it, and not the name of a file."""
    host = _HOST.match(text)
    return host is not None and is_host(text) and (host[0].lower().startswith("www.") or _tail(host[0]) in _COMMON)


def _tail(host: str) -> str:
    return host.rstrip(".").rpartition(".")[2].lower()


_DOMAINS = "biz ch club cn co com de edu eu fr gov info io net online org ru shop site store top uk xyz"
_COMMON = frozenset(_DOMAINS.split())
"""Top-level domains that end no file's name."""
