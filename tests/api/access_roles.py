"""Who asks in the access matrix, and what each may do: said here anew, not taken from identity's policies."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from contracts.messages.account import CreateAccount, NewAccount
from contracts.messages.identity import CreateCredential, CredentialSecret
from contracts.messages.policy import SetAttachment
from contracts.messages.reply import Accepted
from contracts.messages.user import CreateUser, UserView
from tests.api.bench import ACCOUNT, ApiBench

IDENTITY_TYPES: Final = frozenset({"account", "user", "group", "policy", "credential"})
FULL: Final = ("system-sms-full-access", "system-ecs-full-access", "system-vpc-full-access")


@dataclass(frozen=True, kw_only=True)
class Role:
    """key: access key and secret, None for a request without a signature. is_genuine: whether the key is right."""

    name: str
    key: tuple[str, str] | None
    account: str = ACCOUNT
    is_genuine: bool = True

    def may(self, action: str) -> bool:
        """Whether its policies allow an action at all."""
        _, kind, verb = action.split(":")
        is_own_account = action == "sms:account:get"
        if self.name == "root":
            return True
        if self.name == "foreign root":
            return kind != "account" or is_own_account
        if self.name in {"full", "foreign full"}:
            return kind not in IDENTITY_TYPES | {"command"} or is_own_account
        if self.name == "reader":
            is_query = verb in {"get", "list"} or action == "sms:event:subscribe"
            return (is_query and kind not in IDENTITY_TYPES | {"agent", "command"}) or is_own_account
        return kind == "agent" if self.name == "agent" else False


def make_roles(api: ApiBench) -> list[Role]:
    """All roles, with users of their own; those called "foreign" belong to another account."""
    other, foreign_root = api.run(_new_account(api))
    return [
        Role(name="root", key=api.root),
        Role(name="full", key=api.run(_new_user(api, ACCOUNT, *FULL))),
        Role(name="reader", key=api.run(_new_user(api, ACCOUNT, "system-sms-read-only-access"))),
        Role(name="agent", key=api.run(_new_user(api, ACCOUNT, "system-sms-agent-access"))),
        Role(name="nothing", key=api.run(_new_user(api, ACCOUNT))),
        Role(name="foreign full", key=api.run(_new_user(api, other, *FULL)), account=other),
        Role(name="foreign root", key=foreign_root, account=other),
        Role(name="wrong secret", key=(api.root[0], "0" * 40), is_genuine=False),
        Role(name="unsigned", key=None, is_genuine=False),
    ]


async def _new_account(api: ApiBench) -> tuple[str, tuple[str, str]]:
    name = f"m{uuid.uuid4().hex[:10]}"
    made: NewAccount = await api.ask(
        "identity", "create-account", CreateAccount(idempotency_key=name, name=name), NewAccount
    )
    return made.account.name, (made.access_key, made.secret_key)


async def _new_user(api: ApiBench, account: str, *policies: str) -> tuple[str, str]:
    name = f"u{uuid.uuid4().hex[:10]}"
    user: UserView = await api.ask(
        "identity", "create-user", CreateUser(idempotency_key=name, name=name), UserView, account
    )
    for policy in policies:
        attach = SetAttachment(policy_id=policy, user_id=user.id, is_attached=True)
        await api.ask("identity", "set-attachment", attach, Accepted, account)
    create = CreateCredential(user_id=user.id, idempotency_key=name)
    secret: CredentialSecret = await api.ask("identity", "create-credential", create, CredentialSecret, account)
    return secret.access_key, secret.secret_key
