"""Which command goes to which handler; each is acknowledged when its effect is durable, or tried again."""

from __future__ import annotations

from contracts.messages.certificate_issuer import (
    CreateAuthority,
    DestroyAuthority,
    IssueCertificate,
    RevokeCertificates,
)
from contracts.subjects import cmd
from services.certificate_issuer.handlers import SERVICE, Handlers
from shared.bus import ServiceBus


def subscribe(bus: ServiceBus, handlers: Handlers) -> None:
    """Declare all subscriptions."""
    bus.on_command(cmd(SERVICE, "create-authority"), CreateAuthority, handlers.on_create_authority)
    bus.on_command(cmd(SERVICE, "issue-certificate"), IssueCertificate, handlers.on_issue_certificate)
    bus.on_command(cmd(SERVICE, "revoke-certificates"), RevokeCertificates, handlers.on_revoke_certificates)
    bus.on_command(cmd(SERVICE, "destroy-authority"), DestroyAuthority, handlers.on_destroy_authority)
