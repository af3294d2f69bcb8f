"""What agents of HTTP say and ask: registrations, polls, results, progress, reports."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from pydantic import JsonValue

from contracts.errors import MigrationError
from contracts.errors.http_agent import COMMAND_NOT_OPEN, NO_CONSISTENCY_RESULT, REPORTED_FAILURE
from contracts.errors.registry import SERVER_NOT_FOUND
from contracts.errors.task import TASK_NOT_FOUND
from contracts.messages.agent import AgentInventory, AgentRegistered, AgentResult
from contracts.messages.reply import Accepted
from contracts.messages.source import AdmitServer, ReportCopyState, UpdateServer
from contracts.messages.task import ShowTask, TaskDetails
from contracts.messages.task_settings import RecordConsistency, RecordNetworkCheck
from contracts.task_settings import NetworkCheck
from contracts.transfer import TransferProgress
from services.gateway.api.call import Call
from services.gateway.bridge.clock import Clock
from services.gateway.bridge.presence import Presence
from services.gateway.domain.agent_ports import HttpAgents
from services.gateway.domain.agent_words import HAS_FINISHED, UPLOAD_LOG, idle_word, newest, word_of
from services.gateway.domain.http_agents import AgentTask, HttpAgent, Registration
from services.gateway.domain.mapping.agent_reports import (
    command_name,
    command_param,
    consistency_of,
    detail_text,
    log_chunks_of,
    progress_of,
    succeeded,
    verification_of,
)
from services.gateway.domain.mapping.registration import inventory_of, with_disks
from services.gateway.domain.wire.agents import (
    CommandParam,
    DirectoryResult,
    PostSourceServerBody,
    PutDiskInfoReq,
    ShowCommandResponse,
    UpdateTaskSpeedReq,
)
from shared.store import ConflictError

T = TypeVar("T")
_NAMESPACE: Final = uuid.UUID("4f3a2c1e-92b7-4d0e-8a55-6f0c8b7d1e20")
_ATTEMPTS: Final = 5
_FULL_PERCENT: Final = 100
# The registry takes a registration within milliseconds; an agent's next request should find its server.
_SHOWN_WITHIN_S: Final = 3.0
_LOOK_AGAIN_S: Final = 0.05


class AgentDesk:
    """A user speaks for the agents that its keys have registered, and for no other: everything else is unknown."""

    def __init__(
        self,
        agents: HttpAgents,
        presence: Presence,
        listen: Callable[[str, str], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._agents = agents
        self._presence = presence
        self._listen = listen
        self._clock = clock
        self._progress: dict[tuple[str, str, int], TransferProgress] = {}

    async def register(self, call: Call, body: PostSourceServerBody) -> str:
        """The server's id: the one of the body, or one that follows from user and machine, so that an agent that has
        lost it finds its server again. Raises SMS.REGISTRY.QUOTA and the other refusals of the registry."""
        inventory = inventory_of(body)
        server_id = body.id or self._derived_id(call, body)
        known = await self.own_agent(call, server_id) if body.id else await self._agents.load(call.account, server_id)
        admit = AdmitServer(server_id=server_id, hostname=inventory.hostname)
        is_new = not (await call.ask("registry", "admit", admit, Accepted)).id
        agent = HttpAgent(
            id=server_id,
            account=call.account,
            user_id=call.user_id,
            user_name=call.user_name,
            access_key=call.access_key,
            session_id=uuid.uuid4().hex,
            hostname=inventory.hostname,
            agent_version=inventory.agent_version,
            registered_at=self._clock(),
            version=known.version if known else 0,
        )
        status = AgentRegistered(
            role="source", session_id=agent.session_id, agent_version=agent.agent_version, inventory=inventory
        )
        await self._keep_registration(agent, body)
        await self._agents.save(agent, says=[status])
        await self._listen(call.account, server_id)
        await self._until_shown(call, admit)
        if is_new and body.name != inventory.hostname:
            await call.ask("registry", "update", UpdateServer(server_id=server_id, name=body.name), Accepted)
        return server_id

    async def update_disks(self, call: Call, server_id: str, newer: PutDiskInfoReq) -> None:
        """The machine's disks have changed."""
        agent = await self.own_agent(call, server_id)
        registration = await self._agents.load_registration(agent.account, agent.id)
        body = with_disks(PostSourceServerBody.model_validate_json(registration.text), newer)
        status = AgentInventory(session_id=agent.session_id, inventory=inventory_of(body))
        await self._keep_registration(agent, body)
        await self._agents.save(agent, says=[status])

    async def report_copy_state(self, call: Call, server_id: str, state: str, cycle: str) -> None:
        """Where the agent says that its migration stands."""
        await self.own_agent(call, server_id)
        report = ReportCopyState(server_id=server_id, state=state, cycle=cycle)
        await call.ask("registry", "report-copy-state", report, Accepted)

    async def command(self, call: Call, server_id: str) -> ShowCommandResponse:
        """The newest command that is not done, a log that is wanted, or why there is nothing to do."""
        agent = await self.own_agent(call, server_id)
        task = newest(await self._agents.tasks_of(agent.account, agent.id))
        if task is not None and task.state == "open":
            return ShowCommandResponse(command_name=word_of(task.verb), command_param=command_param(task))
        if agent.log_id:
            wanted = CommandParam(task_id=task.id if task else None, log_id=agent.log_id)
            return ShowCommandResponse(command_name=UPLOAD_LOG, command_param=wanted)
        word = idle_word(task)
        task_id = task.id if task and word != HAS_FINISHED else None
        return ShowCommandResponse(command_name=word, command_param=CommandParam(task_id=task_id))

    async def report_result(
        self, call: Call, server_id: str, name: str, *, has_succeeded: bool, detail: JsonValue
    ) -> None:
        """The open command has ended. The same report again changes nothing."""

        async def work() -> None:
            agent = await self.own_agent(call, server_id)
            task = newest(await self._agents.tasks_of(agent.account, agent.id))
            if task is None or task.state != "open" or word_of(task.verb) != name:
                if task is not None and task.state == "done" and _is_told_again(task, name):
                    return
                raise MigrationError(
                    COMMAND_NOT_OPEN, reported=name, open_command=command_name(task), server_id=server_id
                )
            result = self._result(task, has_succeeded=has_succeeded, detail=detail)
            await self._agents.save_task(_done(task, result, self._clock), says=[result])

        await _retried(work)

    async def report_progress(self, call: Call, task_id: str, body: UpdateTaskSpeedReq) -> None:
        """How far the open command is; told on as often as it comes."""
        agent, task = await self.own_task(call, task_id)
        if task is None or task.state != "open":
            raise MigrationError(
                COMMAND_NOT_OPEN, reported=body.subtask_name, open_command=command_name(task), server_id=agent.id
            )
        report = progress_of(task, body)
        self._progress[task.account, task.id, task.epoch] = report.progress
        if body.progress == _FULL_PERCENT and task.progress != report.progress:
            # The figures of the result: whichever replica is told of the end finds them.
            await self._agents.save_task(task.model_copy(update={"progress": report.progress}))
        await self._presence.say(agent, "progress", report)

    async def report_consistency(self, call: Call, task_id: str, results: list[DirectoryResult]) -> None:
        """A comparison: the result of a verification that is open, otherwise kept with the task as it is."""
        agent, task = await self.own_task(call, task_id)
        if task is not None and task.state == "open" and task.verb == "verify":
            text = verification_of(results).model_dump_json()
            await self._agents.save_task(task.model_copy(update={"consistency_text": text}))
            return
        record = RecordConsistency(
            idempotency_key=call.idempotency_key,
            task_id=task_id,
            server_id=agent.id,
            results=consistency_of(results),
        )
        await call.ask("task", "record-consistency", record, Accepted)

    async def report_network(self, call: Call, task_id: str, check: NetworkCheck) -> None:
        """A measurement of the network, kept with the task."""
        agent, _ = await self.own_task(call, task_id)
        record = RecordNetworkCheck(
            idempotency_key=call.idempotency_key, task_id=task_id, server_id=agent.id, check=check
        )
        await call.ask("task", "record-network-check", record, Accepted)

    async def send_log(self, call: Call, server_id: str, log_id: str, text: str) -> None:
        """The log that UPLOAD_LOG asked for."""
        agent = await self.own_agent(call, server_id)
        if not agent.log_id or agent.log_id != log_id:
            raise MigrationError(
                COMMAND_NOT_OPEN,
                reported=f"log {log_id[:64]}",
                open_command=f"log {agent.log_id}" if agent.log_id else "none",
                server_id=server_id,
            )
        chunks = log_chunks_of(log_id, text)
        await self._agents.save(agent.model_copy(update={"log_id": "", "log_asked_at": None}), says=chunks)

    async def forget(self, account: str, server_id: str) -> None:
        """The server was deleted: its agent is unknown, and its secrets are gone."""
        await _retried(lambda: self._agents.remove(account, server_id))

    async def own_agent(self, call: Call, server_id: str) -> HttpAgent:
        """The agent, which has been heard by this. Raises SMS.REGISTRY.SERVER_NOT_FOUND, also for an agent that
        another user's key registered and for one that is on the bus."""
        agent = await self._agents.load(call.account, server_id)
        if agent is None or agent.user_id != call.user_id:
            raise MigrationError(SERVER_NOT_FOUND, server_id=server_id)
        await self._presence.heard(agent)
        return agent

    async def own_task(self, call: Call, task_id: str) -> tuple[HttpAgent, AgentTask | None]:
        """A task of an own agent; None when nothing was commanded for it yet. Raises SMS.TASK.NOT_FOUND."""
        task = await self._agents.load_task(call.account, task_id)
        if task is not None:
            server_id = task.server_id
        else:
            details = await call.ask("task", "show", ShowTask(task_id=task_id), TaskDetails)
            server_id = details.task.server_id
        try:
            return await self.own_agent(call, server_id), task
        except MigrationError as error:
            raise MigrationError(TASK_NOT_FOUND, task_id=task_id) from error

    def _result(self, task: AgentTask, *, has_succeeded: bool, detail: JsonValue) -> AgentResult:
        if has_succeeded and task.verb == "verify" and not task.consistency_text:
            failure = NO_CONSISTENCY_RESULT.failure(server_id=task.server_id, task_id=task.id)
        elif has_succeeded:
            progress = self._progress.pop((task.account, task.id, task.epoch), task.progress)
            return succeeded(task, progress)
        else:
            failure = REPORTED_FAILURE.failure(
                server_id=task.server_id, command=task.verb, detail=detail_text(detail), task_id=task.id
            )
        return AgentResult(task_id=task.id, epoch=task.epoch, verb=task.verb, failure=failure)

    async def _keep_registration(self, agent: HttpAgent, body: PostSourceServerBody) -> None:
        known = await self._agents.load_registration(agent.account, agent.id)
        text = body.model_dump_json(exclude_none=True)
        await self._agents.save_registration(agent.account, agent.id, Registration(text=text, version=known.version))

    async def _until_shown(self, call: Call, admit: AdmitServer) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SHOWN_WITHIN_S
        while loop.time() < deadline:
            if (await call.ask("registry", "admit", admit, Accepted)).id:
                return
            await asyncio.sleep(_LOOK_AGAIN_S)

    @staticmethod
    def _derived_id(call: Call, body: PostSourceServerBody) -> str:
        macs = ",".join(sorted(network.mac.lower() for network in body.networks if network.mac))
        names = (call.account, call.user_id, body.hostname or body.name, macs)
        return uuid.uuid5(_NAMESPACE, "\n".join(names)).hex


def _done(task: AgentTask, result: AgentResult, clock: Clock) -> AgentTask:
    changes: dict[str, object] = {
        "state": "done",
        "result_text": result.model_dump_json(),
        "command_text": "",
        "changed_at": clock(),
    }
    if task.verb == "forget-task" and result.failure is None:
        changes |= {"has_ended": True, "sealed_key": "", "sealed_passphrase": "", "certificate_pem": "", "csr_pem": ""}
    return task.model_copy(update=changes)


def _is_told_again(task: AgentTask, name: str) -> bool:
    return task.verb != "make-key" and word_of(task.verb) == name


async def _retried(work: Callable[[], Awaitable[T]]) -> T:
    for _ in range(_ATTEMPTS - 1):
        try:
            return await work()
        except ConflictError:
            # A command came in between, or another request of the same agent: look again.
            continue
    return await work()
