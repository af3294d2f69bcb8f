"""The other parties of a task, scripted over a real bus: registry, issuer, provisioner and both agents.

They stand in for machines and disks only; the task service, its store and the bus are real. Every answer is
published twice, under two message ids, as a bus that redelivers would do at its worst.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import nats
from nats.aio.msg import Msg

from contracts.base import Message
from contracts.cutover import CommandOutcome, CutoverWork
from contracts.envelope import MESSAGE_ID_HEADER, Envelope
from contracts.errors import ErrorCode
from contracts.feasibility import FeasibilityReport
from contracts.inventory import Disk, FileSystem, Mount, OperatingSystem, Partition, SourceInventory
from contracts.messages.agent import AgentProgress, AgentResult, AgentSyncRound, AttachedDisk, CommandAcknowledged
from contracts.messages.certificate_issuer import AuthorityCreated, AuthorityDestroyed, CertificateIssued
from contracts.messages.registry import ServerDetails, ServerView
from contracts.messages.target_provisioner import (
    HelperStarted,
    LaunchLayerCreated,
    PointTaken,
    TargetFinished,
    TargetLaunched,
    TargetMachine,
    TargetProvisioned,
    TargetReleased,
)
from contracts.subjects import agent_status, evt
from contracts.task_settings import NetworkCheck
from contracts.transfer import CopySummary, FollowedRound, TransferProgress, VerificationReport

ACCOUNT = "default"
DISKS = (AttachedDisk(name="vda", path="/disks/vda.raw"),)
GONE = ErrorCode(code="SMS.TEST.GONE", cause="it is gone", remedy="bring it back", is_resumable=True)


def inventory() -> SourceInventory:
    root = FileSystem(kind="ext4", uuid="11111111-2222-3333-4444-555555555555", size_bytes=2 << 30, used_bytes=1 << 29)
    partition = Partition(
        number=1, name="sda1", start_bytes=1 << 20, size_bytes=2 << 30, type_id="83", is_active=True, file_system=root
    )
    disk = Disk(
        name="sda",
        device="/dev/sda",
        size_bytes=3 << 30,
        table="mbr",
        identifier="1234abcd",
        partitions=(partition,),
        is_system=True,
    )
    return SourceInventory(
        hostname="web-1",
        architecture="x86_64",
        firmware="BIOS",
        operating_system=OperatingSystem(id="debian", version_id="12"),
        disks=(disk,),
        mounts=(Mount(mount_point="/", host_path="/", kind="ext4", volume="sda1"),),
    )


class World:
    """fails: command verb to the number of times that it fails before it succeeds. silent: verbs that no agent
    acknowledges. held: verbs that are acknowledged and never end. says: by verb, what its results
    hold besides. heard: what the task service says of tasks, as (what, message)."""

    def __init__(self) -> None:
        self.commands: Counter[str] = Counter()
        self.last_commands: dict[str, Any] = {}
        self.effects: Counter[str] = Counter()
        self.fails: dict[str, int] = {}
        self.silent: set[str] = set()
        self.is_connected = True
        self.delay_s = 0.0
        self.held: set[str] = set()
        self.says: dict[str, dict[str, Any]] = {}
        self.certificate_life = timedelta(hours=1)
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._kept: set[str] = set()

    async def start(self, url: str) -> None:
        self._client = await nats.connect(url)
        self._stream = self._client.jetstream()
        await self._client.subscribe("sms.v1.req.registry.show", cb=self._show_server)
        await self._client.subscribe("sms.v1.agent.*.*.cmd.*", cb=self._obey)
        await self._client.subscribe("sms.v1.cmd.target_provisioner.*", cb=self._provision)
        await self._client.subscribe("sms.v1.cmd.certificate_issuer.*", cb=self._certify)
        await self._client.subscribe("sms.v1.evt.*.task.>", cb=self._hear)

    async def stop(self) -> None:
        await self._client.close()

    async def _hear(self, raw: Msg) -> None:
        self.heard.append((raw.subject.rsplit(".", 1)[1], json.loads(raw.data)))

    async def forge(self, result: AgentResult, *, agent_id: str) -> None:
        """An agent says this on its own subjects."""
        await self._say(agent_status(ACCOUNT, agent_id, "result"), result)

    async def _show_server(self, raw: Msg) -> None:
        server = ServerView(id="s1", name="web-1", is_connected=self.is_connected, checks="OK")
        report = FeasibilityReport(result="OK", checks=())
        await self._reply(raw, ServerDetails(server=server, inventory=inventory(), feasibility=report))

    async def report_progress(
        self,
        task_id: str,
        epoch: int,
        *,
        wire_rate_bit_s: float | None = None,
        minute_of_day: int | None = None,
        lag_s: float | None = None,
    ) -> None:
        """The source measures its rate on the wire, and how far behind the target is."""
        progress = TransferProgress(task_id=task_id, stage="copying", bytes_sent=1, lag_s=lag_s)
        message = AgentProgress(
            task_id=task_id,
            epoch=epoch,
            verb="copy",
            progress=progress,
            wire_rate_bit_s=wire_rate_bit_s,
            minute_of_day=minute_of_day,
        )
        await self._say_on_core("progress", message)

    async def report_round(self, task_id: str, epoch: int, followed: FollowedRound) -> None:
        """A round of the source's continuous sync has ended."""
        await self._say_on_core("sync-round", AgentSyncRound(task_id=task_id, epoch=epoch, round=followed))

    async def _say_on_core(self, kind: str, message: Message) -> None:
        subject = agent_status(ACCOUNT, "s1", kind)
        envelope = Envelope.of(message, source="/test/world", account=ACCOUNT, subject=subject, id=f"s1:{uuid.uuid4()}")
        await self._client.publish(subject, message.model_dump_json().encode(), headers=envelope.headers())

    async def _obey(self, raw: Msg) -> None:
        command = json.loads(raw.data)
        agent_id, verb = raw.subject.split(".")[4], raw.subject.split(".")[6]
        if verb in self.silent:
            return
        self.commands[verb] += 1
        self.last_commands[verb] = command
        known = {"task_id": command["task_id"], "epoch": command["epoch"]}
        await self._reply(raw, CommandAcknowledged(**known))
        if verb in self.held or verb in {"renew-certificate", "limit-speed"}:
            return
        if self.fails.get(verb, 0) > 0:
            self.fails[verb] -= 1
            result = AgentResult(**known, verb=verb, failure=GONE.failure())
        else:
            result = AgentResult(**known, verb=verb, **(_answers(verb) | self.says.get(verb, {})))
        await self._say(agent_status(ACCOUNT, agent_id, "result"), result)

    def _is_dropped_by_the_stream(self, raw: Msg) -> bool:
        """A service killed between a publication and its note of it publishes again, under the same message id. The
        stream drops that copy and no service ever sees it; this subscription, which is none of the stream's, does."""
        message_id = (raw.headers or {})[MESSAGE_ID_HEADER]
        is_copy = message_id in self._kept
        self._kept.add(message_id)
        return is_copy

    async def _provision(self, raw: Msg) -> None:
        if self._is_dropped_by_the_stream(raw):
            return
        command, verb = json.loads(raw.data), raw.subject.split(".")[4]
        self.commands[verb] += 1
        self.effects[command["request_id"]] += 1
        known = {name: command[name] for name in ("request_id", "task_id", "target_id")}
        message, what = _provided(verb, known)
        await self._say(evt(ACCOUNT, "target", known["target_id"], what), message)

    async def _certify(self, raw: Msg) -> None:
        if self._is_dropped_by_the_stream(raw):
            return
        command, verb = json.loads(raw.data), raw.subject.split(".")[4]
        task_id = command["task_id"]
        self.commands[verb] += 1
        if verb == "create-authority":
            message: Message = AuthorityCreated(task_id=task_id, authority_pem="ca")
        elif verb == "destroy-authority":
            message = AuthorityDestroyed(task_id=task_id)
        else:
            message = CertificateIssued(
                task_id=task_id,
                role=command["role"],
                request_id=command["request_id"],
                certificate_pem="pem",
                authority_pem="ca",
                serial="1",
                not_after=datetime.now(UTC) + self.certificate_life,
            )
        what = {"create-authority": "authority-created", "destroy-authority": "authority-destroyed"}.get(verb, "issued")
        await self._say(evt(ACCOUNT, "certificate", task_id, what), message)

    async def _say(self, subject: str, message: Message) -> None:
        await asyncio.sleep(self.delay_s)
        for _ in range(2):
            sender = subject.split(".")[4]  # an agent's message ids begin with its id
            envelope = Envelope.of(
                message, source="/test/world", account=ACCOUNT, subject=subject, id=f"{sender}:{uuid.uuid4()}"
            )
            await self._stream.publish(subject, message.model_dump_json().encode(), headers=envelope.headers())

    async def _reply(self, raw: Msg, message: Message) -> None:
        envelope = Envelope.of(message, source="/test/world", account=ACCOUNT)
        await self._client.publish(raw.reply, message.model_dump_json().encode(), headers=envelope.headers())


