"""Signatures: what is in a file of choices and in every file of its policies, signed with a key that no server has.

`FILE.sig` lists the SHA-256 of each file and signs the list by Ed25519. A file is checked before it is parsed, in the very bytes
that are then parsed. Files that come with Tenet are listed too, so that a signature says all that a policy comes to.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from guard.choosing.keys import fingerprint, private_key, public_key
from guard.errors import PolicyError, Problem, TenetError
from guard.policy.including import policies_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_MEANT_FOR = b"tenet: a signature of policies, version 1\n"
"""Goes before what is signed, so that no signature of this key for anything else is one of policies."""
_MOST_BYTES = 10_000_000
_SIGN = "sign them with `guard policy sign`"


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of a signature holds.

    Attributes:
        signed: When, in seconds since 1970.
        files: The SHA-256 of each file, by its path relative to the signed one's folder; `tenet:` for what comes with Tenet.
        key: The fingerprint of the public key.
        signature: Of all the rest, in base64.
    """

    version: int
    signed: int
    files: dict[str, str]
    key: str
    signature: str

    @property
    def payload(self) -> bytes:
        """What is signed."""
        said = {"version": self.version, "signed": self.signed, "files": self.files, "key": self.key}
        return _MEANT_FOR + json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def place_of(path: Path) -> Path:
    """Return where the signature of a file stands."""
    return path.with_name(f"{path.name}.sig")


def sign(path: Path, files: Mapping[Path, str], key_file: Path) -> Signature:
    """Write the signature of `path`, and return it.

    Args:
        files: The SHA-256 of every file that counts, this one too.

    Raises:
        TenetError: Where the key or the place can't be used.
    """
    key = private_key(key_file)
    listed = {_name(each, path): digest for each, digest in files.items()}
    bare = Signature(1, int(time.time()), dict(sorted(listed.items())), fingerprint(key.public_key()), "")
    made = msgspec.structs.replace(bare, signature=base64.b64encode(key.sign(bare.payload)).decode())
    place, text = place_of(path), json.dumps(msgspec.to_builtins(made), indent=2) + "\n"
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(place)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise TenetError(f"{place}: cannot be written: {(error.strerror or str(error)).lower()}") from None
    return made


@dataclass(slots=True)
class Checked:
    """The files of a file of choices, noted as they are read, and held against a signature where there is one.

    Attributes:
        path: The file of choices.
        signature: One that holds; None where nothing is to be checked.
        files: The SHA-256 of each file that was read, by its absolute path.
    """

    path: Path
    signature: Signature | None = None
    files: dict[Path, str] = field(default_factory=dict)

    def look(self, path: Path, where: str, data: bytes) -> None:
        """Note a file that is about to be parsed. Raises PolicyError where it is not as it was signed."""
        self.note(path, where, hashlib.sha256(data).hexdigest())

    def note(self, path: Path, where: str, digest: str) -> None:
        """Note the SHA-256 of a file, or of a folder as policies count them. Raises PolicyError as `look`."""
        place = Path(os.path.abspath(path))
        self.files[place] = digest
        if self.signature is None:
            return
        signed = self.signature.files.get(_name(place, self.path))
        if signed != digest:
            got = "one that was changed after it was signed" if signed else "one that was not signed"
            raise PolicyError([Problem(where, 0, 0, "", "a file as it was signed", got, _SIGN)])


def verified(path: Path, keys: Sequence[Path], not_before: int = 0) -> Signature:
    """Return the signature of a file of choices, if one of the public keys verifies it.

    Args:
        not_before: A time, in seconds since 1970; what was signed before is refused, so that nobody brings old policies back.

    Raises:
        PolicyError: Where it is missing, is none of these keys', was changed, or is too old.
        TenetError: Where a key can't be used.
    """
    known = {fingerprint(key): key for key in map(public_key, keys)}
    place = place_of(path)
    signature = _read(place)
    key = known.get(signature.key)
    if key is None:
        raise _refused(place, f"a signature by {' or '.join(known)}", f"one by {signature.key[:16]!r}")
    if not _holds(signature, key):
        raise _refused(place, "a signature that holds", "one that was changed, or is of something else")
    if signature.signed < not_before:
        got = "an older one; to go back to older policies, sign them again"
        raise _refused(place, "a signature that is not older than the one in force", got)
    return signature


def _holds(signature: Signature, key: Ed25519PublicKey) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(base64.b64decode(signature.signature, validate=True), signature.payload)
    except (InvalidSignature, ValueError):
        return False
    return signature.version == 1


def _read(place: Path) -> Signature:
    try:
        with place.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise _refused(place, "a signature", (error.strerror or str(error)).lower()) from None
    try:
        return msgspec.json.decode(data, type=Signature)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise _refused(place, "a signature", "something else") from None


def _refused(place: Path, expected: str, got: str) -> PolicyError:
    return PolicyError([Problem(str(place), 0, 0, "", expected, got, _SIGN)])


def _name(path: Path, signed: Path) -> str:
    """Return how a signature names a file."""
    shipped = Path(os.path.abspath(policies_folder()))
    if path.is_relative_to(shipped):
        return f"tenet:{path.relative_to(shipped).as_posix()}"
    return Path(os.path.relpath(path, Path(os.path.abspath(signed)).parent)).as_posix()
