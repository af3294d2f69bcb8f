"""The verdict over HTTP requests, from a real identity on a real bus."""

from __future__ import annotations

import asyncio
import time

from contracts.messages.api import RequestAuthorization
from contracts.messages.identity import DisableCredential
from contracts.messages.reply import Accepted
from contracts.subjects import req
from tests.bus.identity.api_requests import authorize, signed
from tests.bus.identity.secure_bus import SecureBus, ask, new_account

FORGED = RequestAuthorization(is_genuine=False)


async def test_the_key_of_the_root_file_may_do_everything_in_its_account(bus: SecureBus) -> None:
    root = bus.root_credential
    client = await bus.service("gateway")
    verdict = await authorize(client, signed(root.access_key, root.secret_key, "sms:task:create"))
    assert (verdict.is_genuine, verdict.is_allowed, verdict.account) == (True, True, "default")
    assert verdict.user_name == "root"
    assert verdict.user_id
    again = await authorize(client, signed(root.access_key, root.secret_key, "sms:account:create"))
    assert again.is_allowed, "the installation's account makes accounts"
    await client.close()


async def test_forgeries_are_answered_alike(bus: SecureBus) -> None:
    made = await bus.new_credential(new_account())
    client = await bus.service("gateway")
    good = signed(made.access_key, made.secret_key, "sms:task:list")
    assert (await authorize(client, good)).is_allowed
    wrong = (
        good.model_copy(update={"signature": "0" * 64}),
        good.model_copy(update={"signature": good.signature.upper()}),
        good.model_copy(update={"signature": good.signature + "0"}),
        good.model_copy(update={"signature": "é"}),
        good.model_copy(update={"signature": ""}),
        good.model_copy(update={"string_to_sign": good.string_to_sign + " "}),
        good.model_copy(update={"access_key": bus.root_credential.access_key}),
        signed("AKNOBODY", made.secret_key, "sms:task:list"),
        signed("AKNOBODY", "0" * 43, "sms:task:list"),
        signed("", "", "sms:task:list"),
    )
    for request in wrong:
        assert await authorize(client, request) == FORGED
    await client.close()


async def test_a_disabled_key_is_forged_at_once_and_in_every_replica_within_5_s(own_bus: SecureBus) -> None:
    account = new_account()
    made = await own_bus.new_credential(account)
    client = await own_bus.service("gateway")
    replica = own_bus.another_identity()
    try:
        async with asyncio.timeout(20):  # until the second one answers too
            while own_bus.log_of_identity().count("service started") < 2:
                await asyncio.sleep(0.1)

        async def verdicts() -> list[bool]:
            asked = [authorize(client, signed(made.access_key, made.secret_key, "sms:task:list")) for _ in range(30)]
            return [verdict.is_genuine for verdict in await asyncio.gather(*asked)]

        assert all(await verdicts())
        subject = req("identity", "disable-credential")
        await ask(client, subject, DisableCredential(access_key=made.access_key), Accepted, account=account)
        disabled_at = time.monotonic()
        while any(await verdicts()):
            assert time.monotonic() - disabled_at < 5
            await asyncio.sleep(0.1)
    finally:
        replica.kill()
        replica.wait()
        await client.close()


async def test_other_accounts_do_not_make_accounts(bus: SecureBus) -> None:
    made = await bus.new_credential(new_account())
    client = await bus.service("gateway")
    for verb in ("create", "list", "update", "delete"):
        verdict = await authorize(client, signed(made.access_key, made.secret_key, f"sms:account:{verb}"))
        assert (verdict.is_genuine, verdict.is_allowed) == (True, False)
        assert "default" in verdict.reason
    assert (await authorize(client, signed(made.access_key, made.secret_key, "sms:account:get"))).is_allowed
    await client.close()


async def test_the_last_use_of_a_key_and_the_secret_of_the_root_file_stay_in_the_store_only(bus: SecureBus) -> None:
    root = bus.root_credential
    client = await bus.service("gateway")
    await authorize(client, signed(root.access_key, root.secret_key, "sms:task:list"))
    await client.close()
    assert root.secret_key not in bus.log_of_identity()
    for path in bus.folder.rglob("*"):
        if path.is_file() and path.name != "root.json":
            assert root.secret_key.encode() not in path.read_bytes(), path
