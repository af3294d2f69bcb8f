"""SDK-HMAC-SHA256: from the raw request to the string whose signature identity checks."""

from services.gateway.domain.signing.request import RawRequest
from services.gateway.domain.signing.string_to_sign import SignedRequest, read_signed_request

__all__ = ["RawRequest", "SignedRequest", "read_signed_request"]
