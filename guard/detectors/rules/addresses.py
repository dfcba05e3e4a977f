"""Read a web address as a browser does, whatever it was dressed up as.

After the URL standard of WHATWG: backslashes are slashes, any number of them, what stands before the last @ is no host, tabs and
line breaks are nothing, a host is decoded from percent signs and punycode, and a host that ends in a number is an IPv4 address.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

import idna

_ADDRESS = re.compile(
    r"(?i)(?P<scheme>(?:https?|wss?|ftp):)?[\\/]*(?P<authority>[^\\/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:\#(?P<fragment>.*))?",
    re.DOTALL,
)
_NOTHING = re.compile(r"[\t\r\n]")
_PORT = re.compile(r":\d*\Z")
_NESTED = re.compile(r"(?i)(?:https?|wss?|ftp):[\\/]*")
_NUMBER = re.compile(r"(?i)0x[0-9a-f]*|[0-9]+")
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_DOTS = str.maketrans(dict.fromkeys("。．｡", "."))


@dataclass(frozen=True, slots=True)
class Address:
    """A web address in its parts, as a browser would ask for them.

    Attributes:
        host: Unicode, lower case, without the dot that may end it; an IPv4 address in four decimal numbers.
        written: The host as it was written.
        user: What stands before the @; empty in honest addresses.
        path: With its leading slash, still encoded.
        query: Behind the question mark, still encoded.
        fragment: Behind the hash sign, still encoded.
    """

    host: str
    written: str
    user: str
    path: str
    query: str
    fragment: str

    @property
    def is_disguised_number(self) -> bool:
        """Whether the host is an IPv4 address in a form that only machines read, such as one number or hexadecimal."""
        return self.host != self.written.rstrip(".") and _is_ipv4(self.host)


@lru_cache(maxsize=1024)
def parsed(text: str) -> Address:
    """Return the parts of an address, which has a scheme, begins with slashes or with its host."""
    match = _ADDRESS.match(_NOTHING.sub("", text))
    parts = match.groupdict(default="") if match else {}
    user, _, rest = parts.get("authority", "").rpartition("@")
    written = _PORT.sub("", rest)
    return Address(host_of(written), written, user, parts.get("path", ""), parts.get("query", ""), parts.get("fragment", ""))


def host_of(written: str) -> str:
    """Return the host that a browser would go to."""
    host = unquote(written).translate(_DOTS)
    host = unicodedata.normalize("NFKC", host).casefold().replace("\u00ad", "").strip(".")
    host = ".".join([_label(label) for label in host.split(".")])
    return _ipv4(host) or host


def hosts_of(text: str) -> tuple[str, ...]:
    """Return the host of an address, and those of addresses that stand within it, as an open redirect's does.

    Where signs of another script follow a host without a space, the host is also given without them.
    """
    found = [parsed(text).host]
    for address in (text, unquote(text)):
        found += [parsed(address[match.start() :]).host for match in _NESTED.finditer(address, 1)]
    return tuple(dict.fromkeys([form for host in found for form in _forms(host)]))


def is_within(host: str, domain: str) -> bool:
    """Return whether `host` is `domain` or one of its subdomains."""
    return host == domain or host.endswith("." + domain)


def domain_of(written: str) -> str:
    """Return the domain that a policy means by `example.com`, `*.example.com`, `.example.com` or an address."""
    return parsed(written.strip().removeprefix("*.").removeprefix(".")).host


def _forms(host: str) -> tuple[str, ...]:
    foreign = _FOREIGN.search(host)
    if not foreign:
        return (host,)
    before = host[: foreign.start()].rstrip(".-")
    behind = host[max(foreign.end(), *(match.end() for match in _FOREIGN.finditer(host))) :].lstrip(".-")
    return (host, *(form for form in (before, behind) if "." in form))


def _label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return idna.ulabel(label)
    except (idna.IDNAError, UnicodeError):
        try:
            return label[4:].encode("ascii").decode("punycode")
        except UnicodeError:
            return label


def _is_ipv4(host: str) -> bool:
    return re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){3}", host) is not None


def _ipv4(host: str) -> str | None:
    """Return the address that numbers stand for (`0x7f.1`, `2130706433`), or None."""
    parts = host.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        return None
    *first, last = numbers
    if any(number > 255 for number in first) or last >= 256 ** (5 - len(parts)):
        return None
    value = last + sum(number << (8 * (3 - place)) for place, number in enumerate(first))
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def _number(part: str) -> int:
    if part[:2].lower() == "0x":
        return int(part[2:] or "0", 16)
    return int(part, 8) if part[0] == "0" and len(part) > 1 else int(part)
