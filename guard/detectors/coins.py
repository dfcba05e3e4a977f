"""Whether a text is a crypto-currency's address: the check sums of Base58Check and Bech32."""

from __future__ import annotations

from hashlib import sha256

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CONSTANTS = (1, 0x2BC830A3)

_VERSIONS = frozenset(
    {
        0x00,  # Bitcoin, public-key hash
        0x05,  # Bitcoin, script hash
        0x6F,  # Bitcoin test network
        0xC4,
        0x30,  # Litecoin
        0x32,
        0x1E,  # Dogecoin
        0x16,
        0x4C,  # Dash
        0x10,
        0x41,  # Tron
    }
)


def is_base58_address(text: str) -> bool:
    """Return whether `text` is an address in Base58Check: 21 bytes with a known version, and their double SHA-256."""
    number = 0
    for character in text:
        digit = _BASE58.find(character)
        if digit < 0:
            return False
        number = number * 58 + digit
    if number >> 200:
        return False
    raw = number.to_bytes(25, "big")
    leading = len(raw) - len(raw.lstrip(b"\0"))
    if len(text) - len(text.lstrip("1")) != leading:
        return False
    return raw[0] in _VERSIONS and sha256(sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def is_bech32_address(text: str) -> bool:
    """Return whether `text` is a Bech32 or Bech32m string (BIP 173, BIP 350), in one case throughout."""
    lower = text.lower()
    if text not in (lower, text.upper()):
        return False
    prefix, _, data = lower.rpartition("1")
    values = [_BECH32.find(character) for character in data]
    if not prefix or len(values) < 8 or min(values) < 0:
        return False
    expanded = [ord(character) >> 5 for character in prefix] + [0] + [ord(character) & 31 for character in prefix]
    return _polymod(expanded + values) in _BECH32_CONSTANTS


def _polymod(values: list[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate(_GENERATOR):
            if top >> bit & 1:
                checksum ^= term
    return checksum
