"""Tell hosts that are written to be taken for another.

After Unicode TR39: a label that mixes scripts that look alike, or whose skeleton is a well-known name's that it is not. The
skeletons are those of `guard.text.confusables`, with digits and pairs of letters that pass for a letter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

from guard.detectors.rules.addresses import Address, is_within
from guard.text.confusables import fold

_NAMES = """
adobe airbnb alibaba alipay aliexpress amazon americanexpress anthropic apple baidu bankofamerica binance bitbucket blockchain
booking chatgpt cisco citibank citrix cloudflare coinbase craigslist deutschebank discord docusign dropbox ebay facebook fedex
github gitlab gmail google hotmail hsbc huggingface icloud instagram intesasanpaolo kraken linkedin mastercard messenger
metamask microsoft mozilla netflix nvidia office365 onedrive openai oracle outlook paypal pinterest playstation proton
protonmail reddit revolut roblox salesforce samsung santander sharepoint shopify skype slack snapchat sparkasse spotify
steamcommunity steampowered stripe telegram tiktok trezor tripadvisor twitch twitter uber venmo vodafone walmart wechat
wellsfargo whatsapp wikipedia wordpress yahoo yandex youtube zoom
"""
BRANDS = tuple(_NAMES.split())
"""Names that impostors like best."""

SURE, LIKELY = 0.95, 0.8

_SHORTEST = 5
"""Letters that a name has at least before digits in it count as letters."""

_PAIRS = (("rn", "m"), ("vv", "w"))
_DIGITS = str.maketrans("01345789i|", "oleastbgll")
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})
"""Scripts whose letters pass for each other's."""

_HOST = re.compile(r"(?i)(?:[^\W_][\w-]*\.)+[a-z]{2,}\.?")


class Impostors:
    """Which hosts pretend to be one of some names."""

    def __init__(self, domains: Iterable[str]) -> None:
        """Take domains of the policy's own beside `BRANDS`."""
        self._domains = tuple(domains)
        names = {domain.split(".")[-2] if "." in domain else domain for domain in self._domains}
        self._names: Mapping[str, str] = {_loose(name): name for name in sorted({*BRANDS, *names})}

    def score(self, address: Address) -> float:
        """Return how surely the address is written to be taken for another; 0 where nothing says so."""
        if any(is_within(address.host, domain) for domain in self._domains):
            return SURE if _HOST.match(address.user) else 0.0
        scores = [self._label_score(label) for label in address.host.split(".")[:-1]]
        if _HOST.match(address.user) or address.is_disguised_number:
            scores.append(LIKELY)
        return max(scores, default=0.0)

    def _label_score(self, label: str) -> float:
        if label.isascii():
            return LIKELY if self._pretends(label) else 0.0
        mixed = len(scripts(label) & _ALIKE) > 1
        if any(self._pretends(part) or self._names.get(_skeleton(part)) for part in label.split("-") if not part.isascii()):
            return SURE if mixed or scripts(label) - {"LATIN"} else LIKELY
        return LIKELY if mixed else 0.0

    def _pretends(self, label: str) -> bool:
        name = self._names.get(_loose(label))
        return name is not None and name != label and len(name) >= _SHORTEST


@lru_cache(maxsize=1024)
def scripts(label: str) -> frozenset[str]:
    """Return the scripts of the letters in `label`, by the first word of their names."""
    return frozenset(unicodedata.name(char, "?").split()[0] for char in label if char.isalpha())


def _skeleton(label: str) -> str:
    return "".join([fold(char) for char in label])


def _loose(label: str) -> str:
    skeleton = _skeleton(label)
    for pair, letter in _PAIRS:
        skeleton = skeleton.replace(pair, letter)
    return skeleton.translate(_DIGITS)
