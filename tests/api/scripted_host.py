"""A host agent and its helpers, scripted, on the real bus with their real permissions.

They stand in for disks and machines only: provisioner, issuer, identity and task service are real, and a helper's
target agent is the real session of an agent, which enrols with its token and makes a real key.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from agents.session import AgentSession, Credential
from agents.task_folder import TaskFolder
from contracts.adaptation import AdaptationReport
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.login import service_inbox
from contracts.messages import host
from contracts.messages.agent import (
    AdaptLayer,
    AgentCommand,
    AgentRegistered,
    AgentResult,
    AttachedDisk,
    DetachReplica,
    MakeKey,
    PlanAdaptation,
    PrepareTarget,
    RenewCertificate,
)
from tests.api.bench import ApiBench

CHANNEL_PORT = 4433


class ScriptedHelper:
    """The target agent of one target."""

    def __init__(self, folder: Path, bench: ApiBench, order: host.BootHostHelper) -> None:
        self.folder = folder / order.target_id
        self.volume_id = order.volume_id
        self.prepared: list[PrepareTarget] = []
        state = self.folder / "agent"
        state.mkdir(mode=0o700, parents=True)
        self._session = AgentSession(
            bus_url=f"127.0.0.1:{bench.bus_port}",
            ca_file=bench.files.ca_file,
            state_folder=state,
            role="target",
            credential=Credential(form="token", identifier=order.token_id, secret=order.secret, account=order.account),
            hostname="helper",
            fingerprint={},
            version="1.0",
        )
        self._serve(MakeKey, self._make_key)
        self._serve(PrepareTarget, self._prepare)
        self._serve(DetachReplica, self._plain)
        self._serve(PlanAdaptation, self._plan)
        self._serve(AdaptLayer, self._adapt)
        self._session.on_command(RenewCertificate.VERB, RenewCertificate, self._renew)

    async def start(self) -> None:
        await self._session.start()
        registered = AgentRegistered(role="target", session_id=self._session.session_id, agent_version="1.0")
        await self._session.publish_status(registered)

    async def stop(self) -> None:
        await self._session.stop()

    def _serve(self, model: type[AgentCommand], answer: Callable[..., AgentResult]) -> None:
        async def handle(command: AgentCommand) -> None:
            await self._session.publish_status(answer(command))

        self._session.on_command(model.VERB, model, handle)

    def _make_key(self, command: MakeKey) -> AgentResult:
        csr_pem = TaskFolder(self.folder / "agent", command.task_id).certificate_request(command.account, "target")
        return self._plain(command).model_copy(update={"csr_pem": csr_pem})

    def _prepare(self, command: PrepareTarget) -> AgentResult:
        self.prepared.append(command)
        return self._plain(command).model_copy(update={"port": CHANNEL_PORT})

    def _plan(self, command: PlanAdaptation) -> AgentResult:
        return self._plain(command).model_copy(update={"plan": AdaptationReport(verdict="passed")})

    def _adapt(self, command: AdaptLayer) -> AgentResult:
        return self._plain(command).model_copy(update={"adaptation": AdaptationReport(verdict="passed")})

    async def _renew(self, command: RenewCertificate) -> None:
        """There is nothing that serves."""

    @staticmethod
    def _plain(command: AgentCommand) -> AgentResult:
        return AgentResult(task_id=command.task_id, epoch=command.epoch, verb=command.VERB)


class ScriptedHost:
    """start() after the bench; every target that the provisioner asks for exists at once."""

    def __init__(self, bench: ApiBench, folder: Path) -> None:
        self._bench = bench
        self._folder = folder
        self._client: Client | None = None
        self._machines: dict[str, str] = {}
        self._disks: dict[str, tuple[AttachedDisk, ...]] = {}
        self._working: set[asyncio.Task[None]] = set()
        self.helpers: dict[str, ScriptedHelper] = {}

    def start(self) -> None:
        self._bench.run(self._start())

    def stop(self) -> None:
        self._bench.run(self._stop())

    async def _start(self) -> None:
        files = self._bench.files
        self._client = await nats.connect(
            f"tls://127.0.0.1:{self._bench.bus_port}",
            tls=self._bench.tls(),
            tls_handshake_first=True,
            nkeys_seed=str(files.seed_file("host")),
            inbox_prefix=service_inbox("host").encode(),
        )
        await self._client.subscribe("sms.v1.host.*", cb=self._receive)

    async def _stop(self) -> None:
        for task in self._working:
            task.cancel()
        for helper in self.helpers.values():
            await helper.stop()
        if self._client is not None:
            await self._client.close()

    async def _receive(self, raw: Msg) -> None:
        verb = raw.subject.rsplit(".", 1)[1]
        answer = await self._answers[verb](self, json.loads(raw.data))
        envelope = Envelope.of(answer, source="/agents/host", account="")
        assert self._client is not None
        await self._client.publish(raw.reply, answer.model_dump_json().encode(), headers=envelope.headers())

    async def _create_disks(self, request: dict[str, object]) -> Message:
        command = host.CreateDisks.model_validate(request)
        self._disks[command.target_id] = tuple(
            AttachedDisk(name=disk.name, path=f"/disks/{command.target_id}/{disk.name}.raw") for disk in command.disks
        )
        return host.HostDisks(disks=self._disks[command.target_id])

    async def _boot_helper(self, request: dict[str, object]) -> Message:
        order = host.BootHostHelper.model_validate(request)
        if order.target_id not in self.helpers:
            helper = ScriptedHelper(self._folder, self._bench, order)
            self.helpers[order.target_id] = helper
            starting = asyncio.create_task(helper.start())
            self._working.add(starting)
            starting.add_done_callback(self._working.discard)
        return await self._show_helper(request)

    async def _show_helper(self, request: dict[str, object]) -> Message:
        helper = self.helpers.get(str(request["target_id"]))
        return host.HostHelper(
            is_running=helper is not None,
            volume_id=helper.volume_id if helper else "",
            addresses=("127.0.0.1",),
        )

    async def _stop_helper(self, request: dict[str, object]) -> Message:
        helper = self.helpers.pop(str(request["target_id"]), None)
        if helper is not None:
            await helper.stop()
        return host.HostDone()

    async def _show_disks(self, request: dict[str, object]) -> Message:
        return host.HostDisks(disks=self._disks.get(str(request["target_id"]), ()), layers=2)

    async def _launch(self, request: dict[str, object]) -> Message:
        self._machines[str(request["target_id"])] = str(request["layer_id"])
        return await self._show_machine(request)

    async def _show_machine(self, request: dict[str, object]) -> Message:
        layer_id = str(request["layer_id"])
        is_running = self._machines.get(str(request["target_id"])) == layer_id
        return host.HostMachine(
            layer_id=layer_id, is_running=is_running, boot_state="healthy", console_path="/console", seconds=1.0
        )

    async def _stop_machine(self, request: dict[str, object]) -> Message:
        self._machines.pop(str(request["target_id"]), None)
        return host.HostDone()

    async def _release(self, request: dict[str, object]) -> Message:
        with suppress(KeyError):
            del self._disks[str(request["target_id"])]
        return host.HostDone()

    async def _census(self, _: dict[str, object]) -> Message:
        return host.HostCensus()

    async def _done(self, _: dict[str, object]) -> Message:
        return host.HostDone()

    _answers: dict[str, Callable[[ScriptedHost, dict[str, object]], Awaitable[Message]]] = {
        "create-disks": _create_disks,
        "boot-helper": _boot_helper,
        "show-helper": _show_helper,
        "stop-helper": _stop_helper,
        "take-point": _show_disks,
        "create-layer": _show_disks,
        "delete-layer": _done,
        "launch": _launch,
        "show-machine": _show_machine,
        "stop-machine": _stop_machine,
        "flatten": _show_disks,
        "release": _release,
        "census": _census,
    }
