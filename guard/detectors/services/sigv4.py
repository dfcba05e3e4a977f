"""Sign requests to Amazon Web Services: Signature Version 4, with the body's digest.

After "Create a signed AWS API request" of AWS's identity and access management guide; tested against AWS's published vectors.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys of an identity.

    Attributes:
        token: Of a session, for keys that expire; empty for others.
    """

    key_id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def signed(
    credentials: Credentials,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    region: str,
    service: str,
    now: datetime | None = None,
) -> dict[str, str]:
    """Return the headers to send beside `headers`: the date, the session's token, and the signature over everything.

    Args:
        url: As it is sent: its path is percent-encoded already, and encoded once more for the signature, as every service but S3
            wants it.
        now: For tests; the present where absent.
    """
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-date": stamp} | ({"x-amz-security-token": credentials.token} if credentials.token else {})
    parts = urlsplit(url)
    signing = {name.lower(): " ".join(value.split()) for name, value in {"host": parts.netloc, **headers, **added}.items()}
    names = ";".join(sorted(signing))
    canonical = "\n".join(
        (
            method,
            quote(parts.path or "/", safe="/" + _UNRESERVED),
            _canonical_query(parts.query),
            *(f"{name}:{signing[name]}" for name in sorted(signing)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(_key(credentials.secret, scope), to_sign.encode(), hashlib.sha256).hexdigest()
    identity = f"Credential={credentials.key_id}/{scope}"
    return {**added, "authorization": f"{_ALGORITHM} {identity}, SignedHeaders={names}, Signature={signature}"}


def _canonical_query(query: str) -> str:
    pairs = [tuple(quote(part, safe=_UNRESERVED) for part in pair) for pair in parse_qsl(query, keep_blank_values=True)]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _key(secret: str, scope: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
