"""From a failure with a code of the catalogue to an answer with a status."""

from __future__ import annotations

from typing import Final

from contracts.errors import Failure
from contracts.errors.catalogue import load_catalogue
from services.gateway.domain.reply import Reply
from services.gateway.domain.wire.base import ErrorReply

JSON: Final = ("content-type", "application/json")
_UNKNOWN_STATUS: Final = 500
_CATALOGUE: Final = load_catalogue()


def status_of(failure: Failure) -> int:
    """The status of a failure; 500 for a code of a newer service, which this catalogue does not know."""
    known = _CATALOGUE.get(failure.code)
    return known.http_status if known else _UNKNOWN_STATUS


def refusal(failure: Failure, request_id: str) -> Reply:
    """The answer that tells a failure, in the form that the vendor's SDK reads."""
    body = ErrorReply(
        error_code=failure.code,
        error_msg=f"{failure.cause} {failure.remedy}",
        cause=failure.cause,
        remedy=failure.remedy,
        request_id=request_id,
    )
    return Reply(
        status=status_of(failure), body=body.model_dump_json().encode(), headers=(JSON,), error_code=failure.code
    )
