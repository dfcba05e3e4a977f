"""Fakes in place of personal data, by the library Faker: `redact: {with: fake}`.

A fake is the same for the same original, under one key, and tells nothing of it but its form.
"""

from __future__ import annotations

import hashlib
import hmac
import string
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from guard.errors import MissingExtra

if TYPE_CHECKING:
    from faker import Faker

_MADE: Mapping[str, Callable[[Faker], str]] = {
    "pii/email": lambda faker: str(faker.safe_email()),
    "pii/person": lambda faker: str(faker.name()),
    "pii/location": lambda faker: str(faker.city()),
    "pii/organization": lambda faker: str(faker.company()),
}
"""What has a form of its own; everything else keeps the form of the original, digit for digit and letter for letter."""

_TRIES = 8


def faked(original: str, category: str, key: bytes) -> str:
    """Return a fake in place of a text.

    Args:
        category: What was found there.
        key: Whoever does not know it can't tell which original a fake stands for.

    Raises:
        MissingExtra: Where Faker is not installed.
    """
    faker = _faker()
    for attempt in range(_TRIES):
        message = f"{attempt} {category} {original}".encode("utf-8", "surrogatepass")
        faker.seed_instance(int.from_bytes(hmac.digest(key, message, hashlib.sha256)[:16], "big"))
        fake = _MADE[category](faker) if category in _MADE else _of_the_same_form(original, faker)
        if fake.lower() != original.lower():
            return fake
    return _of_no_form(original)


def _of_the_same_form(original: str, faker: Faker) -> str:
    """Return other digits for digits and other letters for letters, with everything between them kept."""
    return "".join(_instead(character, faker) for character in original)


def _instead(character: str, faker: Faker) -> str:
    if character.isdecimal():
        return str(faker.random_digit())
    if character.isalpha():
        return str(faker.random_letter()).upper() if character.isupper() else str(faker.random_lowercase_letter())
    return character


def _of_no_form(original: str) -> str:
    """Return stars for a text that has no other of its form, such as one without letters and digits."""
    return "*" * max(1, len(original.strip(string.whitespace)))


@cache
def _faker() -> Faker:
    try:
        from faker import Faker
    except ImportError:
        raise MissingExtra("the redactor 'fake'", "fake") from None
    return Faker("en_US")
