"""Small operations: what may be chosen, which migrations met an error, what a user has agreed to."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query

from contracts.messages.agreement import (
    AcceptPrivacyAgreement,
    ListTaskErrors,
    Offer,
    PrivacyAgreement,
    ShowOffer,
    ShowPrivacyAgreement,
    TaskErrorRow,
    TaskErrors,
)
from contracts.messages.reply import Accepted
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.domain.mapping.small import configuration, error_of
from services.gateway.domain.wire.small import (
    AgreementDone,
    ListErrorServersResponse,
    ShowConfigResponse,
    ShowPrivacyAgreementsResponse,
)

router = ApiRouter(tag="service")

DEFAULT_LIMIT: Final = 50
# Everything is in the one enterprise project, which the vendor numbers 0.
_ENTERPRISE_PROJECTS: Final = ("", "0", "all_granted_eps")


@router.get("/v3/config", action="sms:service:get", operation_id="show_config")
async def show_config(call: ApiCall) -> ShowConfigResponse:
    """What tasks and templates may choose from."""
    return configuration(await call.ask("task", "show-offer", ShowOffer(), Offer))


@router.get("/v3/errors", action="sms:task:list", operation_id="list_error_servers")
async def list_error_servers(
    call: ApiCall,
    limit: Annotated[int, Query(ge=0, le=1000)] = DEFAULT_LIMIT,
    offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
    enterprise_project_id: Annotated[str, Query(max_length=64)] = "",
) -> ListErrorServersResponse:
    """Servers whose migration rests because of a failure. limit 0 stands for 50."""
    if enterprise_project_id not in _ENTERPRISE_PROJECTS:
        return ListErrorServersResponse(count=0, migration_errors=[])
    wanted = limit or DEFAULT_LIMIT
    rows: list[TaskErrorRow] = []
    while True:
        request = ListTaskErrors(limit=wanted - len(rows), offset=offset + len(rows))
        page = await call.ask("task", "list-errors", request, TaskErrors)
        rows += page.errors
        if not page.errors or len(rows) >= wanted:
            return ListErrorServersResponse(count=page.count, migration_errors=[error_of(row) for row in rows])


@router.get("/v3/privacy-agreements", action="sms:service:get", operation_id="show_privacy_agreements")
async def show_privacy_agreements(call: ApiCall) -> ShowPrivacyAgreementsResponse:
    """Whether the user who asks has agreed to the privacy statement."""
    request = ShowPrivacyAgreement(user_id=call.user_id)
    found = await call.ask("task", "show-privacy-agreement", request, PrivacyAgreement)
    return ShowPrivacyAgreementsResponse(flag=found.accepted_at is not None)


@router.post("/v3/privacy-agreements", action="sms:service:agree", operation_id="create_privacy_agreements")
async def create_privacy_agreements(call: ApiCall) -> AgreementDone:
    """Agree to the privacy statement, for oneself."""
    await call.ask("task", "accept-privacy-agreement", AcceptPrivacyAgreement(user_id=call.user_id), Accepted)
    return AgreementDone()
