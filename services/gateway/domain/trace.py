"""What the trace keeps of a request: who did what to which thing, and how it ended."""

from __future__ import annotations

import json
import re
from typing import Final

from contracts.messages.api import ApiRequestRecorded, RequestAuthorization
from services.gateway.domain.ports import TraceEntry
from services.gateway.domain.reply import Reply
from services.gateway.domain.route import Route
from services.gateway.domain.signing import RawRequest

# Who names no account of ours is traced here.
NO_ACCOUNT: Final = "system"
_LONGEST_PATH: Final = 300
_KEY: Final = re.compile(r"Access=([A-Za-z0-9_-]{1,128})(?:,|$)")
_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def trace_entry(
    request: RawRequest,
    route: Route,
    resources: tuple[str, ...],
    reply: Reply,
    verdict: RequestAuthorization | None,
) -> TraceEntry:
    """verdict: None for a request that nobody genuine has signed; its key is what it claims."""
    known = verdict if verdict is not None and verdict.is_genuine else None
    record = ApiRequestRecorded(
        request_id=request.request_id,
        operation=route.operation_id,
        action=route.action,
        method=request.method,
        path=request.path[:_LONGEST_PATH],
        resource=" ".join(_made(reply, each) for each in resources),
        user_name=known.user_name if known else "",
        access_key=_claimed_key(request),
        source_address=request.source_address,
        outcome=_outcome(reply.status),
        status=reply.status,
        error_code=reply.error_code,
    )
    return TraceEntry(
        account=known.account if known else NO_ACCOUNT,
        actor=printable(known.user_name if known else record.access_key),
        record=record,
    )


def printable(name: str) -> str:
    """A name as it may stand in a header of the bus."""
    return re.sub(r"[^\x20-\x7e]", "?", name)


def _outcome(status: int) -> str:
    if status < 400:
        return "done"
    if status in {401, 403}:
        return "denied"
    return "refused" if status < 500 else "failed"


def _made(reply: Reply, resource: str) -> str:
    """``task:*`` becomes the task that the answer names, when it names one."""
    if not resource.endswith(":*") or reply.error_code or not reply.body.startswith(b"{"):
        return resource
    try:
        identifier = json.loads(reply.body).get("id")
    except ValueError:
        return resource
    is_id = isinstance(identifier, str) and _ID.fullmatch(identifier) is not None
    return f"{resource[:-1]}{identifier}" if is_id else resource


def _claimed_key(request: RawRequest) -> str:
    values = [value for name, value in request.headers if name == "authorization"]
    found = _KEY.search(values[0]) if values else None
    return found[1] if found else ""
