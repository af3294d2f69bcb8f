"""The feasibility service on a real bus."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from contracts import subjects
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.registry import SERVER_NOT_FOUND
from contracts.inventory import Mount, SourceInventory
from contracts.messages.feasibility import CheckServer, FeasibilityChecked, FeasibilityDetails, ShowFeasibility
from contracts.messages.registry import (
    InventoryRefreshed,
    RefreshInventory,
    ServerDeleted,
    ServerRegistered,
    ServerUpdated,
)
from services.feasibility.bootstrap import COLLECTIONS, wire
from services.feasibility.settings import FeasibilitySettings
from shared.service import ServiceContext

INVENTORIES = Path(__file__).parents[2] / "unit/feasibility/inventories"
GOOD = SourceInventory.model_validate_json((INVENTORIES / "debian_11_bios.json").read_text())
ESP = Mount(mount_point="/boot/efi", host_path="/boot/efi", kind="vfat")
UEFI = GOOD.model_copy(update={"firmware": "UEFI", "mounts": (*GOOD.mounts, ESP)})


def settings(bench, **changed: object) -> FeasibilitySettings:
    return FeasibilitySettings.model_validate(bench.settings("feasibility").model_dump() | changed)


class Registry:
    """Speaks as the registry and hears what feasibility says."""

    def __init__(self) -> None:
        self.heard: list[FeasibilityChecked] = []
        self.news = asyncio.Event()
        self.sees: SourceInventory | None = None

    async def wire(self, context: ServiceContext) -> None:
        self.context = context

        async def hear(event: FeasibilityChecked, envelope: Envelope) -> None:
            assert envelope.account == "acme"
            self.heard.append(event)
            self.news.set()

        async def refresh(request: RefreshInventory, _: Envelope) -> InventoryRefreshed:
            failure = None if self.sees else SERVER_NOT_FOUND.failure(server_id=request.server_id)
            return InventoryRefreshed(server_id=request.server_id, inventory=self.sees, failure=failure)

        context.bus.on_event(subjects.evt_filter("server", "feasibility-checked"), FeasibilityChecked, hear)
        context.bus.on_request(subjects.req("registry", "refresh-inventory"), RefreshInventory, refresh)

    async def say(self, what: str, message: Message, message_id: str = "") -> None:
        subject = subjects.evt("acme", "server", "s1", what)
        envelope = Envelope.of(message, source="/services/registry", account="acme", id=message_id or uuid.uuid4().hex)
        await self.context.bus.jetstream.publish(
            subject, message.model_dump_json().encode(), stream="EVT", headers=envelope.headers()
        )

    async def hear(self, count: int) -> None:
        async with asyncio.timeout(15):
            while len(self.heard) < count:
                self.news.clear()
                await self.news.wait()

    async def ask(self, verb: str, message: Message) -> FeasibilityDetails:
        return await self.context.bus.request(
            subjects.req("feasibility", verb), message, FeasibilityDetails, account="acme"
        )


async def test_a_registered_server_is_checked_and_the_report_is_said_and_shown(bench) -> None:
    registry = Registry()
    async with (
        bench.running(settings(bench, supports_uefi=False), wire, COLLECTIONS),
        bench.running("registry", registry.wire),
    ):
        await registry.say("registered", ServerRegistered(server_id="s1", name="orders", inventory=GOOD))
        await registry.hear(1)
        assert registry.heard[0].server_id == "s1"
        assert registry.heard[0].report.result == "OK"
        assert (await registry.ask("show", ShowFeasibility(server_id="s1"))).report == registry.heard[0].report
        await registry.say("updated", ServerUpdated(server_id="s1", name="orders", inventory=UEFI))
        await registry.hear(2)
        assert registry.heard[1].report.result == "ERROR"


async def test_the_same_event_twice_is_checked_once(bench) -> None:
    registry = Registry()
    async with (
        bench.running(settings(bench), wire, COLLECTIONS) as service,
        bench.running("registry", registry.wire),
    ):
        first = ServerRegistered(server_id="s1", name="orders", inventory=GOOD)
        await registry.say("registered", first, "m1")
        await registry.hear(1)
        assert await service.store.was_applied(COLLECTIONS[0].name, "acme", "s1", "m1")
        await registry.say("registered", first, "m1")
        await registry.ask("check", CheckServer(server_id="s1"))
        await registry.hear(2)
        await asyncio.sleep(0.3)
        assert len(registry.heard) == 2


async def test_a_new_check_obeys_the_settings_and_survives_a_restart(bench) -> None:
    registry = Registry()
    async with bench.running("registry", registry.wire):
        async with bench.running(settings(bench, supports_uefi=False), wire, COLLECTIONS):
            await registry.say("registered", ServerRegistered(server_id="s1", name="orders", inventory=UEFI))
            await registry.hear(1)
        async with bench.running(settings(bench, supports_uefi=True), wire, COLLECTIONS):
            assert (await registry.ask("show", ShowFeasibility(server_id="s1"))).report.result == "ERROR"
            assert (await registry.ask("check", CheckServer(server_id="s1"))).report.result == "OK"
            await registry.hear(2)


async def test_a_check_looks_at_the_server_as_it_is_now_and_says_what_changed(bench) -> None:
    registry = Registry()
    async with (
        bench.running(settings(bench, supports_uefi=False), wire, COLLECTIONS),
        bench.running("registry", registry.wire),
    ):
        await registry.say("registered", ServerRegistered(server_id="s1", name="orders", inventory=UEFI))
        await registry.hear(1)
        away = await registry.ask("check", CheckServer(server_id="s1"))
        assert away.not_fresh is not None
        assert (away.report.result, away.changes) == ("ERROR", ())
        registry.sees = GOOD
        fixed = await registry.ask("check", CheckServer(server_id="s1"))
        assert (fixed.report.result, fixed.not_fresh) == ("OK", None)
        assert ("firmware", "ERROR", "OK") in [(one.id, one.before, one.after) for one in fixed.changes]
        assert fixed.inventory_at is not None
        assert away.inventory_at is not None
        assert fixed.inventory_at > away.inventory_at
        assert (await registry.ask("show", ShowFeasibility(server_id="s1"))).report == fixed.report


async def test_a_server_that_is_unknown_or_deleted_has_no_report(bench) -> None:
    registry = Registry()
    async with bench.running(settings(bench), wire, COLLECTIONS), bench.running("registry", registry.wire):
        with pytest.raises(MigrationError) as refused:
            await registry.ask("show", ShowFeasibility(server_id="nobody"))
        assert refused.value.code == "SMS.FEASIBILITY.NOT_CHECKED"
        await registry.say("registered", ServerRegistered(server_id="s1", name="orders", inventory=GOOD))
        await registry.hear(1)
        await registry.say("deleted", ServerDeleted(server_id="s1"))

        async def check_until_refused() -> None:
            while True:
                await registry.ask("check", CheckServer(server_id="s1"))
                await asyncio.sleep(0.05)

        with pytest.raises(MigrationError, match="NOT_CHECKED"):
            await asyncio.wait_for(check_until_refused(), 10)
