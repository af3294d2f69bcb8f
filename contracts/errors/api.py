"""Codes of the HTTPS API itself: requests that are not genuine, not allowed or not readable."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

API_UNSIGNED: Final = ErrorCode(
    code="SMS.API.UNSIGNED",
    cause="The request bears no usable signature: {reason}.",
    remedy="Sign it with SDK-HMAC-SHA256 and the access key and secret key of a user, as the SDK and `sms` do.",
    http_status=401,
    exit_code=5,
)
API_SIGNATURE_REFUSED: Final = ErrorCode(
    code="SMS.API.SIGNATURE_REFUSED",
    cause="The signature is not that of an active access key over this very request.",
    remedy="Check access key and secret key (`sms credential list`), and that nothing between client and service "
    "changes method, path, query, signed headers or body.",
    http_status=401,
    exit_code=5,
)
API_CLOCK_SKEW: Final = ErrorCode(
    code="SMS.API.CLOCK_SKEW",
    cause="The request was signed at {signed_at}; the service's clock says {server_time}, and {window_s} s of "
    "difference are allowed.",
    remedy="Set the clock of the client's machine, then send the request again.",
    http_status=401,
    exit_code=5,
)
API_DENIED: Final = ErrorCode(
    code="SMS.API.DENIED",
    cause="User {user} may not do {action} on {resource}.",
    remedy="Ask an administrator of the account for a policy that allows it (`sms policy list`).",
    http_status=403,
    exit_code=5,
)
API_INVALID_REQUEST: Final = ErrorCode(
    code="SMS.API.INVALID_REQUEST",
    cause="{field} is not acceptable: {reason}.",
    remedy="Correct it as the API's document says (contracts/openapi.json), then send the request again.",
    http_status=400,
    exit_code=2,
)
API_NOT_FOUND: Final = ErrorCode(
    code="SMS.API.NOT_FOUND",
    cause="There is no operation at this path.",
    remedy="Look the operation up in the API's document (contracts/openapi.json).",
    http_status=404,
    exit_code=3,
)
API_METHOD_NOT_ALLOWED: Final = ErrorCode(
    code="SMS.API.METHOD_NOT_ALLOWED",
    cause="The operation at this path does not know the method {method}.",
    remedy="Look the operation up in the API's document (contracts/openapi.json).",
    http_status=405,
    exit_code=2,
)
API_TOO_LARGE: Final = ErrorCode(
    code="SMS.API.TOO_LARGE",
    cause="The body of the request has more than {limit_bytes} bytes.",
    remedy="Send less at once, for example fewer items per request.",
    http_status=413,
    exit_code=2,
)
API_INTERNAL: Final = ErrorCode(
    code="SMS.API.INTERNAL",
    cause="The API failed at request {request_id} in a way that it does not know.",
    remedy="Look into the gateway's log at this request id, and report it with that part of the log.",
    http_status=500,
)
API_UNKNOWN_VERSION: Final = ErrorCode(
    code="SMS.API.UNKNOWN_VERSION",
    cause="There is no version {version} of the API.",
    remedy="Ask for the list of versions (`GET /`).",
    http_status=404,
    exit_code=3,
)
API_KEY_REUSED: Final = ErrorCode(
    code="SMS.API.KEY_REUSED",
    cause="The key {key} in X-Sms-Idempotency-Key was used for another request within the last {kept_s} s.",
    remedy="Use a new key for each new request, and the same key only to repeat one.",
    http_status=422,
    exit_code=2,
)
API_ANSWER_NOT_KEPT: Final = ErrorCode(
    code="SMS.API.ANSWER_NOT_KEPT",
    cause="The request was carried out before, and its answer held a secret, which is shown once.",
    remedy="Use the answer of the first request; if it was lost, delete what was made and make it anew.",
    http_status=409,
    exit_code=4,
)
API_STILL_RUNNING: Final = ErrorCode(
    code="SMS.API.STILL_RUNNING",
    cause="The same request is being carried out since {seconds} s, and has no answer yet.",
    remedy="Send it again after a few seconds: it is carried out once.",
    http_status=503,
    exit_code=6,
)
