"""Ed25519 keys (RFC 8032) for signatures of policies, in PEM files. Needs `cryptography`, which is loaded late."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guard.errors import MissingExtra, TenetError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PASSPHRASE = "TENET_POLICY_PASSPHRASE"  # noqa: S105 - the name of a variable
"""Environment variable with what opens an encrypted private key."""
_MOST_BYTES = 100_000


def private_key(path: Path) -> Ed25519PrivateKey:
    """Return the key that signs.

    Raises:
        TenetError: Where the file can't be read, holds no private Ed25519 key, or one that needs another passphrase.
    """
    serialization, ed25519 = _library()
    secret = os.environ.get(PASSPHRASE, "").encode() or None
    data = _bytes(path)
    try:
        key: Any = serialization.load_pem_private_key(data, secret if b"ENCRYPTED" in data else None)
    except TypeError:
        raise TenetError(f"{path}: expected its passphrase in {PASSPHRASE}, got nothing") from None
    except Exception:  # the library raises several kinds, and none of their words is to be shown
        got = f"one that {PASSPHRASE} does not open" if b"ENCRYPTED" in data else f"something else; {_WAY_OUT}"
        raise TenetError(f"{path}: expected a private Ed25519 key in PEM, got {got}") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise TenetError(f"{path}: expected a private Ed25519 key in PEM, got another kind of key; {_WAY_OUT}")
    return key  # type: ignore[no-any-return]  # the library is loaded late


def public_key(path: Path) -> Ed25519PublicKey:
    """Return a key that verifies.

    Raises:
        TenetError: Where the file can't be read, or holds no public Ed25519 key.
    """
    serialization, ed25519 = _library()
    data = _bytes(path)
    if b"PRIVATE KEY" in data:
        raise TenetError(f"{path}: expected a public key, got a private one, which has no place on a server")
    try:
        key: Any = serialization.load_pem_public_key(data)
    except Exception:
        raise TenetError(f"{path}: expected a public Ed25519 key in PEM, got something else; {_WAY_OUT}") from None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise TenetError(f"{path}: expected a public Ed25519 key in PEM, got another kind of key; {_WAY_OUT}")
    return key  # type: ignore[no-any-return]  # the library is loaded late


def new_key(path: Path) -> Path:
    """Write a new private key, which only its owner can read, and return where its public key is: PATH.pub.

    Raises:
        TenetError: Where one of the two is there already, or can't be written.
    """
    serialization, ed25519 = _library()
    public = path.with_name(f"{path.name}.pub")
    key = ed25519.Ed25519PrivateKey.generate()
    secret = os.environ.get(PASSPHRASE, "").encode()
    sealed = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    shown = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for place, data, mode in ((path, key.private_bytes(*form), 0o600), (public, shown, 0o644)):
        _write(place, data, mode)
    return public


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return 16 hexadecimal digits by which people tell public keys apart."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _write(path: Path, data: bytes, mode: int) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
    except FileExistsError:
        raise TenetError(f"{path}: expected no file there, got one; a key is never written over") from None
    except OSError as error:
        raise _unusable(path, error) from None


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: OSError) -> TenetError:
    return TenetError(f"{path}: expected a file of a key, got: {(error.strerror or str(error)).lower()}")


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise MissingExtra("a signature of policies", "crypto") from None
    return serialization, ed25519


_WAY_OUT = "make one with `guard policy key`"
