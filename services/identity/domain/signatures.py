"""Whether the signature of an HTTP request is genuine."""

from __future__ import annotations

import hashlib
import hmac

# An unknown access key is checked against this, so that its refusal takes as long as a wrong signature's.
_UNKNOWN_SECRET = "0" * 43


def is_signed_with(secret: str | None, string_to_sign: str, signature: str) -> bool:
    """Constant time. signature: HMAC-SHA256 as lower-case hex; secret: None for an unknown access key."""
    key = _UNKNOWN_SECRET if secret is None else secret
    expected = hmac.new(key.encode(), string_to_sign.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    equal = hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))
    return equal and secret is not None
