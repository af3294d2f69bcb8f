"""Policies of an account, and to whom they are attached."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from contracts.access_policy import PolicyDocument
from contracts.base import Message, MessageKind
from contracts.messages.user import GroupReference, UserReference


class PolicyView(Message):
    """One policy. is_system: it comes with the installation and cannot be changed. users, groups: whom it is attached
    to, in the answer about a single policy only."""

    TYPE: ClassVar[str] = "sms.identity.policy"
    KIND: ClassVar[MessageKind] = "reply"
    id: str
    name: str
    is_system: bool = False
    description: str = ""
    document: PolicyDocument
    users: tuple[UserReference, ...] = ()
    groups: tuple[GroupReference, ...] = ()
    created_at: datetime | None = None
    changed_at: datetime | None = None


class PolicyList(Message):
    """A page of policies, the system's first. count: of all."""

    TYPE: ClassVar[str] = "sms.identity.policy-list"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    policies: tuple[PolicyView, ...]


class CreatePolicy(Message):
    """Request ``identity.create-policy``."""

    TYPE: ClassVar[str] = "sms.identity.create-policy"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    name: str
    description: str = ""
    document: PolicyDocument


class UpdatePolicy(Message):
    """Request ``identity.update-policy``; None leaves as it is. It holds at once for everybody whom it is attached
    to."""

    TYPE: ClassVar[str] = "sms.identity.update-policy"
    KIND: ClassVar[MessageKind] = "request"
    policy_id: str
    description: str | None = None
    document: PolicyDocument | None = None


class ShowPolicy(Message):
    """Request ``identity.show-policy``."""

    TYPE: ClassVar[str] = "sms.identity.show-policy"
    KIND: ClassVar[MessageKind] = "request"
    policy_id: str


class ListPolicies(Message):
    """Request ``identity.list-policies``. name: only the policy of this name, "" for all."""

    TYPE: ClassVar[str] = "sms.identity.list-policies"
    KIND: ClassVar[MessageKind] = "request"
    name: str = ""
    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=1000)


class DeletePolicy(Message):
    """Request ``identity.delete-policy``: whoever has it loses what it allows, and what it denies no longer holds."""

    TYPE: ClassVar[str] = "sms.identity.delete-policy"
    KIND: ClassVar[MessageKind] = "request"
    policy_id: str


class SetAttachment(Message):
    """Request ``identity.set-attachment``: attach a policy to a user or to a group, or detach it. Repeatable.

    Exactly one of user_id and group_id is given.
    """

    TYPE: ClassVar[str] = "sms.identity.set-attachment"
    KIND: ClassVar[MessageKind] = "request"
    policy_id: str
    user_id: str = ""
    group_id: str = ""
    is_attached: bool


class PolicyCreated(Message):
    """Event ``policy.<id>.created``."""

    TYPE: ClassVar[str] = "sms.identity.policy-created"
    KIND: ClassVar[MessageKind] = "event"
    policy_id: str
    name: str
    document: PolicyDocument


class PolicyUpdated(Message):
    """Event ``policy.<id>.updated``."""

    TYPE: ClassVar[str] = "sms.identity.policy-updated"
    KIND: ClassVar[MessageKind] = "event"
    policy_id: str
    name: str
    document: PolicyDocument


class PolicyDeleted(Message):
    """Event ``policy.<id>.deleted``."""

    TYPE: ClassVar[str] = "sms.identity.policy-deleted"
    KIND: ClassVar[MessageKind] = "event"
    policy_id: str
    name: str


class AttachmentChanged(Message):
    """Event ``policy.<id>.attachment-changed``. user_id or group_id: whom the policy was attached to or taken from."""

    TYPE: ClassVar[str] = "sms.identity.attachment-changed"
    KIND: ClassVar[MessageKind] = "event"
    policy_id: str
    policy_name: str
    user_id: str = ""
    group_id: str = ""
    is_attached: bool
