"""Read a service's answer strictly: what its format does not allow is an error that names the field, and no verdict."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec

from guard.errors import DetectorError
from guard.runtime.endpoint import Endpoint

T = TypeVar("T")

Score = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""A number in [0, 1]."""


def read(endpoint: Endpoint, answer: Any, kind: type[T]) -> T:  # noqa: ANN401
    """Return `answer` as a `kind`, whose fields must have its types; what it does not know is ignored.

    Raises:
        DetectorError: With the field, what was expected and the type that was found, and never a value.
    """
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise DetectorError(endpoint.detector, f"{endpoint.host}: the answer: {error}") from None
