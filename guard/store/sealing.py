"""Write and read text of users and models: the one way into and out of `Sealed` columns, encrypted where there is a key."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from guard.errors import MissingExtra, StoreError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

KEY_VARIABLE = "TENET_STORE_KEY"
_PLAIN, _ENCRYPTED = b"p", b"f"


class Codec:
    """Seals texts and opens them again. Without keys, a sealed text is the text in UTF-8."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        """Prepare to seal with the first of the keys, and to open with any of them.

        Raises:
            StoreError: Where one of them is not a key.
            MissingExtra: Where keys are given and `cryptography` is not installed.
        """
        self._cipher = _cipher(keys) if keys else None

    @property
    def encrypts(self) -> bool:
        """Whether what is sealed now is encrypted."""
        return self._cipher is not None

    def seal(self, text: str) -> bytes:
        """Return the text as a `Sealed` column holds it; any text can be sealed, with NUL and lone surrogates too."""
        plain = text.encode("utf-8", "surrogatepass")
        return _PLAIN + plain if self._cipher is None else _ENCRYPTED + self._cipher.encrypt(plain)

    def open(self, sealed: bytes) -> str:
        """Return the text that was sealed.

        Raises:
            StoreError: Where it is encrypted, and none of the keys opens it.
        """
        sealed = bytes(sealed)
        if sealed[:1] == _PLAIN:
            return sealed[1:].decode("utf-8", "surrogatepass")
        if self._cipher is None:
            raise StoreError(f"the store's texts are encrypted; set {KEY_VARIABLE} to the key")
        from cryptography.fernet import InvalidToken

        try:
            return self._cipher.decrypt(sealed[1:]).decode("utf-8", "surrogatepass")
        except InvalidToken:
            raise StoreError(f"none of the keys in {KEY_VARIABLE} opens the store's texts, or they were changed") from None

    def seal_again(self, sealed: bytes) -> bytes:
        """Return the same text, sealed as this codec seals now."""
        return self.seal(self.open(sealed))


def codec_from_environment() -> Codec:
    """Return the codec with the keys in `TENET_STORE_KEY`: separated by commas, the one to seal with first."""
    given = os.environ.get(KEY_VARIABLE, "")
    return Codec([key.strip() for key in given.split(",") if key.strip()])


def _cipher(keys: Sequence[str]) -> MultiFernet:
    try:
        from cryptography.fernet import Fernet, MultiFernet
    except ImportError:
        raise MissingExtra("an encrypted store", "crypto") from None
    ciphers = []
    for position, key in enumerate(keys, 1):
        try:
            ciphers.append(Fernet(key))
        except ValueError:
            way_out = "print one with `guard store key`"
            raise StoreError(
                f"{KEY_VARIABLE}: expected keys of 32 bytes in URL-safe base64, key {position} is none; {way_out}"
            ) from None
    return MultiFernet(ciphers)
