"""Access keys of users: made, rotated, disabled, deleted; the secret key is shown once."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.access import INSTALLATION_PERMANENT, KEY_REUSED, UNKNOWN_USER
from contracts.errors.identity import TOO_MANY_CREDENTIALS, UNKNOWN_CREDENTIAL
from contracts.messages.identity import (
    CreateCredential,
    CredentialCreated,
    CredentialDeleted,
    CredentialDisabled,
    CredentialEnabled,
    CredentialList,
    CredentialSecret,
    CredentialView,
    DeleteCredential,
    DisableCredential,
    EnableCredential,
    ListCredentials,
    RotateCredential,
)
from contracts.messages.reply import Accepted
from services.identity.directory import Directory
from services.identity.domain.directory import INSTALLATION_ACCOUNT, User, directory_id, root_user_id
from services.identity.domain.naming import check_description
from services.identity.domain.ports import Seal
from services.identity.domain.records import Credential, SealedSecret, places_of
from services.identity.domain.root import require_root_for
from services.identity.facts import fact
from services.identity.records import IdentityRecords
from services.identity.revocations import Revocations
from shared.store.port import DuplicateError
from shared.store.typed import Stored

_SECRET_BYTES: Final = 32
_RANDOM_KEY_BYTES: Final = 16
_ACCESS_KEY_CHARACTERS: Final = 18
_DESTROYED: Final = SealedSecret(key_id="", nonce="", ciphertext="")


class CredentialHandlers:
    """One coroutine per request about keys."""

    def __init__(
        self,
        records: IdentityRecords,
        directory: Directory,
        seal: Seal,
        revocations: Revocations,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._records = records
        self._directory = directory
        self._seal = seal
        self._revocations = revocations
        self._clock = clock

    async def create(self, request: CreateCredential, envelope: Envelope) -> CredentialSecret:
        """The secret key leaves in this reply and nowhere else."""
        root = await self._directory.ensure_account(envelope.account, now=self._clock())
        user = root
        if request.user_id not in {"", root.id}:
            user = (await self._directory.existing_user(envelope.account, request.user_id)).value
        return await self.create_for(
            user, envelope, idempotency_key=request.idempotency_key, description=request.description
        )

    async def create_for(
        self, user: User, envelope: Envelope, *, idempotency_key: str, description: str
    ) -> CredentialSecret:
        """A key of this user. Raises SMS.IDENTITY.TOO_MANY_CREDENTIALS, …KEY_REUSED, …ROOT_PROTECTED."""
        require_root_for(user, envelope.actor, "make a key of the root user")
        check_description("credential", description)
        key = idempotency_key or secrets.token_hex(_RANDOM_KEY_BYTES)
        access_key = "AK" + directory_id(user.account, "credential", key)[:_ACCESS_KEY_CHARACTERS].upper()
        known = await self._records.credentials.load(user.account, access_key)
        if known is not None:
            return _repeated(known.value, user)
        secret_key = secrets.token_urlsafe(_SECRET_BYTES)
        credential = Credential(
            account=user.account,
            access_key=access_key,
            place="",
            secret=self._seal.seal(secret_key, account=user.account, identifier=access_key, version=1),
            created_at=self._clock(),
            description=description,
            user_id=user.id,
        )
        created = CredentialCreated(access_key=access_key, user_id=user.id)
        outbox = fact(envelope, "credential", access_key, "created", created, account=user.account)
        for place in places_of(user.id, is_root=user.is_root):
            placed = credential.model_copy(update={"place": place})
            try:
                await self._records.credentials.save(
                    user.account, access_key, placed, expected_version=0, outbox=outbox
                )
            except DuplicateError:
                continue
            return CredentialSecret(access_key=access_key, secret_key=secret_key, user_id=user.id, user_name=user.name)
        raise _too_many(user)

    async def list_credentials(self, request: ListCredentials, envelope: Envelope) -> CredentialList:
        """Oldest first; disabled ones stay in the list."""
        account = envelope.account
        if request.user_id:
            await self._directory.existing_user(account, request.user_id)
        keys = await self._directory.every(self._records.credentials, account)
        uses = {
            stored.id: stored.value.last_used_at
            for stored in await self._directory.every_stored(self._records.key_uses, account)
        }
        names = {user.id: user.name for user in await self._directory.every(self._directory.users, account)}
        views = []
        for key in sorted(keys, key=lambda key: key.created_at):
            owner = key.user_id or root_user_id(account)
            if key.is_deleted or request.user_id not in {"", owner}:
                continue
            view = CredentialView(
                access_key=key.access_key,
                is_active=key.is_active,
                created_at=key.created_at,
                description=key.description,
                user_id=owner,
                user_name=names.get(owner, ""),
                last_used_at=uses.get(key.access_key),
            )
            views.append(view)
        return CredentialList(credentials=tuple(views))

    async def rotate(self, request: RotateCredential, envelope: Envelope) -> CredentialSecret:
        """A second key for the same user; the first goes on until it is disabled."""
        stored, user = await self._existing(request.access_key, envelope)
        description = request.description or stored.value.description
        return await self.create_for(user, envelope, idempotency_key=request.idempotency_key, description=description)

    async def disable(self, request: DisableCredential, envelope: Envelope) -> Accepted:
        """Answers when the live connections are cut. Repeated, it cuts again what should not be there."""
        stored, user = await self._existing(request.access_key, envelope)
        require_root_for(user, envelope.actor, "disable a key of the root user")
        if stored.value.is_active:
            await self._keep_a_way_in(stored.value, user)
            message = CredentialDisabled(access_key=request.access_key, user_id=user.id)
            await self._save(stored, {"is_active": False}, envelope, "disabled", message)
        await self._revocations.enforce_key(stored.value.model_copy(update={"is_active": False}))
        return Accepted(id=request.access_key)

    async def enable(self, request: EnableCredential, envelope: Envelope) -> Accepted:
        """Use a disabled key again, if its user has a place for it."""
        stored, user = await self._existing(request.access_key, envelope)
        require_root_for(user, envelope.actor, "enable a key of the root user")
        if stored.value.is_active:
            return Accepted(id=request.access_key)
        message = CredentialEnabled(access_key=request.access_key, user_id=user.id)
        for place in places_of(user.id, is_root=user.is_root):
            try:
                await self._save(stored, {"is_active": True, "place": place}, envelope, "enabled", message)
            except DuplicateError:
                continue
            self._revocations.forget(envelope.account)
            return Accepted(id=request.access_key)
        raise _too_many(user)

    async def delete(self, request: DeleteCredential, envelope: Envelope) -> Accepted:
        """For good: what is left is that it was there."""
        stored, user = await self._existing(request.access_key, envelope)
        require_root_for(user, envelope.actor, "delete a key of the root user")
        await self._keep_a_way_in(stored.value, user)
        await self.delete_stored(stored, envelope)
        return Accepted(id=request.access_key)

    async def delete_all_of(self, user: User, envelope: Envelope) -> None:
        """All keys of a user who is being deleted."""
        for stored in await self._directory.every_stored(self._records.credentials, user.account, {"user_id": user.id}):
            if not stored.value.is_deleted:
                await self.delete_stored(stored, envelope)

    async def delete_stored(self, stored: Stored[Credential], envelope: Envelope) -> None:
        """Destroy the secret and cut what logged in with it."""
        message = CredentialDeleted(access_key=stored.value.access_key, user_id=stored.value.user_id)
        changes = {"is_active": False, "is_deleted": True, "secret": _DESTROYED}
        await self._save(stored, changes, envelope, "deleted", message)
        await self._revocations.enforce_key(stored.value.model_copy(update=changes))

    async def _existing(self, access_key: str, envelope: Envelope) -> tuple[Stored[Credential], User]:
        stored = await self._records.credentials.load(envelope.account, access_key) if access_key else None
        if stored is None or stored.value.is_deleted:
            raise MigrationError(UNKNOWN_CREDENTIAL, access_key=access_key)
        owner = stored.value.user_id or root_user_id(envelope.account)
        user = await self._directory.users.load(envelope.account, owner)
        if user is None:
            raise MigrationError(UNKNOWN_USER, user=owner)
        return stored, user.value

    async def _keep_a_way_in(self, credential: Credential, user: User) -> None:
        """The installation is administered with some key of its own account's root user."""
        if not credential.is_active or not user.is_root or user.account != INSTALLATION_ACCOUNT:
            return
        keys = await self._directory.every(self._records.credentials, user.account, {"is_active": True})
        if not any(key.access_key != credential.access_key and key.user_id in {"", user.id} for key in keys):
            what = f"Disabling {credential.access_key}, the last active key of the root user,"
            raise MigrationError(INSTALLATION_PERMANENT, what=what, account=user.account)

    async def _save(
        self,
        stored: Stored[Credential],
        changes: dict[str, object],
        envelope: Envelope,
        what: str,
        message: CredentialDisabled | CredentialEnabled | CredentialDeleted,
    ) -> None:
        changed = stored.value.model_copy(update=changes)
        outbox = fact(envelope, "credential", stored.id, what, message, account=stored.account)
        await self._records.credentials.save(
            stored.account, stored.id, changed, expected_version=stored.version, outbox=outbox
        )


def _repeated(known: Credential, user: User) -> CredentialSecret:
    if known.is_deleted or known.user_id != user.id:
        state = "deleted" if known.is_deleted else "another user's"
        raise MigrationError(KEY_REUSED, kind="credential", name=known.access_key, state=state)
    return CredentialSecret(access_key=known.access_key, secret_key="", user_id=user.id, user_name=user.name)


def _too_many(user: User) -> MigrationError:
    limit = len(places_of(user.id, is_root=user.is_root))
    holder = f"user {user.name} of account {user.account}"
    return MigrationError(TOO_MANY_CREDENTIALS, active=limit, holder=holder, limit=limit)
