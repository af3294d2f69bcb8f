"""Groups of users, and who is in them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.access import KEY_REUSED, NAME_TAKEN
from contracts.messages.reply import Accepted
from contracts.messages.user import (
    CreateGroup,
    DeleteGroup,
    GroupCreated,
    GroupDeleted,
    GroupList,
    GroupView,
    ListGroups,
    MembershipChanged,
    SetMembership,
    ShowGroup,
)
from services.identity.directory import Directory
from services.identity.domain.directory import Group, directory_id
from services.identity.domain.naming import (
    MAX_GROUPS_OF_A_USER,
    MAX_OF_AN_ACCOUNT,
    check_description,
    check_number,
    check_title,
)
from services.identity.domain.root import refuse_for_root
from services.identity.facts import fact
from services.identity.revocations import Revocations
from services.identity.views import Names, page
from shared.store.port import DuplicateError


class GroupHandlers:
    """One coroutine per request about groups."""

    def __init__(
        self,
        directory: Directory,
        revocations: Revocations,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._directory = directory
        self._revocations = revocations
        self._clock = clock

    async def create(self, request: CreateGroup, envelope: Envelope) -> GroupView:
        """Without members and policies."""
        check_title("group", request.name)
        check_description("group", request.description)
        account = envelope.account
        group_id = directory_id(account, "group", request.idempotency_key)
        known = await self._directory.groups.load(account, group_id)
        if known is not None:
            if known.value.is_deleted or known.value.name != request.name:
                state = "deleted" if known.value.is_deleted else "another one"
                raise MigrationError(KEY_REUSED, kind="group", name=known.value.name, state=state)
            return await self._view(known.value)
        count = await self._directory.groups.count(account, {"is_deleted": False})
        check_number(count + 1, limit=MAX_OF_AN_ACCOUNT, holder=f"account {account}", what="groups")
        group = Group(
            account=account,
            id=group_id,
            name=request.name,
            description=request.description,
            created_at=self._clock(),
        )
        created = GroupCreated(group_id=group_id, name=group.name)
        try:
            await self._directory.groups.save(
                account,
                group_id,
                group,
                expected_version=0,
                outbox=fact(envelope, "group", group_id, "created", created),
            )
        except DuplicateError as error:
            raise MigrationError(NAME_TAKEN, kind="group", name=request.name) from error
        return await self._view(group)

    async def delete(self, request: DeleteGroup, envelope: Envelope) -> Accepted:
        """Its members go on naming it; an id that is never given again means nothing."""
        stored = await self._directory.existing_group(envelope.account, request.group_id)
        deleted = stored.value.model_copy(update={"is_deleted": True, "policy_ids": ()})
        message = GroupDeleted(group_id=deleted.id, name=deleted.name)
        await self._directory.groups.save(
            envelope.account,
            deleted.id,
            deleted,
            expected_version=stored.version,
            outbox=fact(envelope, "group", deleted.id, "deleted", message),
        )
        await self._revocations.enforce_group(envelope.account, request.group_id)
        return Accepted(id=request.group_id)

    async def set_membership(self, request: SetMembership, envelope: Envelope) -> Accepted:
        """Put a user in or take him out."""
        group = (await self._directory.existing_group(envelope.account, request.group_id)).value
        stored = await self._directory.existing_user(envelope.account, request.user_id)
        user = stored.value
        refuse_for_root(user, "put into a group: it may do everything already")
        existing = [one.id for one in await self._directory.groups_of(user)]
        wanted = [one for one in existing if one != group.id] + [group.id] * request.is_member
        check_number(len(wanted), limit=MAX_GROUPS_OF_A_USER, holder=f"user {user.name}", what="groups")
        if (group.id in existing) != request.is_member:
            message = MembershipChanged(
                group_id=group.id,
                group_name=group.name,
                user_id=user.id,
                user_name=user.name,
                is_member=request.is_member,
            )
            await self._directory.users.save(
                envelope.account,
                user.id,
                user.model_copy(update={"group_ids": tuple(wanted)}),
                expected_version=stored.version,
                outbox=fact(envelope, "group", group.id, "membership-changed", message),
            )
        await self._revocations.enforce_users(envelope.account, [user.id])
        return Accepted(id=group.id)

    async def show(self, request: ShowGroup, envelope: Envelope) -> GroupView:
        """With its members."""
        return await self._view((await self._directory.existing_group(envelope.account, request.group_id)).value)

    async def list_groups(self, request: ListGroups, envelope: Envelope) -> GroupList:
        """A page."""
        names = await Names.of(self._directory, envelope.account)
        count, chosen = page(list(names.groups.values()), request.name, offset=request.offset, limit=request.limit)
        return GroupList(count=count, groups=tuple(names.group(group, with_users=False) for group in chosen))

    async def _view(self, group: Group) -> GroupView:
        return (await Names.of(self._directory, group.account)).group(group, with_users=True)
