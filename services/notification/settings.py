"""Settings of the notification service: prefix ``SMS_NOTIFICATION_``."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.settings import ServiceSettings, service_config

MailSecurity = Literal["starttls", "tls", "none"]


class NotificationSettings(ServiceSettings):
    """seal_key_file: seals the channels' secrets at rest; made at the first start.

    webhook_allow: networks (CIDR) that may be reached although they are not public. webhook_hosts: when it is not
    empty, webhooks go to these hosts only (``*.example.org``: every host below it). webhook_allow_http: without TLS
    too. ca_file: PEM, further authorities for receivers and mail server. send_timeout_s: of one attempt;
    after that and claim_reserve_s more, an attempt whose process is gone is made again.
    retry_delays_s: pauses between attempts; after the last one a notification is given up.
    smtp_host "": no mail. smtp_password_file: read at every mail.
    """

    model_config = service_config("notification")

    service_name: str = Field(default="notification")
    seal_key_file: Path = Field(default=Path("keys/notification.seal"))
    channel_quota: int = Field(default=20, ge=1)
    pending_quota: int = Field(default=1000, ge=1)
    kept_deliveries: int = Field(default=100, ge=1)
    watch_interval_s: float = Field(default=2, gt=0)
    queue_interval_s: float = Field(default=1, gt=0)
    send_timeout_s: float = Field(default=8, gt=0)
    claim_reserve_s: float = Field(default=10, gt=0)
    retry_delays_s: tuple[float, ...] = Field(default=(5, 15, 60, 300, 900, 3600, 3600, 3600, 3600), min_length=1)
    webhook_allow: tuple[str, ...] = Field(default=())
    webhook_hosts: tuple[str, ...] = Field(default=())
    webhook_allow_http: bool = Field(default=False)
    ca_file: Path | None = Field(default=None)
    smtp_host: str = Field(default="")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: MailSecurity = Field(default="starttls")
    smtp_user: str = Field(default="")
    smtp_password_file: Path | None = Field(default=None)
    smtp_from: str = Field(default="")

    @field_validator("webhook_allow")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(network)) for network in networks)

    @field_validator("smtp_from")
    @classmethod
    def _is_an_address(cls, address: str) -> str:
        if address and not re.fullmatch(r"[^\s<>@,;:\"\\]+@[A-Za-z0-9.-]+", address):
            raise ValueError("not a mail address")
        return address

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Self:
        if self.smtp_host and not self.smtp_from:
            raise ValueError("smtp_from is needed with smtp_host")
        if self.smtp_user and self.smtp_security == "none":
            raise ValueError("a login needs smtp_security starttls or tls: the password would travel in the clear")
        return self

    def smtp_password(self) -> SecretStr:
        """From its file, now; empty without one."""
        if self.smtp_password_file is None:
            return SecretStr("")
        return SecretStr(self.smtp_password_file.read_text(encoding="utf-8").strip())
