"""Commands of the bus to agents that speak HTTP: acknowledged at once, kept, offered at the agent's next poll."""

from __future__ import annotations

from typing import Final

from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.agent import STALE_COMMAND
from contracts.errors.registry import SERVER_NOT_FOUND
from contracts.messages.agent import (
    AgentCommand,
    AgentInventory,
    AgentResult,
    ChannelEnd,
    CollectInventory,
    CommandAcknowledged,
    CopyVolumes,
    ForgetTask,
    LimitSpeed,
    MakeKey,
    RenewCertificate,
    StopWork,
    SyncVolumes,
    TransferCommand,
    VerifyVolumes,
)
from contracts.messages.agent_log import CollectLog
from contracts.subjects import owner_of_agent_subject
from services.gateway.bridge.clock import Clock
from services.gateway.domain.agent_ports import AgentSecrets, HttpAgents
from services.gateway.domain.http_agents import AgentTask, HttpAgent
from services.gateway.domain.mapping.registration import inventory_of
from services.gateway.domain.wire.agents import PostSourceServerBody

# What a source agent may be told; anything else is refused as unreadable, as by an older agent on the bus.
COMMANDS: Final[tuple[type[AgentCommand], ...]] = (
    MakeKey,
    CopyVolumes,
    SyncVolumes,
    VerifyVolumes,
    StopWork,
    ForgetTask,
    RenewCertificate,
    LimitSpeed,
    CollectInventory,
    CollectLog,
)


class CommandKeeper:
    """As an agent on the bus does: the newest command of a task wins, an older one is refused, and the same one
    repeated is carried out once. Everything is in the store before the acknowledgement leaves, so that another
    replica, or the next process, goes on with it."""

    def __init__(self, agents: HttpAgents, secrets: AgentSecrets, clock: Clock) -> None:
        self._agents = agents
        self._secrets = secrets
        self._clock = clock

    async def receive(self, command: AgentCommand, envelope: Envelope) -> CommandAcknowledged:
        """Raises MigrationError when the agent was deleted meanwhile: the command is then repeated in vain."""
        account, server_id = owner_of_agent_subject(envelope.subject)
        agent = await self._agents.load(account, server_id)
        if agent is None:
            raise MigrationError(SERVER_NOT_FOUND, server_id=server_id)
        acknowledged = CommandAcknowledged(task_id=command.task_id, epoch=command.epoch)
        if not command.task_id or not command.IS_ORDERED:
            await self._take_unordered(agent, command)
            return acknowledged
        task = await self._agents.load_task(account, command.task_id)
        if task is None:
            await self._forget_ended(agent)
            task = AgentTask(id=command.task_id, account=account, server_id=server_id, changed_at=self._clock())
        if _is_older(command, task):
            stale = STALE_COMMAND.failure(
                verb=command.VERB, task_id=command.task_id, epoch=command.epoch, applied_epoch=task.epoch
            )
            return acknowledged.model_copy(update={"failure": stale})
        await self._take_ordered(task, command)
        return acknowledged

    async def _take_ordered(self, task: AgentTask, command: AgentCommand) -> None:
        if command.epoch == task.epoch:
            if task.state == "done" and task.result_text:
                # Whoever repeats a command has not seen its result.
                result = AgentResult.model_validate_json(task.result_text)
                await self._agents.save_task(task, says=[result])
            return
        taken = task.model_copy(
            update={
                "epoch": command.epoch,
                "verb": command.VERB,
                "state": "open",
                "command_text": command.model_dump_json(),
                "result_text": "",
                "progress": None,
                "consistency_text": "",
                "changed_at": self._clock(),
            }
        )
        says: list[Message] = []
        if isinstance(command, MakeKey):
            taken, result = self._with_key(taken, command)
            says.append(result)
        elif isinstance(command, TransferCommand):
            taken = _with_channel(taken, command.channel)
        await self._agents.save_task(taken, says=says)

    def _with_key(self, task: AgentTask, command: MakeKey) -> tuple[AgentTask, AgentResult]:
        """A key that nobody has fetched yet stays; one that was handed out is never handed out again."""
        changes: dict[str, object] = {"state": "done"}
        if not task.sealed_key:
            made = self._secrets.new_key(account=task.account, task_id=task.id)
            # What was issued for the key before does not fit this one.
            changes |= {"sealed_key": made.sealed_key, "csr_pem": made.csr_pem, "certificate_pem": ""}
        if not task.sealed_passphrase:
            changes["sealed_passphrase"] = self._secrets.new_passphrase(account=task.account, task_id=task.id)
        keyed = task.model_copy(update=changes)
        result = AgentResult(task_id=task.id, epoch=command.epoch, verb=command.VERB, csr_pem=keyed.csr_pem)
        return keyed.model_copy(update={"result_text": result.model_dump_json()}), result

    async def _take_unordered(self, agent: HttpAgent, command: AgentCommand) -> None:
        if isinstance(command, CollectInventory):
            await self._say_inventory(agent, command)
        elif isinstance(command, CollectLog):
            asked = {"log_id": command.log_id, "log_asked_at": self._clock()}
            await self._agents.save(agent.model_copy(update=asked))
        elif isinstance(command, RenewCertificate | LimitSpeed):
            task = await self._agents.load_task(agent.account, command.task_id)
            if task is None or task.has_ended or task.server_id != agent.id:
                return
            if isinstance(command, RenewCertificate):
                await self._agents.save_task(_with_channel(task, command.channel))
            else:
                await self._agents.save_task(task.model_copy(update={"limits_text": command.limits.model_dump_json()}))

    async def _say_inventory(self, agent: HttpAgent, command: CollectInventory) -> None:
        """The contract has no word for it: what the agent said last is said again."""
        registration = await self._agents.load_registration(agent.account, agent.id)
        result = AgentResult(task_id="", epoch=command.epoch, verb=command.VERB)
        says: list[Message] = [result]
        if registration.text:
            inventory = inventory_of(PostSourceServerBody.model_validate_json(registration.text))
            says.insert(0, AgentInventory(session_id=agent.session_id, inventory=inventory))
        await self._agents.save(agent, says=says)

    async def _forget_ended(self, agent: HttpAgent) -> None:
        for task in await self._agents.tasks_of(agent.account, agent.id):
            if task.has_ended:
                await self._agents.remove_task(task)


def _is_older(command: AgentCommand, task: AgentTask) -> bool:
    # Two different commands of one epoch cannot both be the newest: the first one has it.
    return command.epoch < task.epoch or (command.epoch == task.epoch and task.verb != command.VERB)


def _with_channel(task: AgentTask, channel: ChannelEnd) -> AgentTask:
    if task.certificate_pem == channel.certificate_pem:
        return task
    return task.model_copy(
        update={
            "certificate_pem": channel.certificate_pem,
            "authority_pem": channel.authority_pem,
            "issue": task.issue + 1,
            "taken_at": None,
        }
    )
