"""The gateway's settings: where it listens, its certificate, and its limits."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings, service_config


class GatewaySettings(ServiceSettings):
    """Prefix ``SMS_GATEWAY_``.

    listen: HOST:PORT. certificate_file and key_file: PEM, of the installation's authority.
    seal_key_file: of the secrets that agents of HTTP fetch; replicas share it. agents_refresh_s: after this time a
    replica listens for the agents that another one has registered.
    claim_s: after this time a request without an answer counts as one whose process was killed.
    """

    model_config = service_config("gateway")

    service_name: str = Field(default="gateway")
    listen: str = Field(default="127.0.0.1:8443")
    certificate_file: Path = Field(default=Path("api/server.pem"))
    key_file: Path = Field(default=Path("api/server.key"))
    seal_key_file: Path = Field(default=Path("keys/gateway.seal"))
    agents_refresh_s: float = Field(default=5, gt=0)
    clock_window_s: int = Field(default=300, ge=1)
    claim_s: float = Field(default=15, gt=0)
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    max_connections: int = Field(default=512, ge=1)
    request_head_timeout_s: float = Field(default=10, gt=0)
    request_body_timeout_s: float = Field(default=60, gt=0)
    keep_alive_s: int = Field(default=30, ge=1)
