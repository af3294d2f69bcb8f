"""Users of an account and the groups that they are in."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from contracts.base import Message, MessageKind, Model


class PolicyReference(Model):
    """A policy by id and name."""

    id: str
    name: str


class GroupReference(Model):
    """A group by id and name."""

    id: str
    name: str


class UserReference(Model):
    """A user by id and name."""

    id: str
    name: str


class UserView(Message):
    """One user. is_root: may do everything in the account. policies: attached to the user himself."""

    TYPE: ClassVar[str] = "sms.identity.user"
    KIND: ClassVar[MessageKind] = "reply"
    id: str
    name: str
    is_root: bool = False
    is_enabled: bool = True
    description: str = ""
    groups: tuple[GroupReference, ...] = ()
    policies: tuple[PolicyReference, ...] = ()
    created_at: datetime | None = None


class UserList(Message):
    """A page of users in the order of their names. count: of all."""

    TYPE: ClassVar[str] = "sms.identity.user-list"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    users: tuple[UserView, ...]


class GroupView(Message):
    """One group. users: its members, in the answer about a single group only."""

    TYPE: ClassVar[str] = "sms.identity.group"
    KIND: ClassVar[MessageKind] = "reply"
    id: str
    name: str
    description: str = ""
    policies: tuple[PolicyReference, ...] = ()
    users: tuple[UserReference, ...] = ()
    created_at: datetime | None = None


class GroupList(Message):
    """A page of groups in the order of their names. count: of all."""

    TYPE: ClassVar[str] = "sms.identity.group-list"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    groups: tuple[GroupView, ...]


class CreateUser(Message):
    """Request ``identity.create-user``. A new user may do nothing before a policy is attached to him or a group."""

    TYPE: ClassVar[str] = "sms.identity.create-user"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    name: str
    description: str = ""


class UpdateUser(Message):
    """Request ``identity.update-user``; None leaves as it is. Disabling refuses the user's keys and cuts what logged
    in with them."""

    TYPE: ClassVar[str] = "sms.identity.update-user"
    KIND: ClassVar[MessageKind] = "request"
    user_id: str
    is_enabled: bool | None = None
    description: str | None = None


class ShowUser(Message):
    """Request ``identity.show-user``. user_id: the id."""

    TYPE: ClassVar[str] = "sms.identity.show-user"
    KIND: ClassVar[MessageKind] = "request"
    user_id: str


class ListUsers(Message):
    """Request ``identity.list-users``. name: only the user of this name, "" for all."""

    TYPE: ClassVar[str] = "sms.identity.list-users"
    KIND: ClassVar[MessageKind] = "request"
    name: str = ""
    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=1000)


class DeleteUser(Message):
    """Request ``identity.delete-user``: for good, with all keys."""

    TYPE: ClassVar[str] = "sms.identity.delete-user"
    KIND: ClassVar[MessageKind] = "request"
    user_id: str


class CreateGroup(Message):
    """Request ``identity.create-group``."""

    TYPE: ClassVar[str] = "sms.identity.create-group"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    name: str
    description: str = ""


class ShowGroup(Message):
    """Request ``identity.show-group``."""

    TYPE: ClassVar[str] = "sms.identity.show-group"
    KIND: ClassVar[MessageKind] = "request"
    group_id: str


class ListGroups(Message):
    """Request ``identity.list-groups``. name: only the group of this name, "" for all."""

    TYPE: ClassVar[str] = "sms.identity.list-groups"
    KIND: ClassVar[MessageKind] = "request"
    name: str = ""
    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=1000)


class DeleteGroup(Message):
    """Request ``identity.delete-group``: its members lose what it gave them."""

    TYPE: ClassVar[str] = "sms.identity.delete-group"
    KIND: ClassVar[MessageKind] = "request"
    group_id: str


class SetMembership(Message):
    """Request ``identity.set-membership``: put a user into a group or take him out. Repeatable."""

    TYPE: ClassVar[str] = "sms.identity.set-membership"
    KIND: ClassVar[MessageKind] = "request"
    group_id: str
    user_id: str
    is_member: bool


class UserCreated(Message):
    """Event ``user.<id>.created``."""

    TYPE: ClassVar[str] = "sms.identity.user-created"
    KIND: ClassVar[MessageKind] = "event"
    user_id: str
    name: str


class UserUpdated(Message):
    """Event ``user.<id>.updated``."""

    TYPE: ClassVar[str] = "sms.identity.user-updated"
    KIND: ClassVar[MessageKind] = "event"
    user_id: str
    name: str
    is_enabled: bool


class UserDeleted(Message):
    """Event ``user.<id>.deleted``."""

    TYPE: ClassVar[str] = "sms.identity.user-deleted"
    KIND: ClassVar[MessageKind] = "event"
    user_id: str
    name: str


class GroupCreated(Message):
    """Event ``group.<id>.created``."""

    TYPE: ClassVar[str] = "sms.identity.group-created"
    KIND: ClassVar[MessageKind] = "event"
    group_id: str
    name: str


class GroupDeleted(Message):
    """Event ``group.<id>.deleted``."""

    TYPE: ClassVar[str] = "sms.identity.group-deleted"
    KIND: ClassVar[MessageKind] = "event"
    group_id: str
    name: str


class MembershipChanged(Message):
    """Event ``group.<id>.membership-changed``."""

    TYPE: ClassVar[str] = "sms.identity.membership-changed"
    KIND: ClassVar[MessageKind] = "event"
    group_id: str
    group_name: str
    user_id: str
    user_name: str
    is_member: bool
