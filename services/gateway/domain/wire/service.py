"""The API's own versions on the wire."""

from __future__ import annotations

from services.gateway.domain.wire.base import WireReply


class Link(WireReply):
    """rel: "self" for the address of the thing itself."""

    href: str
    rel: str


class ApiVersion(WireReply):
    """status: CURRENT, SUPPORTED or DEPRECATED. updated: ISO 8601 in UTC, with Z."""

    id: str
    links: list[Link]
    status: str
    updated: str


class ListApiVersionResponse(WireReply):
    """All versions."""

    versions: list[ApiVersion]
