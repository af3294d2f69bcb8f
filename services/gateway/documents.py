"""Write the API's document from its routes: ``python -m services.gateway.documents`` makes contracts/openapi.json."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from services.gateway.api.app import all_routes, make_app
from services.gateway.api.call import Call
from services.gateway.api.router import ApiRouter
from services.gateway.domain.reply import Reply
from services.gateway.domain.route import Route
from services.gateway.domain.signing import RawRequest
from services.gateway.domain.wire.base import ErrorReply
from services.gateway.routes import ROUTERS

PATH: Final = Path(__file__).parents[2] / "contracts" / "openapi.json"

_DESCRIPTION: Final = """\
Wire-compatible with the vendor's Server Migration Service v3, with additions of our own under the same rules.

Every request is signed with SDK-HMAC-SHA256 over method, path, sorted query, signed headers (at least Host and
X-Sdk-Date) and the SHA-256 of the body; the service's clock and X-Sdk-Date may differ by 300 s. A request that changes
something is carried out once per signature, or per X-Sms-Idempotency-Key, for 600 s: a repeat gets the first answer.

Failures bear a stable code (docs/errors.md), its cause and the next step. Unknown things and those of other accounts
are answered alike.
"""
_ERRORS: Final = {
    "400": "The request cannot be read.",
    "401": "It is not signed by an active key, or its clock is off.",
    "403": "The user's policies do not allow it.",
    "404": "There is no such thing in this account.",
    "409": "The thing's state forbids it.",
    "500": "The service failed in a way that it does not know.",
    "503": "A part of the service is away; the request may be sent again.",
}
_ERRORS_OF_CHANGES: Final = {
    "413": "The body is too large.",
    "422": "The idempotency key belongs to another request.",
}
_IDEMPOTENCY_KEY: Final = {
    "name": "X-Sms-Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes a newly signed request a repeat of an earlier one. Must be among the signed headers.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
}


def document(routers: Sequence[ApiRouter] = ROUTERS) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    made = make_app(routers, _nobody, max_body_bytes=0).openapi()
    made["info"]["description"] = _DESCRIPTION
    made["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    made["servers"] = [{"url": "https://127.0.0.1:8443", "description": "the default of `sms up`"}]
    made["security"] = [{"sdk-hmac-sha256": []}]
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["ErrorReply"] = ErrorReply.model_json_schema()
    components["securitySchemes"] = {
        "sdk-hmac-sha256": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`SDK-HMAC-SHA256 Access=<access key>, SignedHeaders=<names>, Signature=<64 hex digits>`",
        }
    }
    for route in all_routes(routers):
        _complete(made["paths"][route.path][route.method.lower()], route)
    return dict(made)


def text(routers: Sequence[ApiRouter] = ROUTERS) -> str:
    """The file's content."""
    return json.dumps(document(routers), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _complete(operation: dict[str, Any], route: Route) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    errors = {**_ERRORS, **(_ERRORS_OF_CHANGES if route.changes_state else {})}
    for status, description in errors.items():
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorReply"}}}
        responses[status] = {"description": description, "content": content}
    for response in responses.values():
        response["headers"] = {"X-Request-Id": {"schema": {"type": "string"}, "description": "Names it in the log."}}
    if route.changes_state:
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)


async def _nobody(
    request: RawRequest, route: Route, parameters: Mapping[str, str], run: Callable[[Call], Awaitable[Reply]]
) -> Reply:
    """Nothing is served from a document."""
    raise NotImplementedError


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
