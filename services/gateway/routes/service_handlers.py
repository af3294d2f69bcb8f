"""What the API says of itself."""

from __future__ import annotations

from typing import Final

from contracts.errors import MigrationError
from contracts.errors.api import API_UNKNOWN_VERSION
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.domain.wire.service import ApiVersion, Link, ListApiVersionResponse

router = ApiRouter(tag="service")

_V3: Final = ApiVersion(
    id="v3", links=[Link(href="/v3/", rel="self")], status="CURRENT", updated="2026-01-01T00:00:00Z"
)


@router.get("/", action="sms:service:list", operation_id="list_api_version")
async def list_api_version(call: ApiCall) -> ListApiVersionResponse:
    """The versions of the API."""
    return ListApiVersionResponse(versions=[_V3])


@router.get("/{version}", action="sms:service:get", operation_id="show_api_version")
async def show_api_version(call: ApiCall, version: str) -> ApiVersion:
    """One version of the API."""
    if version != _V3.id:
        raise MigrationError(API_UNKNOWN_VERSION, version=version)
    return _V3
