"""Whether a client that asks again has the present answer already: it then gets none of it once more."""

from __future__ import annotations

import hashlib
from typing import Final

from services.gateway.domain.reply import Reply
from services.gateway.domain.route import READS
from services.gateway.domain.signing import RawRequest

_DONE: Final = 200
_NOT_MODIFIED: Final = 304


def only_if_changed(request: RawRequest, reply: Reply) -> Reply:
    """The reply with its tag, or 304 without a body when the request names that tag.

    It saves what travels, not what is asked: the request was admitted, and the owner's answer is the present one.
    """
    if request.method not in READS or reply.status != _DONE:
        return reply
    tag = ("etag", f'"{hashlib.sha256(reply.body).hexdigest()[:32]}"')
    if [value for name, value in request.headers if name == "if-none-match"] == [tag[1]]:
        return Reply(status=_NOT_MODIFIED, headers=(tag,))
    return Reply(status=reply.status, body=reply.body, headers=(*reply.headers, tag), error_code=reply.error_code)
