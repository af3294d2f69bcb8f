"""Subject to handler; no logic."""

from __future__ import annotations

from contracts.messages.agent import EnrolAgent
from contracts.messages.api import AuthorizeRequest
from contracts.messages.identity import (
    CreateCredential,
    DisableCredential,
    IssueEnrolmentToken,
    ListCredentials,
    RefuseAgent,
)
from contracts.subjects import ROOT, cmd, req
from services.identity.authorizer import Authorizer
from services.identity.enrolments import SERVICE
from services.identity.handlers import Handlers
from shared.bus import ServiceBus


def subscribe(bus: ServiceBus, handlers: Handlers, authorizer: Authorizer) -> None:
    """Commands are acknowledged by the bus adapter after the handler's commit; requests are answered after it."""
    bus.on_request(req(SERVICE, "authorize"), AuthorizeRequest, authorizer.authorize)
    bus.on_request(req(SERVICE, "create-credential"), CreateCredential, handlers.create_credential)
    bus.on_request(req(SERVICE, "list-credentials"), ListCredentials, handlers.list_credentials)
    bus.on_request(req(SERVICE, "disable-credential"), DisableCredential, handlers.disable_credential)
    bus.on_request(req(SERVICE, "issue-enrolment-token"), IssueEnrolmentToken, handlers.issue_enrolment_token)
    bus.on_request(f"{ROOT}.enrol.*.*", EnrolAgent, handlers.enrol_agent)
    bus.on_command(cmd(SERVICE, "refuse-agent"), RefuseAgent, handlers.refuse_agent)
