"""What the service offers, which migrations met an error, and a user's consent, on the wire."""

from __future__ import annotations

from services.gateway.domain.wire.base import WireReply


class ShowConfigResponse(WireReply):
    """config: texts by name, lists separated by commas. regions: each with id and name; the first is the main one."""

    config: dict[str, str]
    regions: list[dict[str, str]]


class MigrationErrors(WireReply):
    """A server whose migration rests because of a failure. error_json: the failure as JSON text."""

    error_json: str
    host_name: str
    name: str
    source_id: str
    source_ip: str
    target_ip: str


class ListErrorServersResponse(WireReply):
    """count: all of the account."""

    count: int
    migration_errors: list[MigrationErrors]


class ShowPrivacyAgreementsResponse(WireReply):
    """Whether the user has agreed."""

    flag: bool


class AgreementDone(WireReply):
    """Nothing but that it was done."""
