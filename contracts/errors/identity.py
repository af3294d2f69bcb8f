"""Codes of identity: credentials, enrolment tokens, logins and enrolments."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

TOO_MANY_CREDENTIALS: Final = ErrorCode(
    code="SMS.IDENTITY.TOO_MANY_CREDENTIALS",
    cause="{active} credentials of {holder} are active; at most {limit} may be.",
    remedy="Disable one that is no longer used (`sms credential list`, `sms credential disable ACCESS_KEY`).",
    http_status=409,
    exit_code=4,
)
UNKNOWN_CREDENTIAL: Final = ErrorCode(
    code="SMS.IDENTITY.UNKNOWN_CREDENTIAL",
    cause="There is no credential with access key {access_key}.",
    remedy="Look the access key up with `sms credential list`.",
    http_status=404,
    exit_code=3,
)
SECRET_UNREADABLE: Final = ErrorCode(
    code="SMS.IDENTITY.SECRET_UNREADABLE",
    cause="The stored secret of {identifier} cannot be opened: it was sealed with another key file or was changed.",
    remedy="Put the key file of identity back from the backup of the same installation, or make a new credential.",
    http_status=500,
)
ENROLMENT_REFUSED: Final = ErrorCode(
    code="SMS.IDENTITY.ENROLMENT_REFUSED",
    cause="The enrolment with {credential_id} is refused: {reason}.",
    remedy="Make a new credential with `sms credential create` and start the agent with it. A helper that is refused "
    "gets a new token when its task is started again.",
    http_status=403,
    exit_code=5,
)
TOKEN_VALIDITY: Final = ErrorCode(
    code="SMS.IDENTITY.TOKEN_VALIDITY",
    cause="An enrolment token of {valid_s} s was asked for; between {minimum_s} and {maximum_s} s are possible.",
    remedy="Ask for a validity within these bounds.",
    http_status=400,
    exit_code=2,
)