def _answers(verb: str) -> dict[str, Any]:
    match verb:
        case "make-key":
            return {"csr_pem": "csr"}
        case "prepare-target":
            return {"port": 4433}
        case "copy" | "sync":
            return {"summary": CopySummary(round_number=0, files_sent=3, bytes_sent=10)}
        case "cut-over":
            outcome = CommandOutcome(name="before 1", exit_code=0, output="stopped")
            work = CutoverWork(before=(outcome,), before_s=1, last_round_s=2, downtime_s=3)
            return {"summary": CopySummary(round_number=0, files_sent=3, bytes_sent=10), "cutover": work}
        case "check-network":
            found = NetworkCheck(
                delay_ms=1,
                jitter_ms=0.1,
                bandwidth_mbit_s=400,
                loss_percent=0,
                cpu_percent=1,
                memory_percent=1,
                verdict="",
            )
            return {"network_check": found}
        case "release-source" | "stop-work":
            return {"cutover": CutoverWork(after=(CommandOutcome(name="after 1", exit_code=0, output="started"),))}
        case "verify":
            return {"verification": VerificationReport(files=3)}
        case _:
            return {}


def _provided(verb: str, known: dict[str, str]) -> tuple[Message, str]:
    layer = f"layer-{known['request_id'].rsplit(':', 1)[1]}"
    match verb:
        case "provision":
            return TargetProvisioned(**known, replica_disks=DISKS), "provisioned"
        case "boot-helper":
            started = HelperStarted(**known, agent_id="h1", addresses=("127.0.0.1",), volume_id="v1")
            return started, "helper-started"
        case "take-point":
            point = PointTaken(**known, point_id=layer, taken_at=datetime.now(UTC), replica_disks=DISKS)
            return point, "point-taken"
        case "create-launch-layer":
            created = LaunchLayerCreated(**known, layer_id=layer, point_id="p", disks=DISKS)
            return created, "launch-layer-created"
        case "launch":
            machine = TargetMachine(layer_id=layer, console_path="/c")
            return TargetLaunched(**known, machine=machine, boot_seconds=1), "launched"
        case "finish":
            return TargetFinished(**known, disks=DISKS), "finished"
        case _:
            return TargetReleased(**known), "released"
