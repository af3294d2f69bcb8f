"""Reads the API's answers: a typed reply, or the failure that it names."""

from __future__ import annotations

import ssl
from typing import Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from contracts.base import Model
from contracts.errors import Failure, MigrationError
from contracts.errors.cli import NOT_UNDERSTOOD

SERVICE: Final = "The API"
# What the exit status of a code is told by when this version does not know the code.
STATUS_PARAMETER: Final = "http_status"

Reply = TypeVar("Reply", bound=BaseModel)


class ErrorBody(Model):
    """What the API says of a failure; cause and remedy in parts are ours, error_msg is the vendor's."""

    error_code: str
    error_msg: str = ""
    cause: str = ""
    remedy: str = ""
    request_id: str = ""


def read_reply(answer: httpx.Response, reply_type: type[Reply]) -> Reply:
    """The reply of a successful answer; one without a body is read as an empty object.

    Raises MigrationError: the failure that the API names, or SMS.CLI.NOT_UNDERSTOOD.
    """
    if answer.is_error:
        raise MigrationError(failure_of(answer))
    try:
        return reply_type.model_validate_json(answer.content or b"{}")
    except ValidationError as error:
        raise MigrationError(not_understood(answer, "data of another form")) from error


def failure_of(answer: httpx.Response) -> Failure:
    """The failure that an answer names."""
    try:
        body = ErrorBody.model_validate_json(answer.content)
    except ValidationError:
        return not_understood(answer, f"status {answer.status_code} and no error code")
    return Failure(
        code=body.error_code,
        cause=body.cause or body.error_msg or f"The API answered with status {answer.status_code}.",
        remedy=body.remedy or f"The service's log has more under request {body.request_id or 'of this time'}.",
        parameters={STATUS_PARAMETER: str(answer.status_code), "request_id": body.request_id},
    )


def not_understood(answer: httpx.Response, what: str) -> Failure:
    """The failure for an answer that none of ours has written, or another version of ours."""
    request = f"{answer.request.method} {answer.request.url.path}"
    return NOT_UNDERSTOOD.failure(service=SERVICE, request=request, answer=what)


def certificate_problem(error: BaseException) -> str:
    """Why the server was not trusted, or "" when the failure is another one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        cause = cause.__cause__ or cause.__context__
    return ""
