"""Secrets that leave: each certificate once, to the user whose key registered the agent."""

from __future__ import annotations

from contracts.errors import MigrationError
from contracts.errors.http_agent import KEY_DELIVERED, NO_CERTIFICATE
from services.gateway.api.call import Call
from services.gateway.bridge.clock import Clock
from services.gateway.bridge.desk import AgentDesk
from services.gateway.domain.agent_ports import AgentSecrets, HttpAgents
from services.gateway.domain.wire.agents import ShowCertKeyResponse, ShowPassphraseResponse
from shared.store import ConflictError
from shared.telemetry import log


class Deliveries:
    """The key is wiped from the store before it leaves: an answer that is lost costs a new key, never a second copy
    of this one."""

    def __init__(self, desk: AgentDesk, agents: HttpAgents, secrets: AgentSecrets, clock: Clock) -> None:
        self._desk = desk
        self._agents = agents
        self._secrets = secrets
        self._clock = clock

    async def certificate(self, call: Call, task_id: str, *, wants_authority: bool) -> ShowCertKeyResponse:
        """Raises SMS.AGENT.NO_CERTIFICATE before there is one, SMS.AGENT.KEY_DELIVERED after the first time."""
        while True:
            _, task = await self._desk.own_task(call, task_id)
            if task is None or not task.certificate_pem:
                raise MigrationError(NO_CERTIFICATE, task_id=task_id)
            if task.taken_at is not None:
                log("certificate asked for again", code=KEY_DELIVERED.code, account=call.account, task_id=task_id)
                taken_at = task.taken_at.isoformat()
                raise MigrationError(KEY_DELIVERED, issue=task.issue, task_id=task_id, taken_at=taken_at)
            key = None
            if task.sealed_key:
                key = self._secrets.open(task.sealed_key, account=task.account, task_id=task.id)
            try:
                await self._agents.save_task(task.model_copy(update={"sealed_key": "", "taken_at": self._clock()}))
            except ConflictError:
                # Another request was faster, or a command came: look which.
                continue
            authority = task.authority_pem if wants_authority else None
            return ShowCertKeyResponse(cert=task.certificate_pem, private_key=key, ca=authority)

    async def passphrase(self, call: Call, task_id: str) -> ShowPassphraseResponse:
        """The task's random secret, the same each time."""
        _, task = await self._desk.own_task(call, task_id)
        if task is None or not task.sealed_passphrase:
            raise MigrationError(NO_CERTIFICATE, task_id=task_id)
        opened = self._secrets.open(task.sealed_passphrase, account=task.account, task_id=task.id)
        return ShowPassphraseResponse(task_id=task.id, passphrase=opened)
