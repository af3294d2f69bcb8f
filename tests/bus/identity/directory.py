"""An account with users and policies, over the bus as the gateway speaks to identity."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from nats.aio.client import Client

from contracts.access_policy import PolicyDocument, PolicyStatement
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.messages.api import RequestAuthorization
from contracts.messages.identity import CreateCredential, CredentialSecret
from contracts.messages.policy import CreatePolicy, PolicyView, SetAttachment
from contracts.messages.reply import Accepted, Refused
from contracts.messages.user import CreateGroup, CreateUser, GroupView, SetMembership, UserView
from contracts.subjects import req
from tests.bus.identity.api_requests import authorize, signed
from tests.bus.identity.secure_bus import SecureBus, new_account

R = TypeVar("R", bound=Message)


class Asker:
    """Asks identity in an account, as one of its users."""

    def __init__(self, client: Client, account: str, actor: str = "root") -> None:
        self.client = client
        self.account = account
        self.actor = actor

    def as_user(self, actor: str) -> Asker:
        return Asker(self.client, self.account, actor)

    def of(self, account: str) -> Asker:
        return Asker(self.client, account, self.actor)

    async def ask(self, verb: str, message: Message, reply_model: type[R]) -> R:
        envelope = Envelope.of(message, source="/services/gateway", account=self.account, actor=self.actor)
        raw = await self.client.request(
            req("identity", verb), message.model_dump_json().encode(), timeout=10, headers=envelope.headers()
        )
        if Envelope.from_headers(dict(raw.headers or {})).type == Refused.TYPE:
            raise MigrationError(Refused.model_validate_json(raw.data).failure)
        return reply_model.model_validate_json(raw.data)

    async def user(self, name: str) -> UserView:
        return await self.ask("create-user", CreateUser(idempotency_key=uuid.uuid4().hex, name=name), UserView)

    async def group(self, name: str) -> GroupView:
        return await self.ask("create-group", CreateGroup(idempotency_key=uuid.uuid4().hex, name=name), GroupView)

    async def policy(self, name: str, *statements: PolicyStatement) -> PolicyView:
        document = PolicyDocument(statement=statements)
        message = CreatePolicy(idempotency_key=uuid.uuid4().hex, name=name, document=document)
        return await self.ask("create-policy", message, PolicyView)

    async def key(self, user_id: str = "", *, idempotency_key: str = "") -> CredentialSecret:
        message = CreateCredential(user_id=user_id, idempotency_key=idempotency_key or uuid.uuid4().hex)
        return await self.ask("create-credential", message, CredentialSecret)

    async def attach(
        self, policy_id: str, *, user_id: str = "", group_id: str = "", is_attached: bool = True
    ) -> Accepted:
        message = SetAttachment(policy_id=policy_id, user_id=user_id, group_id=group_id, is_attached=is_attached)
        return await self.ask("set-attachment", message, Accepted)

    async def join(self, group_id: str, user_id: str, *, is_member: bool = True) -> Accepted:
        message = SetMembership(group_id=group_id, user_id=user_id, is_member=is_member)
        return await self.ask("set-membership", message, Accepted)

    async def verdict(
        self, key: CredentialSecret, action: str, *resources: str, source_address: str = "192.0.2.7"
    ) -> RequestAuthorization:
        request = signed(key.access_key, key.secret_key, action, *resources, source_address=source_address)
        return await authorize(self.client, request)

    async def may(self, key: CredentialSecret, action: str, *resources: str) -> bool:
        return (await self.verdict(key, action, *resources)).is_allowed


def allow(*action: str, resource: tuple[str, ...] = ("*",)) -> PolicyStatement:
    return PolicyStatement(effect="Allow", action=action, resource=resource)


def deny(*action: str, resource: tuple[str, ...] = ("*",)) -> PolicyStatement:
    return PolicyStatement(effect="Deny", action=action, resource=resource)


@asynccontextmanager
async def new_asker(bus: SecureBus) -> AsyncIterator[Asker]:
    """The root user of an account that has just got its first key."""
    client = await bus.service("gateway")
    asker = Asker(client, new_account())
    await asker.key()
    yield asker
    await client.close()
