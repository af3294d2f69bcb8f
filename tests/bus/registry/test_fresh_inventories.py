"""Inventories that are asked for: an agent looks again, is away, or takes the command and says nothing."""

from __future__ import annotations

import uuid

import pytest
from nats.aio.msg import Msg

from contracts import subjects
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.inventory import SourceInventory
from contracts.messages.agent import AgentInventory, CollectInventory, CommandAcknowledged
from contracts.messages.registry import InventoryRefreshed, RefreshInventory
from tests.bus.registry.test_registry import World, inventory, registry


async def refresh(world: World, server_id: str = "s1") -> InventoryRefreshed:
    subject, request = subjects.req("registry", "refresh-inventory"), RefreshInventory(server_id=server_id)
    return await world.context.bus.request(subject, request, InventoryRefreshed, account="acme")


async def take_commands(world: World, sees: SourceInventory | None) -> None:
    client = world.context.bus._client()

    async def take(raw: Msg) -> None:
        command = CollectInventory.model_validate_json(raw.data)
        if sees is not None:
            status = AgentInventory(session_id="a", inventory=sees)
            subject = subjects.agent_status("acme", "s1", "inventory")
            await world.publish(subject, "AGENT", status, id=f"s1-{uuid.uuid4().hex}")
        reply = CommandAcknowledged(task_id="", epoch=command.epoch)
        headers = Envelope.of(reply, source="/agents/s1", account="acme").headers()
        await client.publish(raw.reply, reply.model_dump_json().encode(), headers=headers)

    await client.subscribe(subjects.agent_command("acme", "s1", CollectInventory.VERB), cb=take)
    await client.flush()


async def test_an_inventory_that_is_asked_for_is_answered_and_kept(bench) -> None:
    async with registry(bench) as world:
        await world.register("s1")
        await world.until("registered")
        await take_commands(world, inventory("after-the-fix"))
        assert await refresh(world) == InventoryRefreshed(server_id="s1", inventory=inventory("after-the-fix"))
        await world.until("updated")
        assert (await world.show("s1")).inventory.hostname == "after-the-fix"


async def test_an_agent_that_is_away_or_silent_is_not_waited_for_without_end(bench) -> None:
    async with registry(bench, inventory_within_s=0.2) as world:
        await world.register("s1")
        await world.until("registered")
        away = await refresh(world)
        assert away.failure is not None
        assert away.failure.code == "SMS.REGISTRY.INVENTORY_AGENT_AWAY"
        await take_commands(world, None)
        silent = await refresh(world)
        assert silent.failure is not None
        assert silent.failure.code == "SMS.REGISTRY.INVENTORY_NOT_SENT"
        assert "0.2 s" in silent.failure.cause
        with pytest.raises(MigrationError, match="SERVER_NOT_FOUND"):
            await refresh(world, "s2")
