"""The operators of Presidio's anonymizer as redactors: `redact: {with: presidio, operator: …}`."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from guard.errors import MissingExtra, TenetError
from guard.policy.model import Redactor

if TYPE_CHECKING:
    from presidio_anonymizer.operators import Operator


def anonymized(original: str, redactor: Redactor, entity: str, salt: bytes) -> str:
    """Return what Presidio's operator makes of a text.

    Args:
        redactor: Of the kind `presidio`, as checked when its policy was loaded.
        entity: What was found; `replace` without a value of its own writes it in angle brackets.
        salt: Of `hash`, where the redactor names no key of its own.

    Raises:
        MissingExtra: Where Presidio's anonymizer is not installed.
        TenetError: Where the key is no longer set.
    """
    operator = _operator(redactor.operator)
    params = {**_unsaid(redactor, original, salt), **dict(redactor.params), "entity_type": entity}
    operator.validate(params=params)
    text = original if redactor.operator == "mask" else original.encode("utf-8", "replace").decode()
    return str(operator.operate(text=text, params=params))


def _unsaid(redactor: Redactor, original: str, salt: bytes) -> dict[str, Any]:
    """Return the parameters that a policy need not say, and those that it must not."""
    match redactor.operator:
        case "mask":
            return {"masking_char": "*", "chars_to_mask": len(original), "from_end": False}
        case "replace":
            return {"new_value": ""}
        case "hash":
            return {"salt": _key(redactor.key_env) if redactor.key_env else salt}
        case "encrypt":
            return {"key": _key(redactor.key_env)}
        case _:
            return {}


def _key(name: str) -> bytes:
    key = os.environ.get(name, "").encode()
    if not key:
        raise TenetError(f"the environment variable {name}, which held a redactor's key when its policy was loaded, is not set")
    return key


@cache
def _operator(name: str) -> Operator:
    try:
        from presidio_anonymizer.operators import OperatorsFactory, OperatorType
    except ImportError:
        raise MissingExtra("the redactor 'presidio'", "presidio") from None
    factory: Any = OperatorsFactory
    operator: Operator = factory().create_operator_class(name, OperatorType.Anonymize)
    return operator
