"""Policies of an account, and to whom they are attached. Who may do this is an administrator of everything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.access import ATTACHMENT_UNCLEAR, KEY_REUSED, NAME_TAKEN, SYSTEM_POLICY
from contracts.messages.policy import (
    AttachmentChanged,
    CreatePolicy,
    DeletePolicy,
    ListPolicies,
    PolicyCreated,
    PolicyDeleted,
    PolicyList,
    PolicyUpdated,
    PolicyView,
    SetAttachment,
    ShowPolicy,
    UpdatePolicy,
)
from contracts.messages.reply import Accepted
from services.identity.directory import Directory
from services.identity.domain.directory import Group, Policy, User, directory_id
from services.identity.domain.naming import (
    MAX_ATTACHED_POLICIES,
    MAX_OF_AN_ACCOUNT,
    check_description,
    check_number,
    check_title,
)
from services.identity.domain.policy_rules import check_document
from services.identity.domain.root import refuse_for_root
from services.identity.domain.system_policies import SYSTEM_POLICIES
from services.identity.facts import fact
from services.identity.revocations import Revocations
from services.identity.views import Names, system_policy_view
from shared.store.port import DuplicateError
from shared.store.typed import Stored, TypedCollection

_H = TypeVar("_H", User, Group)


class PolicyHandlers:
    """One coroutine per request about policies."""

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

    async def create(self, request: CreatePolicy, envelope: Envelope) -> PolicyView:
        """It holds for nobody before it is attached."""
        account, now = envelope.account, self._clock()
        check_title("policy", request.name)
        check_description("policy", request.description)
        check_document(request.document, account=account)
        policy_id = directory_id(account, "policy", request.idempotency_key)
        known = await self._directory.policies.load(account, policy_id)
        if known is not None:
            if known.value.is_deleted or known.value.name != request.name:
                state = "deleted" if known.value.is_deleted else "another one"
                raise MigrationError(KEY_REUSED, kind="policy", name=known.value.name, state=state)
            return await self._view(known.value)
        count = await self._directory.policies.count(account, {"is_deleted": False})
        check_number(count + 1, limit=MAX_OF_AN_ACCOUNT, holder=f"account {account}", what="policies")
        policy = Policy(
            account=account,
            id=policy_id,
            name=request.name,
            description=request.description,
            document=request.document,
            created_at=now,
            changed_at=now,
        )
        created = PolicyCreated(policy_id=policy_id, name=policy.name, document=policy.document)
        try:
            await self._directory.policies.save(
                account,
                policy_id,
                policy,
                expected_version=0,
                outbox=fact(envelope, "policy", policy_id, "created", created),
            )
        except DuplicateError as error:
            raise MigrationError(NAME_TAKEN, kind="policy", name=request.name) from error
        return await self._view(policy)

    async def update(self, request: UpdatePolicy, envelope: Envelope) -> PolicyView:
        """It holds at once for everybody whom it is attached to."""
        _refuse_system(request.policy_id)
        stored = await self._directory.existing_policy(envelope.account, request.policy_id)
        check_description("policy", request.description or "")
        changes: dict[str, object] = {}
        if request.description is not None:
            changes["description"] = request.description
        if request.document is not None:
            check_document(request.document, account=envelope.account)
            changes["document"] = request.document
        changed = stored.value.model_copy(update=changes)
        if changed != stored.value:
            changed = changed.model_copy(update={"changed_at": self._clock()})
            updated = PolicyUpdated(policy_id=changed.id, name=changed.name, document=changed.document)
            await self._directory.policies.save(
                envelope.account,
                changed.id,
                changed,
                expected_version=stored.version,
                outbox=fact(envelope, "policy", changed.id, "updated", updated),
            )
        await self._revocations.enforce_policy(envelope.account, changed.id)
        return await self._view(changed)

    async def delete(self, request: DeletePolicy, envelope: Envelope) -> Accepted:
        """Whoever has it goes on naming it; an id that is never given again means nothing."""
        _refuse_system(request.policy_id)
        stored = await self._directory.existing_policy(envelope.account, request.policy_id)
        deleted = stored.value.model_copy(update={"is_deleted": True})
        message = PolicyDeleted(policy_id=deleted.id, name=deleted.name)
        await self._directory.policies.save(
            envelope.account,
            deleted.id,
            deleted,
            expected_version=stored.version,
            outbox=fact(envelope, "policy", deleted.id, "deleted", message),
        )
        await self._revocations.enforce_policy(envelope.account, deleted.id)
        return Accepted(id=deleted.id)

    async def set_attachment(self, request: SetAttachment, envelope: Envelope) -> Accepted:
        """Attach to one user or one group, or detach."""
        if bool(request.user_id) == bool(request.group_id):
            raise MigrationError(ATTACHMENT_UNCLEAR, count=2 * bool(request.user_id))
        name = await self._name_of(request.policy_id, envelope.account)
        message = AttachmentChanged(
            policy_id=request.policy_id,
            policy_name=name,
            user_id=request.user_id,
            group_id=request.group_id,
            is_attached=request.is_attached,
        )
        if request.user_id:
            user = await self._directory.existing_user(envelope.account, request.user_id)
            refuse_for_root(user.value, "given policies: it may do everything already")
            await self._attach(self._directory.users, user, message, envelope)
            await self._revocations.enforce_users(envelope.account, [request.user_id])
        else:
            group = await self._directory.existing_group(envelope.account, request.group_id)
            await self._attach(self._directory.groups, group, message, envelope)
            await self._revocations.enforce_group(envelope.account, request.group_id)
        return Accepted(id=request.policy_id)

    async def show(self, request: ShowPolicy, envelope: Envelope) -> PolicyView:
        """With whom it is attached to."""
        names = await Names.of(self._directory, envelope.account)
        if request.policy_id in SYSTEM_POLICIES:
            return names.with_holders(system_policy_view(SYSTEM_POLICIES[request.policy_id]))
        stored = await self._directory.existing_policy(envelope.account, request.policy_id)
        return names.with_holders(names.policy(stored.value))

    async def list_policies(self, request: ListPolicies, envelope: Envelope) -> PolicyList:
        """A page; the system's come first."""
        names = await Names.of(self._directory, envelope.account)
        system = [system_policy_view(policy) for policy in SYSTEM_POLICIES.values()]
        own = sorted(map(names.policy, names.policies.values()), key=lambda view: view.name)
        chosen = [view for view in (*system, *own) if request.name in {"", view.name}]
        return PolicyList(count=len(chosen), policies=tuple(chosen[request.offset : request.offset + request.limit]))

    async def _attach(
        self,
        collection: TypedCollection[_H],
        stored: Stored[_H],
        message: AttachmentChanged,
        envelope: Envelope,
    ) -> None:
        holder = stored.value
        own = {policy.id for policy in await self._directory.own_policies(envelope.account, holder.policy_ids)}
        existing = [one for one in holder.policy_ids if one in own or one in SYSTEM_POLICIES]
        wanted = [one for one in existing if one != message.policy_id] + [message.policy_id] * message.is_attached
        check_number(len(wanted), limit=MAX_ATTACHED_POLICIES, holder=holder.name, what="policies")
        if (message.policy_id in existing) == message.is_attached:
            return
        changed = holder.model_copy(update={"policy_ids": tuple(wanted)})
        outbox = fact(envelope, "policy", message.policy_id, "attachment-changed", message)
        await collection.save(
            envelope.account,
            stored.id,
            changed,
            expected_version=stored.version,
            outbox=outbox,
        )

    async def _name_of(self, policy_id: str, account: str) -> str:
        if policy_id in SYSTEM_POLICIES:
            return SYSTEM_POLICIES[policy_id].name
        return (await self._directory.existing_policy(account, policy_id)).value.name

    async def _view(self, policy: Policy) -> PolicyView:
        names = await Names.of(self._directory, policy.account)
        return names.with_holders(names.policy(policy))


def _refuse_system(policy_id: str) -> None:
    if policy_id in SYSTEM_POLICIES:
        raise MigrationError(SYSTEM_POLICY, policy=SYSTEM_POLICIES[policy_id].name)
