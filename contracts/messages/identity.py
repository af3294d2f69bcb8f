"""Credentials: access keys, one-time enrolment tokens, and the refusal of agents."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from contracts.base import Message, MessageKind, Model


class CredentialView(Model):
    """A credential without its secret."""

    access_key: str
    is_active: bool = True
    created_at: datetime | None = None
    description: str = ""


class CreateCredential(Message):
    """Request ``identity.create-credential``."""

    TYPE: ClassVar[str] = "sms.identity.create-credential"
    KIND: ClassVar[MessageKind] = "request"
    description: str = ""


class CredentialSecret(Message):
    """The only message that holds a secret key; it is a reply, never kept, and cannot be asked for again."""

    TYPE: ClassVar[str] = "sms.identity.credential-secret"
    KIND: ClassVar[MessageKind] = "reply"
    access_key: str
    secret_key: str


class ListCredentials(Message):
    """Request ``identity.list-credentials``."""

    TYPE: ClassVar[str] = "sms.identity.list-credentials"
    KIND: ClassVar[MessageKind] = "request"


class CredentialList(Message):
    """All credentials of the account."""

    TYPE: ClassVar[str] = "sms.identity.credential-list"
    KIND: ClassVar[MessageKind] = "reply"
    credentials: tuple[CredentialView, ...]


class DisableCredential(Message):
    """Request ``identity.disable-credential``: live logins with it are cut within 5 s. Agents that have enrolled
    with it are cut too and refused from then on."""

    TYPE: ClassVar[str] = "sms.identity.disable-credential"
    KIND: ClassVar[MessageKind] = "request"
    access_key: str


class IssueEnrolmentToken(Message):
    """Request ``identity.issue-enrolment-token``: a one-time token for the target agent of a task.

    request_id: the same request answers with a token for the same agent id, the earlier token being void.
    """

    TYPE: ClassVar[str] = "sms.identity.issue-enrolment-token"
    KIND: ClassVar[MessageKind] = "request"
    request_id: str
    task_id: str
    valid_s: int = 900


class EnrolmentToken(Message):
    """The token, for the metadata service of the helper alone. agent_id: whom the login will be."""

    TYPE: ClassVar[str] = "sms.identity.enrolment-token"
    KIND: ClassVar[MessageKind] = "reply"
    token_id: str
    secret: str
    agent_id: str


class RefuseAgent(Message):
    """Command ``identity.refuse-agent``: cut this agent's connections and refuse its logins for refuse_s
    seconds (0: for good)."""

    TYPE: ClassVar[str] = "sms.identity.refuse-agent"
    KIND: ClassVar[MessageKind] = "command"
    agent_id: str
    reason: str
    refuse_s: int = 0


class CredentialCreated(Message):
    """Event ``credential.<access key>.created``."""

    TYPE: ClassVar[str] = "sms.identity.credential-created"
    KIND: ClassVar[MessageKind] = "event"
    access_key: str


class CredentialDisabled(Message):
    """Event ``credential.<access key>.disabled``."""

    TYPE: ClassVar[str] = "sms.identity.credential-disabled"
    KIND: ClassVar[MessageKind] = "event"
    access_key: str


class AgentEnrolled(Message):
    """Event ``credential.<credential id>.agent-enrolled``: a key has been bound to an agent id."""

    TYPE: ClassVar[str] = "sms.identity.agent-enrolled"
    KIND: ClassVar[MessageKind] = "event"
    agent_id: str
    credential_id: str
    role: str


class LoginDenied(Message):
    """Audit record ``login-denied``. login: the name that was claimed."""

    TYPE: ClassVar[str] = "sms.identity.login-denied"
    KIND: ClassVar[MessageKind] = "event"
    login: str
    reason: str
    address: str = ""
