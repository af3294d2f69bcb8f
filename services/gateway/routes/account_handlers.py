"""Accounts, and the access keys of their users."""

from __future__ import annotations

from typing import Final

from contracts.messages.account import (
    AccountList,
    AccountView,
    CreateAccount,
    ListAccounts,
    NewAccount,
    ShowAccount,
    UpdateAccount,
)
from contracts.messages.identity import (
    CreateCredential,
    CredentialList,
    CredentialSecret,
    DeleteCredential,
    DisableCredential,
    EnableCredential,
    ListCredentials,
    RotateCredential,
)
from contracts.messages.reply import Accepted
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.domain.wire.identity import AccountChanges, CredentialChanges, NewAccountBody, NewCredential
from services.gateway.routes.identity_handlers import Limit, Offset

router = ApiRouter(tag="accounts")

_OWN: Final = "-"


@router.get("/v3/accounts", action="sms:account:list", operation_id="list_accounts")
async def list_accounts(call: ApiCall, limit: Limit = 100, offset: Offset = 0) -> AccountList:
    """All accounts; for the installation's own account alone."""
    return await call.ask("identity", "list-accounts", ListAccounts(limit=limit, offset=offset), AccountList)


@router.post("/v3/accounts", action="sms:account:create", operation_id="create_account", keeps_answer=False, status=201)
async def create_account(call: ApiCall, body: NewAccountBody) -> NewAccount:
    """Create an account with the first key of its root user; for the installation's own account alone."""
    message = CreateAccount(
        idempotency_key=call.idempotency_key, name=body.name, description=body.description, quotas=body.quotas
    )
    return await call.ask("identity", "create-account", message, NewAccount)


@router.get(
    "/v3/accounts/{account_name}",
    action="sms:account:get",
    resource="account:{account_name}",
    operation_id="show_account",
)
async def show_account(call: ApiCall, account_name: str) -> AccountView:
    """The own account (``-``) with its quotas; who may list accounts sees every one."""
    name = call.account if account_name == _OWN else account_name
    if name != call.account:
        # A policy that shows the own account must not show the others to users of the installation's account.
        await call.require("sms:account:list", "account:*")
    return await call.ask("identity", "show-account", ShowAccount(name=name), AccountView)


@router.put(
    "/v3/accounts/{account_name}",
    action="sms:account:update",
    resource="account:{account_name}",
    operation_id="update_account",
)
async def update_account(call: ApiCall, account_name: str, body: AccountChanges) -> AccountView:
    """Set quotas, disable or enable an account; for the installation's own account alone."""
    message = UpdateAccount(
        name=account_name, is_enabled=body.is_enabled, description=body.description, quotas=body.quotas
    )
    return await call.ask("identity", "update-account", message, AccountView)


@router.get("/v3/credentials", action="sms:credential:list", operation_id="list_credentials")
async def list_credentials(call: ApiCall) -> CredentialList:
    """All access keys of the account, without their secrets."""
    return await call.ask("identity", "list-credentials", ListCredentials(), CredentialList)


@router.post(
    "/v3/credentials",
    action="sms:credential:create",
    operation_id="create_credential",
    keeps_answer=False,
    status=201,
)
async def create_credential(call: ApiCall, body: NewCredential) -> CredentialSecret:
    """A key of the account's root user, which only the root user makes. The secret key is in this answer alone."""
    message = CreateCredential(idempotency_key=call.idempotency_key, description=body.description)
    return await call.ask("identity", "create-credential", message, CredentialSecret)


@router.get(
    "/v3/users/{user_id}/credentials",
    action="sms:credential:list",
    resource="user:{user_id}",
    operation_id="list_credentials_of_user",
)
async def list_credentials_of_user(call: ApiCall, user_id: str) -> CredentialList:
    """The access keys of one user."""
    return await call.ask("identity", "list-credentials", ListCredentials(user_id=user_id), CredentialList)


@router.post(
    "/v3/users/{user_id}/credentials",
    action="sms:credential:create",
    resource="user:{user_id}",
    operation_id="create_credential_of_user",
    keeps_answer=False,
    status=201,
)
async def create_credential_of_user(call: ApiCall, user_id: str, body: NewCredential) -> CredentialSecret:
    """A key of one user. The secret key is in this answer alone."""
    message = CreateCredential(idempotency_key=call.idempotency_key, user_id=user_id, description=body.description)
    return await call.ask("identity", "create-credential", message, CredentialSecret)


@router.post(
    "/v3/credentials/{access_key}/rotate",
    action="sms:credential:create",
    resource="credential:{access_key}",
    operation_id="rotate_credential",
    keeps_answer=False,
    status=201,
)
async def rotate_credential(call: ApiCall, access_key: str, body: NewCredential) -> CredentialSecret:
    """A second key for the same user; the first works until it is disabled."""
    message = RotateCredential(
        access_key=access_key, idempotency_key=call.idempotency_key, description=body.description
    )
    return await call.ask("identity", "rotate-credential", message, CredentialSecret)


@router.put(
    "/v3/credentials/{access_key}",
    action="sms:credential:update",
    resource="credential:{access_key}",
    operation_id="update_credential",
)
async def update_credential(call: ApiCall, access_key: str, body: CredentialChanges) -> Accepted:
    """Disable a key, which cuts what has logged in with it within 5 s, or enable it again."""
    if body.is_active:
        message = EnableCredential(access_key=access_key)
        return await call.ask("identity", "enable-credential", message, Accepted)
    return await call.ask("identity", "disable-credential", DisableCredential(access_key=access_key), Accepted)


@router.delete(
    "/v3/credentials/{access_key}",
    action="sms:credential:delete",
    resource="credential:{access_key}",
    operation_id="delete_credential",
)
async def delete_credential(call: ApiCall, access_key: str) -> Accepted:
    """Delete a key for good: as disabling, and its sealed secret is destroyed."""
    return await call.ask("identity", "delete-credential", DeleteCredential(access_key=access_key), Accepted)
