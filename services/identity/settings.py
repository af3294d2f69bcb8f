"""Identity's settings: where its keys are, besides what every service has."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings, service_config


class IdentitySettings(ServiceSettings):
    """Prefix ``SMS_IDENTITY_``.

    issuer_seed_file: the account nkey that signs logins; the bus's configuration names its public part.
    system_seed_file: the login in the bus's system account that cuts connections. seal_key_file: seals secret
    keys at rest; made at the first start, to be kept with the store's backup but not in the same place.
    root_credential_file: the first key of the installation (JSON: account, access_key, secret_key; mode 0600), taken
    over at the start.
    """

    model_config = service_config("identity")

    service_name: str = Field(default="identity")
    issuer_seed_file: Path = Field(default=Path("keys/issuer.nk"))
    system_seed_file: Path = Field(default=Path("keys/identity_system.nk"))
    seal_key_file: Path = Field(default=Path("keys/identity.seal"))
    root_credential_file: Path | None = Field(default=None)
    key_use_interval_s: float = Field(default=60, gt=0)
    cleaning_interval_s: float = Field(default=60, gt=0)
