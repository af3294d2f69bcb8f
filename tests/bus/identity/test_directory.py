"""Users, groups, policies and keys of an account, through identity on a real bus."""

from __future__ import annotations

import asyncio
import json
import time
import uuid

import pytest

from contracts.errors import MigrationError
from contracts.messages.account import (
    AccountList,
    AccountQuotas,
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
from contracts.messages.policy import (
    DeletePolicy,
    ListPolicies,
    PolicyList,
    PolicyView,
    ShowPolicy,
    UpdatePolicy,
)
from contracts.messages.reply import Accepted
from contracts.messages.user import (
    CreateUser,
    DeleteGroup,
    DeleteUser,
    GroupView,
    ListUsers,
    ShowGroup,
    ShowUser,
    UpdateUser,
    UserList,
    UserView,
)
from tests.bus.identity.directory import Asker, allow, deny, new_asker
from tests.bus.identity.secure_bus import SecureBus, new_account
from tests.bus.identity.test_event_subscribers import subscriber


async def test_a_new_user_may_do_nothing_until_a_policy_is_attached(bus: SecureBus) -> None:
    async with new_asker(bus) as root:
        user = await root.user("anna")
        key = await root.key(user.id)
        verdict = await root.verdict(key, "sms:server:list")
        assert (verdict.is_genuine, verdict.is_allowed, verdict.user_name) == (True, False, "anna")
        assert verdict.user_id == user.id
        await root.attach("system-sms-read-only-access", user_id=user.id)
        assert await root.may(key, "sms:server:list")
        assert not await root.may(key, "sms:server:delete", "server:s1")
        await root.attach("system-sms-read-only-access", user_id=user.id, is_attached=False)
        assert not await root.may(key, "sms:server:list")


async def test_a_group_gives_its_policies_to_its_members_as_long_as_they_are_in_it(bus: SecureBus) -> None:
    async with new_asker(bus) as root:
        user, group = await root.user("anna"), await root.group("operators of site 1")
        key = await root.key(user.id)
        policy = await root.policy("servers", allow("sms:server:*"), deny("sms:server:delete"))
        await root.attach(policy.id, group_id=group.id)
        assert not await root.may(key, "sms:server:list")
        for _ in range(2):
            await root.join(group.id, user.id)
        assert await root.may(key, "sms:server:list")
        assert not await root.may(key, "sms:server:delete", "server:s1")
        shown = await root.ask("show-group", ShowGroup(group_id=group.id), GroupView)
        assert [member.name for member in shown.users] == ["anna"]
        assert [one.name for one in shown.policies] == ["servers"]
        await root.join(group.id, user.id, is_member=False)
        assert not await root.may(key, "sms:server:list")
        await root.join(group.id, user.id)
        await root.ask("delete-group", DeleteGroup(group_id=group.id), Accepted)
        assert not await root.may(key, "sms:server:list")
        with pytest.raises(MigrationError, match="UNKNOWN_GROUP"):
            await root.join(group.id, user.id)


async def test_a_changed_or_deleted_policy_holds_at_once(bus: SecureBus) -> None:
    async with new_asker(bus) as root:
        user = await root.user("anna")
        key, policy = await root.key(user.id), await root.policy("one", allow("sms:task:*"))
        await root.attach(policy.id, user_id=user.id)
        assert await root.may(key, "sms:task:list")
        narrower = policy.document.model_copy(update={"statement": (allow("sms:task:get"),)})
        await root.ask("update-policy", UpdatePolicy(policy_id=policy.id, document=narrower), PolicyView)
        assert not await root.may(key, "sms:task:list")
        assert await root.may(key, "sms:task:get", "task:t1")
        shown = await root.ask("show-policy", ShowPolicy(policy_id=policy.id), PolicyView)
        assert (shown.document, [one.name for one in shown.users]) == (narrower, ["anna"])
        await root.ask("delete-policy", DeletePolicy(policy_id=policy.id), Accepted)
        assert not await root.may(key, "sms:task:get", "task:t1")


async def test_a_repeated_request_makes_nothing_twice_and_nothing_deleted_anew(bus: SecureBus) -> None:
    async with new_asker(bus) as root:
        message = CreateUser(idempotency_key="k1", name="anna")
        first = await root.ask("create-user", message, UserView)
        assert await root.ask("create-user", message, UserView) == first
        with pytest.raises(MigrationError, match="KEY_REUSED"):
            await root.ask("create-user", CreateUser(idempotency_key="k1", name="berta"), UserView)
        with pytest.raises(MigrationError, match="NAME_TAKEN"):
            await root.ask("create-user", CreateUser(idempotency_key="k2", name="anna"), UserView)
        key = CreateCredential(user_id=first.id, idempotency_key="c1")
        made = await root.ask("create-credential", key, CredentialSecret)
        again = await root.ask("create-credential", key, CredentialSecret)
        assert (again.access_key, again.secret_key) == (made.access_key, "")
        for _ in range(2):
            await root.ask("delete-user", DeleteUser(user_id=first.id), Accepted)
        with pytest.raises(MigrationError, match="KEY_REUSED"):
            await root.ask("create-user", message, UserView)
        assert not (await root.verdict(made, "sms:server:list")).is_genuine
        listed = await root.ask("list-credentials", ListCredentials(), CredentialList)
        assert made.access_key not in {one.access_key for one in listed.credentials}
        second = await root.user("anna")
        assert second.id != first.id


async def test_two_keys_of_a_user_are_active_and_one_replaces_the_other(bus: SecureBus) -> None:
    async with new_asker(bus) as root:
        user = await root.user("anna")
        await root.attach("system-sms-read-only-access", user_id=user.id)
        first = await root.key(user.id)
        assert await root.may(first, "sms:server:list")
        rotate = RotateCredential(access_key=first.access_key, idempotency_key="r1")
        second = await root.ask("rotate-credential", rotate, CredentialSecret)
        with pytest.raises(MigrationError, match="TOO_MANY_CREDENTIALS"):
            await root.key(user.id)
        assert await root.may(first, "sms:server:list")
        assert await root.may(second, "sms:server:list")
        await root.ask("disable-credential", DisableCredential(access_key=first.access_key), Accepted)
        assert not (await root.verdict(first, "sms:server:list")).is_genuine
        third = await root.key(user.id)
        with pytest.raises(MigrationError, match="TOO_MANY_CREDENTIALS"):
            await root.ask("enable-credential", EnableCredential(access_key=first.access_key), Accepted)
        await root.ask("delete-credential", DeleteCredential(access_key=third.access_key), Accepted)
        await root.ask("enable-credential", EnableCredential(access_key=first.access_key), Accepted)
        assert await root.may(first, "sms:server:list")
        with pytest.raises(MigrationError, match="UNKNOWN_CREDENTIAL"):
            await root.ask("enable-credential", EnableCredential(access_key=third.access_key), Accepted)
        await asyncio.sleep(1.2)
        listed = await root.ask("list-credentials", ListCredentials(user_id=user.id), CredentialList)
        used = {one.access_key: one.last_used_at for one in listed.credentials}
        assert used.keys() == {first.access_key, second.access_key}
        assert all(used.values())
        assert {one.user_name for one in listed.credentials} == {"anna"}


async def test_a_disabled_user_is_out_and_comes_back(bus: SecureBus) -> None:
    async with new_asker(bus) as root:
        user = await root.user("anna")
        key = await root.key(user.id)
        await root.attach("system-sms-full-access", user_id=user.id)
        guest = await subscriber(bus, key)
        started_at = time.monotonic()
        await root.ask("update-user", UpdateUser(user_id=user.id, is_enabled=False), UserView)
        while guest.closed_at is None:
            assert time.monotonic() - started_at < 5
            await asyncio.sleep(0.01)
        assert not (await root.verdict(key, "sms:server:list")).is_genuine
        await root.ask("update-user", UpdateUser(user_id=user.id, is_enabled=True), UserView)
        assert await root.may(key, "sms:server:list")


async def test_a_subscriber_whose_user_may_no_longer_hear_events_is_cut(bus: SecureBus) -> None:
    async with new_asker(bus) as root:
        user, bystander = await root.user("anna"), await root.user("berta")
        for one in (user, bystander):
            await root.attach("system-sms-read-only-access", user_id=one.id)
        guest = await subscriber(bus, await root.key(user.id))
        other = await subscriber(bus, await root.key(bystander.id))
        started_at = time.monotonic()
        await root.attach("system-sms-read-only-access", user_id=user.id, is_attached=False)
        while guest.closed_at is None:
            assert time.monotonic() - started_at < 5
            await asyncio.sleep(0.01)
        assert other.client.is_connected
        await other.client.close()


async def test_only_the_root_user_touches_the_root_user(bus: SecureBus) -> None:
    async with new_asker(bus) as root:
        users = await root.ask("list-users", ListUsers(name="root"), UserList)
        root_id, own_key = users.users[0].id, await root.key()
        anna = root.as_user("anna")
        rotate = RotateCredential(access_key=own_key.access_key, idempotency_key="k")
        tried = (
            anna.key(),
            anna.key(root_id),
            anna.ask("disable-credential", DisableCredential(access_key=own_key.access_key), Accepted),
            anna.ask("delete-credential", DeleteCredential(access_key=own_key.access_key), Accepted),
            anna.ask("update-user", UpdateUser(user_id=root_id, description="x"), UserView),
            anna.ask("rotate-credential", rotate, CredentialSecret),
        )
        for attempt in tried:
            with pytest.raises(MigrationError, match="ROOT_PROTECTED"):
                await attempt
        for attempt in (
            root.ask("delete-user", DeleteUser(user_id=root_id), Accepted),
            root.ask("update-user", UpdateUser(user_id=root_id, is_enabled=False), UserView),
            root.attach("system-sms-full-access", user_id=root_id),
        ):
            with pytest.raises(MigrationError, match="ROOT_PERMANENT"):
                await attempt
        for name in ("root", "Root", "health", "gateway", "a b", "", "x" * 65, "a\n", "ä"):
            with pytest.raises(MigrationError, match="NAME_INVALID"):
                await root.user(name)


async def test_an_account_knows_nothing_of_another_ones_things(bus: SecureBus) -> None:
    async with new_asker(bus) as mine, new_asker(bus) as theirs:
        user, group = await theirs.user("anna"), await theirs.group("ops")
        policy, key = await theirs.policy("own", allow("sms:task:*")), await theirs.key(user.id)
        own_user, own_group = await mine.user("anna"), await mine.group("ops")
        unknown = uuid.uuid4().hex

        async def codes(user_id: str, group_id: str, policy_id: str, access_key: str) -> list[dict[str, object]]:
            attempts = (
                mine.ask("show-user", ShowUser(user_id=user_id), UserView),
                mine.ask("delete-user", DeleteUser(user_id=user_id), Accepted),
                mine.key(user_id),
                mine.ask("show-group", ShowGroup(group_id=group_id), GroupView),
                mine.join(group_id, own_user.id),
                mine.join(own_group.id, user_id),
                mine.ask("show-policy", ShowPolicy(policy_id=policy_id), PolicyView),
                mine.ask("delete-policy", DeletePolicy(policy_id=policy_id), Accepted),
                mine.attach(policy_id, user_id=own_user.id),
                mine.ask("disable-credential", DisableCredential(access_key=access_key), Accepted),
                mine.ask("delete-credential", DeleteCredential(access_key=access_key), Accepted),
            )
            failures = []
            for attempt in attempts:
                with pytest.raises(MigrationError) as caught:
                    await attempt
                text = caught.value.failure.model_dump_json()
                for identifier in (user_id, group_id, policy_id, access_key):
                    text = text.replace(identifier, "ID")
                failures.append(json.loads(text))
            return failures

        foreign = await codes(user.id, group.id, policy.id, key.access_key)
        assert foreign == await codes(unknown, unknown, unknown, unknown)
        assert {str(failure["code"]).split(".")[2][:7] for failure in foreign} == {"UNKNOWN"}
        assert (await theirs.verdict(key, "sms:task:list")).is_genuine
        with pytest.raises(MigrationError, match="POLICY_RESOURCE"):
            await mine.policy("foreign", allow("sms:*:*", resource=(f"sms:*:{theirs.account}:task:*",)))


async def test_the_system_policies_are_there_and_cannot_be_changed(bus: SecureBus) -> None:
    async with new_asker(bus) as root:
        listed = await root.ask("list-policies", ListPolicies(), PolicyList)
        names = [policy.name for policy in listed.policies]
        assert {"SMS FullAccess", "SMS ReadOnlyAccess", "SMS AgentAccess", "ECS FullAccess"} <= set(names)
        for policy in listed.policies:
            update = UpdatePolicy(policy_id=policy.id, document=policy.document)
            for attempt in (
                root.ask("delete-policy", DeletePolicy(policy_id=policy.id), Accepted),
                root.ask("update-policy", update, PolicyView),
            ):
                with pytest.raises(MigrationError, match="SYSTEM_POLICY"):
                    await attempt
        with pytest.raises(MigrationError, match="NAME_INVALID"):
            await root.policy("sms fullaccess", allow("sms:task:*"))


async def test_the_installations_account_makes_and_closes_accounts(bus: SecureBus) -> None:
    async with new_asker(bus) as someone:
        admin, name = someone.of("default"), new_account()
        quotas = AccountQuotas(max_migrating_servers=5)
        message = CreateAccount(idempotency_key=name, name=name, quotas=quotas)
        made = await admin.ask("create-account", message, NewAccount)
        assert (made.account.name, made.account.quotas.max_migrating_servers) == (name, 5)
        again = await admin.ask("create-account", message, NewAccount)
        assert (again.access_key, again.secret_key) == (made.access_key, "")
        with pytest.raises(MigrationError, match="NAME_TAKEN"):
            await admin.ask("create-account", CreateAccount(idempotency_key="other", name=name), NewAccount)
        key = CredentialSecret(access_key=made.access_key, secret_key=made.secret_key)
        verdict = await admin.verdict(key, "sms:server:list")
        assert (verdict.account, verdict.user_name, verdict.is_allowed) == (name, "root", True)
        guest = await subscriber(bus, key)
        started_at = time.monotonic()
        await admin.ask("update-account", UpdateAccount(name=name, is_enabled=False), AccountView)
        while guest.closed_at is None:
            assert time.monotonic() - started_at < 5
            await asyncio.sleep(0.01)
        assert not (await admin.verdict(key, "sms:server:list")).is_genuine
        listed = await admin.ask("list-accounts", ListAccounts(limit=1000), AccountList)
        assert [one.is_enabled for one in listed.accounts if one.name == name] == [False]
        own = await someone.ask("show-account", ShowAccount(), AccountView)
        assert own.name == someone.account
        await refuses_accounts(someone, name)
        with pytest.raises(MigrationError, match="INSTALLATION_PERMANENT"):
            await admin.ask("update-account", UpdateAccount(name="default", is_enabled=False), AccountView)


async def refuses_accounts(someone: Asker, other: str) -> None:
    with pytest.raises(MigrationError, match="UNKNOWN_ACCOUNT"):
        await someone.ask("show-account", ShowAccount(name=other), AccountView)
    with pytest.raises(MigrationError, match="UNKNOWN_ACCOUNT"):
        await someone.ask("show-account", ShowAccount(name=new_account()), AccountView)
    create = CreateAccount(idempotency_key="k", name=new_account())
    with pytest.raises(MigrationError, match="INSTALLATION_ONLY"):
        await someone.ask("create-account", create, NewAccount)
    with pytest.raises(MigrationError, match="INSTALLATION_ONLY"):
        await someone.ask("update-account", UpdateAccount(name=other, is_enabled=True), AccountView)


async def test_every_change_is_an_event_with_its_actor_and_without_secrets(bus: SecureBus) -> None:
    async with new_asker(bus) as root:
        audit = await bus.service("audit")
        subscription = await audit.jetstream().pull_subscribe(
            f"sms.v1.evt.{root.account}.>", durable=f"audit-{root.account}", stream="EVT"
        )
        user, group = await root.user("anna"), await root.group("ops")
        policy, key = await root.policy("one", allow("sms:task:*")), await root.key(user.id)
        await root.attach(policy.id, group_id=group.id)
        await root.join(group.id, user.id)
        await root.ask("disable-credential", DisableCredential(access_key=key.access_key), Accepted)
        await root.ask("delete-policy", DeletePolicy(policy_id=policy.id), Accepted)
        await root.ask("delete-group", DeleteGroup(group_id=group.id), Accepted)
        await root.ask("delete-user", DeleteUser(user_id=user.id), Accepted)
        found = []
        async with asyncio.timeout(10):
            while len(found) < 12:
                for message in await subscription.fetch(20, timeout=5):
                    found.append(message)
                    await message.ack()
        said = [message.subject.removeprefix(f"sms.v1.evt.{root.account}.") for message in found]
        # Each thing's events are in order; those of different things may overtake each other.
        assert sorted(said[1:]) == sorted(
            [
                f"user.{user.id}.created",
                f"group.{group.id}.created",
                f"policy.{policy.id}.created",
                f"credential.{key.access_key}.created",
                f"policy.{policy.id}.attachment-changed",
                f"group.{group.id}.membership-changed",
                f"credential.{key.access_key}.disabled",
                f"policy.{policy.id}.deleted",
                f"group.{group.id}.deleted",
                f"user.{user.id}.deleted",
                f"credential.{key.access_key}.deleted",
            ]
        )
        for message in found:
            assert key.secret_key.encode() not in message.data
            assert (message.headers or {}).get("ce-smsactor") == "root"
        await audit.close()
