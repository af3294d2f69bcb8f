"""Accounts: made and administered from the installation's own account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.access import INSTALLATION_PERMANENT, NAME_TAKEN, NOT_ALLOWED_HERE, UNKNOWN_ACCOUNT
from contracts.messages.account import (
    AccountCreated,
    AccountList,
    AccountUpdated,
    AccountView,
    CreateAccount,
    ListAccounts,
    NewAccount,
    ShowAccount,
    UpdateAccount,
)
from services.identity.credential_handlers import CredentialHandlers
from services.identity.directory import Directory
from services.identity.domain.directory import INSTALLATION_ACCOUNT, Account, root_user
from services.identity.domain.naming import check_account_name, check_description
from services.identity.facts import fact
from services.identity.revocations import Revocations
from services.identity.views import account_view, page
from shared.store.port import ConflictError
from shared.store.typed import Stored


class AccountHandlers:
    """One coroutine per request about accounts."""

    def __init__(
        self,
        directory: Directory,
        credentials: CredentialHandlers,
        revocations: Revocations,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._directory = directory
        self._credentials = credentials
        self._revocations = revocations
        self._clock = clock

    async def create(self, request: CreateAccount, envelope: Envelope) -> NewAccount:
        """An account, its root user and that user's first key."""
        _require_installation(envelope)
        check_account_name(request.name)
        check_description("account", request.description)
        now = self._clock()
        account = Account(
            name=request.name,
            description=request.description,
            quotas=request.quotas,
            created_at=now,
            made_by=f"{envelope.account}/{request.idempotency_key}",
        )
        root = root_user(request.name, now=now)
        created = AccountCreated(name=account.name, quotas=account.quotas)
        try:
            await self._directory.accounts.save(
                account.name,
                account.name,
                account,
                expected_version=0,
                outbox=fact(envelope, "account", account.name, "created", created, account=account.name),
                also=[self._directory.users.record(account.name, root.id, root)],
            )
        except ConflictError as error:
            stored = await self._existing(request.name)
            if stored.value.made_by != account.made_by:
                raise MigrationError(NAME_TAKEN, kind="account", name=request.name) from error
            account = stored.value
        secret = await self._credentials.create_for(
            root, envelope, idempotency_key=f"first/{request.idempotency_key}", description="first key"
        )
        return NewAccount(account=account_view(account), access_key=secret.access_key, secret_key=secret.secret_key)

    async def update(self, request: UpdateAccount, envelope: Envelope) -> AccountView:
        """Disabling answers when the account's connections are cut."""
        _require_installation(envelope)
        stored = await self._existing(request.name)
        if request.name == INSTALLATION_ACCOUNT and request.is_enabled is False:
            raise MigrationError(INSTALLATION_PERMANENT, what="Disabling it", account=request.name)
        check_description("account", request.description or "")
        changes = request.model_dump(exclude={"name", "quotas"}, exclude_none=True)
        if request.quotas is not None:
            changes["quotas"] = request.quotas
        changed = stored.value.model_copy(update=changes)
        if changed != stored.value:
            updated = AccountUpdated(name=changed.name, is_enabled=changed.is_enabled, quotas=changed.quotas)
            await self._directory.accounts.save(
                changed.name,
                changed.name,
                changed,
                expected_version=stored.version,
                outbox=fact(envelope, "account", changed.name, "updated", updated, account=changed.name),
            )
        await self._revocations.enforce_account(changed.name)
        return account_view(changed)

    async def show(self, request: ShowAccount, envelope: Envelope) -> AccountView:
        """The own account; another one to the installation's account alone."""
        name = request.name or envelope.account
        if name != envelope.account and envelope.account != INSTALLATION_ACCOUNT:
            raise MigrationError(UNKNOWN_ACCOUNT, account=name)
        return account_view((await self._existing(name)).value)

    async def list_accounts(self, request: ListAccounts, envelope: Envelope) -> AccountList:
        """All of the installation."""
        _require_installation(envelope)
        accounts = [stored.value async for stored in self._directory.accounts.find_all_accounts()]
        count, chosen = page(accounts, "", offset=request.offset, limit=request.limit)
        return AccountList(count=count, accounts=tuple(account_view(account) for account in chosen))

    async def _existing(self, name: str) -> Stored[Account]:
        stored = await self._directory.accounts.load(name, name) if name else None
        if stored is None:
            raise MigrationError(UNKNOWN_ACCOUNT, account=name)
        return stored


def _require_installation(envelope: Envelope) -> None:
    # The policy decision says so too; a mistake there must not be enough.
    if envelope.account != INSTALLATION_ACCOUNT:
        raise MigrationError(NOT_ALLOWED_HERE, account=envelope.account, installation=INSTALLATION_ACCOUNT)
