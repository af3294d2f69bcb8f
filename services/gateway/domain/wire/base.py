"""The base classes of the wire's models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class WireRequest(BaseModel):
    """A body as a client sends it. Types are taken strictly: no number is read from a text.

    Fields are Literal rather than enum and list rather than tuple, which JSON does not have. Unknown fields are
    passed over, since the vendor's clients of other releases may send them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class WireReply(BaseModel):
    """A body as the gateway answers it: fields that are None are left out."""

    model_config = ConfigDict(frozen=True)


class ErrorReply(WireReply):
    """The body of every answer that is no success.

    error_code and error_msg are what the vendor's SDK reads; error_msg is cause and remedy in one text.
    """

    error_code: str
    error_msg: str
    cause: str
    remedy: str
    request_id: str
