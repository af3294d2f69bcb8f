"""The authority of one task: commands of the task service, and the facts that answer them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from contracts.base import Message, MessageKind
from contracts.errors import Failure
from contracts.messages.agent import AgentRole


class CreateAuthority(Message):
    """Command ``certificate_issuer.create-authority``: one certificate authority for this task. Idempotent."""

    TYPE: ClassVar[str] = "sms.certificate.create-authority"
    KIND: ClassVar[MessageKind] = "command"
    task_id: str


class AuthorityCreated(Message):
    """Event ``certificate.<task id>.authority-created``."""

    TYPE: ClassVar[str] = "sms.certificate.authority-created"
    KIND: ClassVar[MessageKind] = "event"
    task_id: str
    authority_pem: str


class IssueCertificate(Message):
    """Command ``certificate_issuer.issue-certificate``. request_id: repeated, the same certificate answers."""

    TYPE: ClassVar[str] = "sms.certificate.issue"
    KIND: ClassVar[MessageKind] = "command"
    task_id: str
    role: AgentRole
    csr_pem: str
    request_id: str


class CertificateIssued(Message):
    """Event ``certificate.<task id>.issued``."""

    TYPE: ClassVar[str] = "sms.certificate.issued"
    KIND: ClassVar[MessageKind] = "event"
    task_id: str
    role: AgentRole
    request_id: str
    certificate_pem: str
    authority_pem: str
    serial: str
    not_after: datetime


class CertificateRefused(Message):
    """Event ``certificate.<task id>.refused``: the request names another task or role, or cannot be read."""

    TYPE: ClassVar[str] = "sms.certificate.refused"
    KIND: ClassVar[MessageKind] = "event"
    task_id: str
    role: AgentRole
    request_id: str
    failure: Failure


class DestroyAuthority(Message):
    """Command ``certificate_issuer.destroy-authority``: the task has ended; its key is destroyed and nothing is
    issued for it any more."""

    TYPE: ClassVar[str] = "sms.certificate.destroy-authority"
    KIND: ClassVar[MessageKind] = "command"
    task_id: str


class AuthorityDestroyed(Message):
    """Event ``certificate.<task id>.authority-destroyed``."""

    TYPE: ClassVar[str] = "sms.certificate.authority-destroyed"
    KIND: ClassVar[MessageKind] = "event"
    task_id: str


class RevokeCertificates(Message):
    """Command ``certificate_issuer.revoke-certificates``: what was issued to this role until now is void, both
    roles when role is None. New requests are served."""

    TYPE: ClassVar[str] = "sms.certificate.revoke"
    KIND: ClassVar[MessageKind] = "command"
    task_id: str
    role: AgentRole | None = None


class CertificatesRevoked(Message):
    """Event ``certificate.<task id>.revoked``. serials: hexadecimal, of certificates that had not expired."""

    TYPE: ClassVar[str] = "sms.certificate.revoked"
    KIND: ClassVar[MessageKind] = "event"
    task_id: str
    serials: tuple[str, ...]
