"""Users and groups of an account, and who is in which."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.access import KEY_REUSED, NAME_TAKEN
from contracts.messages.reply import Accepted
from contracts.messages.user import (
    CreateUser,
    DeleteUser,
    ListUsers,
    ShowUser,
    UpdateUser,
    UserCreated,
    UserDeleted,
    UserList,
    UserUpdated,
    UserView,
)
from services.identity.credential_handlers import CredentialHandlers
from services.identity.directory import Directory
from services.identity.domain.directory import User, directory_id
from services.identity.domain.naming import MAX_OF_AN_ACCOUNT, check_description, check_number, check_user_name
from services.identity.domain.root import refuse_for_root, require_root_for
from services.identity.facts import fact
from services.identity.revocations import Revocations
from services.identity.views import Names, page
from shared.store.port import DuplicateError


class UserHandlers:
    """One coroutine per request about users."""

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

    async def create(self, request: CreateUser, envelope: Envelope) -> UserView:
        """Without any policy, and without a key."""
        check_user_name(request.name)
        check_description("user", request.description)
        account = envelope.account
        user_id = directory_id(account, "user", request.idempotency_key)
        known = await self._directory.users.load(account, user_id)
        if known is not None:
            if known.value.is_deleted or known.value.name != request.name:
                state = "deleted" if known.value.is_deleted else "another one"
                raise MigrationError(KEY_REUSED, kind="user", name=known.value.name, state=state)
            return await self._view(known.value)
        count = await self._directory.users.count(account, {"is_deleted": False})
        check_number(count + 1, limit=MAX_OF_AN_ACCOUNT, holder=f"account {account}", what="users")
        user = User(
            account=account,
            id=user_id,
            name=request.name,
            description=request.description,
            created_at=self._clock(),
        )
        created = UserCreated(user_id=user_id, name=user.name)
        try:
            await self._directory.users.save(
                account, user_id, user, expected_version=0, outbox=fact(envelope, "user", user_id, "created", created)
            )
        except DuplicateError as error:
            raise MigrationError(NAME_TAKEN, kind="user", name=request.name) from error
        return await self._view(user)

    async def update(self, request: UpdateUser, envelope: Envelope) -> UserView:
        """Disabling answers when the user's connections are cut."""
        stored = await self._directory.existing_user(envelope.account, request.user_id)
        require_root_for(stored.value, envelope.actor, "change the root user")
        if request.is_enabled is False:
            refuse_for_root(stored.value, "disabled")
        check_description("user", request.description or "")
        changed = stored.value.model_copy(update=request.model_dump(exclude={"user_id"}, exclude_none=True))
        if changed != stored.value:
            updated = UserUpdated(user_id=changed.id, name=changed.name, is_enabled=changed.is_enabled)
            await self._directory.users.save(
                envelope.account,
                changed.id,
                changed,
                expected_version=stored.version,
                outbox=fact(envelope, "user", changed.id, "updated", updated),
            )
        await self._revocations.enforce_users(envelope.account, [changed.id])
        return await self._view(changed)

    async def delete(self, request: DeleteUser, envelope: Envelope) -> Accepted:
        """The user first: from then on the keys are worth nothing, even if this is cut off before they are deleted."""
        stored = await self._directory.users.load(envelope.account, request.user_id) if request.user_id else None
        if stored is None or not stored.value.is_deleted:
            stored = await self._directory.existing_user(envelope.account, request.user_id)
            refuse_for_root(stored.value, "deleted")
            deleted = stored.value.model_copy(update={"is_deleted": True, "group_ids": (), "policy_ids": ()})
            message = UserDeleted(user_id=deleted.id, name=deleted.name)
            await self._directory.users.save(
                envelope.account,
                deleted.id,
                deleted,
                expected_version=stored.version,
                outbox=fact(envelope, "user", deleted.id, "deleted", message),
            )
        await self._credentials.delete_all_of(stored.value, envelope)
        self._revocations.forget(envelope.account)
        return Accepted(id=request.user_id)

    async def show(self, request: ShowUser, envelope: Envelope) -> UserView:
        """With groups and policies."""
        return await self._view((await self._directory.existing_user(envelope.account, request.user_id)).value)

    async def list_users(self, request: ListUsers, envelope: Envelope) -> UserList:
        """A page."""
        names = await Names.of(self._directory, envelope.account)
        count, chosen = page(names.users, request.name, offset=request.offset, limit=request.limit)
        return UserList(count=count, users=tuple(names.user(user) for user in chosen))

    async def _view(self, user: User) -> UserView:
        return (await Names.of(self._directory, user.account)).user(user)
