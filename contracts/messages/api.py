"""Requests of the HTTPS API: whether one is genuine and allowed, and what the trace keeps of it."""

from __future__ import annotations

from typing import ClassVar

from contracts.base import Message, MessageKind


class AuthorizeRequest(Message):
    """Request ``identity.authorize``: is this signature genuine, and may its user do this?

    string_to_sign: as the gateway canonicalised the request; signature: hex, as the client sent it. The gateway has
    checked the clock window before. action: ``sms:<type>:<verb>`` of the route. resources: ``<type>:<id>`` of each
    thing that the path names, ``<type>:*`` where it names none.
    """

    TYPE: ClassVar[str] = "sms.identity.authorize"
    KIND: ClassVar[MessageKind] = "request"
    access_key: str
    string_to_sign: str
    signature: str
    action: str
    resources: tuple[str, ...] = ()
    source_address: str = ""
    request_id: str = ""


class RequestAuthorization(Message):
    """The verdict. is_genuine: known, active key and right signature; only then the other fields are filled in.

    is_allowed: some policy allows it and none denies it. reason: for the trace, when it is not. user_name: "" never.
    """

    TYPE: ClassVar[str] = "sms.identity.authorization"
    KIND: ClassVar[MessageKind] = "reply"
    is_genuine: bool
    is_allowed: bool = False
    reason: str = ""
    account: str = ""
    user_id: str = ""
    user_name: str = ""


class ApiRequestRecorded(Message):
    """Audit record ``api-request``: a request that changed something, or that was denied.

    resource: the path's things as ``<type>:<id>``, separated by blanks. status: of the answer; error_code: "" for
    success. outcome: "done", "refused" (a state or a check said no), "denied" (not authorised) or "failed".
    """

    TYPE: ClassVar[str] = "sms.api.request-recorded"
    KIND: ClassVar[MessageKind] = "event"
    request_id: str
    operation: str
    action: str
    method: str
    path: str
    resource: str = ""
    user_name: str = ""
    access_key: str = ""
    source_address: str = ""
    outcome: str = "done"
    status: int = 200
    error_code: str = ""
