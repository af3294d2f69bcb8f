"""The issuer's settings: where its sealing key is, besides what every service has."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings, service_config


class CertificateIssuerSettings(ServiceSettings):
    """Prefix ``SMS_CERTIFICATE_ISSUER_``.

    seal_key_file: seals authority keys at rest; made at the first start, to be kept with the store's backup but
    not in the same place. All replicas need the same.
    """

    model_config = service_config("certificate_issuer")

    service_name: str = Field(default="certificate_issuer")
    seal_key_file: Path = Field(default=Path("keys/certificate_issuer.seal"))
