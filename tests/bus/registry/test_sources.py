"""What the HTTPS API asks of the registry, on a real bus: lists, names, tags, states, bulk deletion, the quota."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from contracts import subjects
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.feasibility import FeasibilityReport
from contracts.inventory import Disk, FileSystem, Mount, NetworkInterface, OperatingSystem, SourceInventory
from contracts.messages.account import AccountQuotas, AccountUpdated
from contracts.messages.agent import AgentProgress, AgentRegistered
from contracts.messages.feasibility import FeasibilityChecked
from contracts.messages.registry import DeleteServer, ServerDetails, ShowServer
from contracts.messages.reply import Accepted
from contracts.messages.source import (
    AdmitServer,
    DeleteServers,
    DiskWish,
    FindServers,
    FindServerTexts,
    ListTags,
    ReportCopyState,
    ServerChanged,
    ServerOverview,
    ServersDeleted,
    ServerTags,
    ServerTexts,
    ShowOverview,
    ShowSourceServer,
    SourceServer,
    SourceServerDetails,
    SourceServerPage,
    TagList,
    TagServer,
    UntagServer,
    UpdateServer,
)
from contracts.messages.task import Phase, TaskChanged
from contracts.transfer import TransferProgress
from services.registry.adapters.records import ServerRecords
from services.registry.bootstrap import COLLECTIONS, wire
from services.registry.domain.server import Server
from services.registry.settings import RegistrySettings
from shared.service import ServiceContext
from shared.store import open_store

M = TypeVar("M", bound=Message)


def inventory(number: int = 1, **changed: object) -> SourceInventory:
    root = FileSystem(kind="ext4", uuid="u", size_bytes=40 << 30)
    values: dict[str, object] = {
        "hostname": f"web-{number}",
        "architecture": "x86_64",
        "firmware": "BIOS",
        "operating_system": OperatingSystem(id="debian", version="12.5", name="Debian GNU/Linux 12"),
        "cpu_count": 2,
        "memory_bytes": 4 << 30,
        "disks": (Disk(name="vda", device="/dev/vda", size_bytes=40 << 30, file_system=root, is_system=True),),
        "mounts": (Mount(mount_point="/", host_path="/", kind="ext4", volume="vda", used_bytes=5 << 30),),
        "network_interfaces": (NetworkInterface(name="eth0", addresses=(f"192.0.2.{number}/24", "2001:db8::7/64")),),
    }
    return SourceInventory.model_validate(values | changed)


class World:
    """A user and agents around the registry."""

    def __init__(self) -> None:
        self.changes: list[ServerChanged] = []

    async def wire(self, context: ServiceContext) -> None:
        self.bus = context.bus

        async def hear(message: ServerChanged, _: Envelope) -> None:
            self.changes.append(message)

        context.bus.on_event(subjects.evt_filter("server", "changed"), ServerChanged, hear)

    async def ask(self, verb: str, message: Message, reply: type[M], account: str = "acme") -> M:
        return await self.bus.request(subjects.req("registry", verb), message, reply, account=account)

    async def register(self, server_id: str, found: SourceInventory, account: str = "acme") -> None:
        status = AgentRegistered(role="source", session_id="a", inventory=found)
        await self.say(subjects.agent_status(account, server_id, "registered"), status, "AGENT")
        async with asyncio.timeout(15):
            while (await self.find(account, id=server_id)).count == 0:
                await asyncio.sleep(0.02)

    async def say(self, subject: str, message: Message, stream: str = "") -> None:
        parts = subject.split(".")
        envelope = Envelope.of(message, source="/test", account=parts[3], subject=subject)
        headers = envelope.headers()
        if parts[2] == "agent":
            for name in ("ce-id", "Nats-Msg-Id"):
                headers[name] = f"{parts[4]}-{envelope.id}"
        data = message.model_dump_json().encode()
        if stream:
            await self.bus.jetstream.publish(subject, data, stream=stream, headers=headers)
        else:
            await self.bus._client().publish(subject, data, headers=headers)

    async def find(self, account: str = "acme", **wanted: object) -> SourceServerPage:
        return await self.ask("find", FindServers.model_validate(wanted), SourceServerPage, account)

    async def one(self, server_id: str) -> SourceServer:
        return (await self.ask("show-source", ShowSourceServer(server_id=server_id), SourceServerDetails)).server

    async def until(self, server_id: str, **wanted: object) -> SourceServer:
        async with asyncio.timeout(15):
            while True:
                server = await self.one(server_id)
                if all(getattr(server, name) == value for name, value in wanted.items()):
                    return server
                await asyncio.sleep(0.02)


@asynccontextmanager
async def registry(bench, **changed: object) -> AsyncIterator[World]:
    world = World()
    settings = RegistrySettings.model_validate(bench.settings("registry").model_dump() | changed)
    async with bench.running("identity", world.wire), bench.running(settings, wire, COLLECTIONS):
        yield world


async def test_lists_are_filtered_paged_and_counted_in_the_order_of_registration(bench) -> None:
    async with registry(bench) as world:
        for number, server_id in ((1, "s9"), (2, "s5"), (3, "s7")):
            await world.register(server_id, inventory(number))
        await world.register("other", inventory(4), account="else")
        page = await world.find()
        assert (page.count, [one.id for one in page.servers]) == (3, ["s9", "s5", "s7"])
        page = await world.find(limit=1, offset=1)
        assert (page.count, [one.id for one in page.servers]) == (3, ["s5"])
        assert [one.id for one in (await world.find(ip="192.0.2.3")).servers] == ["s7"]
        assert [one.id for one in (await world.find(name="WEB-1", is_connected=True)).servers] == ["s9"]
        assert (await world.find(offset=7)).servers == ()
        first = page.servers[0]
        assert (first.os_id, first.os_version, first.ipv6) == ("debian", "12.5", "2001:db8::7")
        assert [(disk.use, disk.used_bytes) for disk in first.disks] == [("OS", 5 << 30)]


async def test_a_list_shows_what_was_just_answered_and_every_text_is_its_server(bench) -> None:
    async with registry(bench) as world:
        for number in range(1, 6):
            await world.register(f"s{number}", inventory(number))
        for turn in range(10):
            changes = [
                world.ask("update", UpdateServer(server_id=f"s{number}", name=f"n{turn}-{number}"), Accepted)
                for number in range(1, 6)
            ]
            for change in asyncio.as_completed([*changes, *(world.find() for _ in range(5))]):
                await change
            page = await world.find()
            assert [one.name for one in page.servers] == [f"n{turn}-{number}" for number in range(1, 6)]
            texts = await world.ask("find-texts", FindServerTexts(), ServerTexts)
            assert texts.count == 5
            assert tuple(SourceServer.model_validate_json(text) for text in texts.servers) == page.servers
        await world.ask("delete", DeleteServer(server_id="s3"), Accepted)
        assert [one.id for one in (await world.find()).servers] == ["s1", "s2", "s4", "s5"]
        await world.register("s3", inventory(3))
        assert {one.name for one in (await world.find()).servers} == {"n9-1", "n9-2", "n9-4", "n9-5", "web-3"}


async def test_a_list_shows_what_another_replica_has_written(bench) -> None:
    async with registry(bench) as world:
        await world.register("s1", inventory())
        assert [one.tags for one in (await world.find()).servers] == [{}]
        store = await open_store(bench.settings("registry").store_url, "registry", COLLECTIONS)
        records = ServerRecords(store)
        server = await records.load("acme", "s1")
        assert server is not None
        await records.save(server.model_copy(update={"tags": {"by": "another"}}))
        assert [one.tags for one in (await world.find()).servers] == [{"by": "another"}]
        await store.close()


async def test_names_projects_disks_and_tags_are_kept_over_a_new_inventory_and_said(bench) -> None:
    async with registry(bench) as world:
        await world.register("s1", inventory())
        wishes = (DiskWish(name="vda", size_bytes=80 << 30),)
        update = UpdateServer(server_id="s1", name="front", project_id="p1", disks=wishes)
        assert (await world.ask("update", update, Accepted)).id == "s1"
        tagged = await world.ask("tag", TagServer(server_id="s1", tags={"b": "2", "a": "1"}), ServerTags)
        assert tagged.tags == {"a": "1", "b": "2"}
        await world.register("s1", inventory(cpu_count=8))
        server = await world.until("s1", cpu_count=8)
        assert (server.name, server.project_id, server.disks[0].target_bytes) == ("front", "p1", 80 << 30)
        assert [one.id for one in (await world.find(tags={"a": "", "b": "2"}, project_id="p1")).servers] == ["s1"]
        assert (await world.ask("list-tags", ListTags(), TagList)).tags == {"a": ("1",), "b": ("2",)}
        untagged = await world.ask("untag", UntagServer(server_id="s1", keys=("a", "zz")), ServerTags)
        assert untagged.tags == {"b": "2"}
        async with asyncio.timeout(10):
            while len(world.changes) < 3:
                await asyncio.sleep(0.02)
        assert [(one.name, one.tags) for one in world.changes] == [
            ("front", {}),
            ("front", {"a": "1", "b": "2"}),
            ("front", {"b": "2"}),
        ]


async def test_another_accounts_server_is_as_unknown_as_none(bench) -> None:
    async with registry(bench) as world:
        await world.register("s1", inventory())
        refused = []
        for server_id, account in (("s1", "else"), ("nobody", "acme")):
            for verb, message in (
                ("show-source", ShowSourceServer(server_id=server_id)),
                ("update", UpdateServer(server_id=server_id, name="x")),
                ("tag", TagServer(server_id=server_id, tags={"a": "b"})),
                ("untag", UntagServer(server_id=server_id, keys=("a",))),
                ("report-copy-state", ReportCopyState(server_id=server_id, state="syncing")),
            ):
                with pytest.raises(MigrationError) as error:
                    await world.ask(verb, message, Accepted, account)
                refused.append(error.value.failure.model_dump() | {"parameters": {}, "cause": ""})
        assert all(one == refused[0] for one in refused)
        assert refused[0]["code"] == "SMS.REGISTRY.SERVER_NOT_FOUND"


async def test_bulk_deletion_reports_each_and_a_busy_one_keeps_no_other(bench) -> None:
    async with registry(bench) as world:
        for number, server_id in enumerate(("s1", "s2", "s3"), start=1):
            await world.register(server_id, inventory(number))
        moved = TaskChanged(
            task_id="t1", server_id="s2", version=3, event="x", from_phase=Phase.READY, to_phase=Phase.COPYING
        )
        await world.say(subjects.evt("acme", "task", "t1", "changed"), moved, "EVT")
        await world.until("s2", state="replicate")
        message = DeleteServers(server_ids=("s1", "s2", "gone", "s1", "s3"))
        deleted = (await world.ask("delete-many", message, ServersDeleted)).servers
        assert [(one.id, one.failure.code if one.failure else "") for one in deleted] == [
            ("s1", ""),
            ("s2", "SMS.REGISTRY.SERVER_BUSY"),
            ("gone", "SMS.REGISTRY.SERVER_NOT_FOUND"),
            ("s3", ""),
        ]
        assert [one.id for one in (await world.find()).servers] == ["s2"]


async def test_the_overview_counts_states_and_names_the_quota_of_the_account(bench) -> None:
    async with registry(bench, server_quota=7) as world:
        for number in (1, 2):
            await world.register(f"s{number}", inventory(number))
        await world.ask("report-copy-state", ReportCopyState(server_id="s2", state="premiged"), Accepted)
        overview = await world.ask("overview", ShowOverview(), ServerOverview)
        assert (overview.count, overview.quota, overview.connected, overview.unconfigured) == (2, 7, 2, 1)
        assert overview.states == {"waiting": 1, "premiged": 1}
        assert (await world.find(migration_cycle="tested")).count == 1
        with pytest.raises(MigrationError, match="COPY_STATE_UNKNOWN"):
            await world.ask("report-copy-state", ReportCopyState(server_id="s2", state="wild"), Accepted)
        own = AccountUpdated(name="else", is_enabled=True, quotas=AccountQuotas(max_migrating_servers=0))
        await world.say(subjects.evt("else", "account", "else", "updated"), own, "EVT")
        async with asyncio.timeout(10):
            while (await world.ask("overview", ShowOverview(), ServerOverview, "else")).quota != 0:
                await asyncio.sleep(0.02)
        with pytest.raises(MigrationError, match="has 0 source servers; 0 are allowed"):
            await world.ask("admit", AdmitServer(server_id="n", hostname="h"), Accepted, "else")


async def test_a_running_transfer_shows_in_lists_and_its_last_figures_stay(bench) -> None:
    async with registry(bench) as world:
        await world.register("s1", inventory())
        moved = TaskChanged(
            task_id="t1",
            server_id="s1",
            version=3,
            event="x",
            from_phase=Phase.READY,
            to_phase=Phase.COPYING,
            step="COPY",
            state="RUNNING",
        )
        await world.say(subjects.evt("acme", "task", "t1", "changed"), moved, "EVT")
        await world.until("s1", state="replicate")
        figures = TransferProgress(
            task_id="t1", stage="copying", bytes_done=30, bytes_total=120, smoothed_rate_bytes_s=1e6, seconds_left=9
        )
        report = AgentProgress(task_id="t1", epoch=1, verb="copy", progress=figures)
        async with asyncio.timeout(10):
            while True:
                await world.say(subjects.agent_status("acme", "s1", "progress"), report)
                task = (await world.find()).servers[0].task
                if task and task.bytes_done:
                    break
                await asyncio.sleep(0.02)
        assert (task.percent, task.rate_mbit_s, task.seconds_left, task.state) == (25, 8.0, 9, "RUNNING")
        ended = moved.model_copy(update={"version": 4, "to_phase": Phase.FINISHED, "state": "MIGRATE_SUCCESS"})
        await world.say(subjects.evt("acme", "task", "t1", "changed"), ended, "EVT")
        server = await world.until("s1", state="finished")
        assert server.task is not None
        assert (server.task.bytes_done, server.task.bytes_total, server.task.rate_mbit_s) == (30, 120, 0.0)


async def test_a_page_of_many_large_servers_fits_the_bus_and_the_next_one_goes_on(bench) -> None:
    disks = tuple(Disk(name=f"vd{number:03}", device="/dev/x", size_bytes=1 << 30) for number in range(600))
    async with registry(bench) as world:
        for number in range(1, 17):
            await world.register(f"s{number:02}", inventory(number, disks=disks))
        seen: list[str] = []
        asked = 0
        while len(seen) < 16:
            page = await world.find(limit=1000, offset=len(seen))
            seen += [one.id for one in page.servers]
            asked += 1
            assert page.count == 16
        assert seen == [f"s{number:02}" for number in range(1, 17)]
        assert asked > 1


async def test_a_record_of_the_first_version_is_read_and_becomes_one_of_this(bench) -> None:
    async with registry(bench) as world:
        await world.register("s1", inventory())
    old = Server(
        id="s0",
        account="acme",
        name="old",
        inventory_json=inventory(5).model_dump_json(),
        registered_at="2025-01-01T00:00:00Z",  # type: ignore[arg-type]
        last_seen_at="2025-01-01T00:00:00Z",  # type: ignore[arg-type]
    )
    fields = ("id", "account", "name", "inventory_json", "registered_at", "last_seen_at")
    text = json.dumps({name: value for name, value in old.model_dump(mode="json").items() if name in fields})
    _insert(bench.folder / "registry.sqlite", "s0", text)
    async with registry(bench) as world:
        details = await world.ask("show", ShowServer(server_id="s0"), ServerDetails)
        assert details.inventory == inventory(5)
        report = FeasibilityReport(result="WARN", checks=())
        checked = FeasibilityChecked(server_id="s0", report=report)
        await world.say(subjects.evt("acme", "server", "s0", "feasibility-checked"), checked, "EVT")
        await world.until("s0", feasibility="WARN", migration_cycle="setting")
        await world.register("s0", inventory(6))
        await world.until("s0", hostname="web-6")
        details = await world.ask("show", ShowServer(server_id="s0"), ServerDetails)
        assert (details.inventory, details.feasibility) == (inventory(6), report)


def _insert(path: Path, identifier: str, text: str) -> None:

    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO records VALUES ('servers', 'acme', ?, 1, ?)", (identifier, text))
