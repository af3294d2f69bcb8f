"""Builds the issuer's adapters: the only place that does."""

from __future__ import annotations

from services.certificate_issuer.adapters.keys import FileSeal, SystemKeys
from services.certificate_issuer.handlers import Handlers
from services.certificate_issuer.settings import CertificateIssuerSettings
from services.certificate_issuer.subscriptions import subscribe
from shared.service import ServiceContext


async def wire(context: ServiceContext) -> None:
    """Raises ValueError or OSError when the key file cannot be used."""
    settings = context.settings
    if not isinstance(settings, CertificateIssuerSettings):
        raise TypeError("the issuer needs its own settings")
    seal = FileSeal.open_or_create(settings.seal_key_file)
    subscribe(context.bus, Handlers(context.store, seal, SystemKeys()))
