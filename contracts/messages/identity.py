"""Credentials: access keys, one-time enrolment tokens, and the refusal of agents."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from contracts.base import Message, MessageKind, Model


class CredentialView(Model):
    """A credential without its secret. last_used_at: to a minute; None for a key that was never used."""

    access_key: str
    is_active: bool = True
    created_at: datetime | None = None
    description: str = ""
    user_id: str = ""
    user_name: str = ""
    last_used_at: datetime | None = None


class CreateCredential(Message):
    """Request ``identity.create-credential``. user_id: whose key it is, "" for the account's root user.

    idempotency_key: a repeated request answers with the same access key and without its secret; "" makes a new key
    each time.
    """

    TYPE: ClassVar[str] = "sms.identity.create-credential"
    KIND: ClassVar[MessageKind] = "request"
    description: str = ""
    user_id: str = ""
    idempotency_key: str = ""


class CredentialSecret(Message):
    """A new key with its secret: a reply, never kept, which cannot be asked for again (secret_key is "" then)."""

    TYPE: ClassVar[str] = "sms.identity.credential-secret"
    KIND: ClassVar[MessageKind] = "reply"
    access_key: str
    secret_key: str
    user_id: str = ""
    user_name: str = ""


class ListCredentials(Message):
    """Request ``identity.list-credentials``. user_id: only this user's, "" for all of the account."""

    TYPE: ClassVar[str] = "sms.identity.list-credentials"
    KIND: ClassVar[MessageKind] = "request"
    user_id: str = ""


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


class EnableCredential(Message):
    """Request ``identity.enable-credential``: use a disabled key again; its user may have two active ones."""

    TYPE: ClassVar[str] = "sms.identity.enable-credential"
    KIND: ClassVar[MessageKind] = "request"
    access_key: str


class RotateCredential(Message):
    """Request ``identity.rotate-credential``: a second key for the same user; the first works until it is disabled."""

    TYPE: ClassVar[str] = "sms.identity.rotate-credential"
    KIND: ClassVar[MessageKind] = "request"
    access_key: str
    idempotency_key: str
    description: str = ""


class DeleteCredential(Message):
    """Request ``identity.delete-credential``: as disabling, and for good; the sealed secret is destroyed."""

    TYPE: ClassVar[str] = "sms.identity.delete-credential"
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
    user_id: str = ""


class CredentialDisabled(Message):
    """Event ``credential.<access key>.disabled``."""

    TYPE: ClassVar[str] = "sms.identity.credential-disabled"
    KIND: ClassVar[MessageKind] = "event"
    access_key: str
    user_id: str = ""


class CredentialEnabled(Message):
    """Event ``credential.<access key>.enabled``."""

    TYPE: ClassVar[str] = "sms.identity.credential-enabled"
    KIND: ClassVar[MessageKind] = "event"
    access_key: str
    user_id: str = ""


class CredentialDeleted(Message):
    """Event ``credential.<access key>.deleted``."""

    TYPE: ClassVar[str] = "sms.identity.credential-deleted"
    KIND: ClassVar[MessageKind] = "event"
    access_key: str
    user_id: str = ""


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
