"""A fleet of source servers that exists on the bus alone: registered, checked and kept alive by heartbeats."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import nats

from cli.installation import DataFolder
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.inventory import (
    Disk,
    FileSystem,
    Mount,
    OperatingSystem,
    Partition,
    SourceInventory,
)
from contracts.login import service_inbox
from contracts.messages.agent import AgentHeartbeat, AgentRegistered
from contracts.subjects import agent_status

_HEARTBEAT_S: Final = 15.0
# The gateway's login may speak for agents, since agents of HTTP do so through it.
_LOGIN: Final = "gateway"
_SESSION: Final = "benchmark"


@asynccontextmanager
async def fleet(folder: DataFolder, number: int) -> AsyncIterator[tuple[str, ...]]:
    """Register so many servers, and keep them alive meanwhile; their ids."""
    installation = folder.installation()
    connection = await nats.connect(
        installation.local_bus_url,
        tls=ssl.create_default_context(cafile=str(installation.ca_file)),
        tls_handshake_first=True,
        nkeys_seed=str(folder.path / "keys" / f"{_LOGIN}.nk"),
        inbox_prefix=service_inbox(_LOGIN),
    )
    ids = tuple(f"bench-{index:04d}" for index in range(number))
    stream = connection.jetstream()

    async def say(server_id: str, kind: str, message: Message) -> None:
        subject = agent_status(installation.account, server_id, kind)
        envelope = Envelope.of(
            message, source="/benchmark", account=installation.account, id=f"{server_id}-{uuid.uuid4().hex}"
        )
        data, headers = message.model_dump_json().encode(), envelope.headers()
        if kind == "registered":
            await stream.publish(subject, data, stream="AGENT", headers=headers)
        else:
            await connection.publish(subject, data, headers=headers)

    async def beat() -> None:
        while True:
            for server_id in ids:
                await say(server_id, "heartbeat", AgentHeartbeat(role="source", session_id=_SESSION))
                await asyncio.sleep(_HEARTBEAT_S / number)

    for index, server_id in enumerate(ids):
        registered = AgentRegistered(role="source", session_id=_SESSION, inventory=inventory(index))
        await say(server_id, "registered", registered)
    beating = asyncio.create_task(beat())
    try:
        yield ids
    finally:
        beating.cancel()
        await connection.close()


def inventory(index: int) -> SourceInventory:
    """A small server with two disks, as most are."""
    uuids = [str(uuid.uuid5(uuid.NAMESPACE_OID, f"{index}/{part}")) for part in ("root", "data")]
    root = FileSystem(kind="ext4", uuid=uuids[0], size_bytes=40 << 30, used_bytes=12 << 30)
    data = FileSystem(kind="xfs", uuid=uuids[1], size_bytes=100 << 30, used_bytes=60 << 30)
    disks = (
        Disk(
            name="sda",
            device="/dev/sda",
            size_bytes=41 << 30,
            table="mbr",
            identifier="1234abcd",
            is_system=True,
            partitions=(
                Partition(
                    number=1,
                    name="sda1",
                    start_bytes=1 << 20,
                    size_bytes=40 << 30,
                    type_id="83",
                    is_active=True,
                    file_system=root,
                ),
            ),
        ),
        Disk(
            name="sdb",
            device="/dev/sdb",
            size_bytes=101 << 30,
            table="mbr",
            identifier="1234abce",
            partitions=(
                Partition(
                    number=1, name="sdb1", start_bytes=1 << 20, size_bytes=100 << 30, type_id="83", file_system=data
                ),
            ),
        ),
    )
    return SourceInventory(
        hostname=f"web-{index:04d}",
        architecture="x86_64",
        firmware="BIOS",
        operating_system=OperatingSystem(id="debian", version_id="12", name="Debian GNU/Linux 12"),
        kernel_release="6.1.0-18-amd64",
        cpu_count=4,
        memory_bytes=8 << 30,
        disks=disks,
        mounts=(
            Mount(mount_point="/", host_path="/", kind="ext4", volume="sda1"),
            Mount(mount_point="/data", host_path="/data", kind="xfs", volume="sdb1"),
        ),
    )
