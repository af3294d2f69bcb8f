"""Agent sessions for tests, and a task service that commands them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nats.aio.client import Client

from agents.session import AgentSession, Credential
from contracts.messages.agent import AgentCommand, AgentResult, AgentRole, CommandAcknowledged
from contracts.subjects import agent_command
from tests.bus.identity.secure_bus import SecureBus, ask, new_account


def session_of(
    bus: SecureBus, folder: Path, credential: Credential | None, *, role: AgentRole = "source"
) -> AgentSession:
    return AgentSession(
        bus_url=bus.files.url,
        ca_file=bus.files.ca_file,
        state_folder=folder,
        role=role,
        credential=credential,
        hostname="server1",
        fingerprint={"machine-id": "0" * 64},
        version="0.1.0",
        heartbeat_interval_s=0.5,
        enrolment_patience_s=1,
    )


async def access_key(bus: SecureBus, account: str = "") -> Credential:
    account = account or new_account()
    made = await bus.new_credential(account)
    return Credential(form="ak", identifier=made.access_key, secret=made.secret_key, account=account)


@asynccontextmanager
async def connected(session: AgentSession) -> AsyncIterator[AgentSession]:
    """A session that is logged in as itself; stopped at the end."""
    await session.start()
    try:
        await asyncio.wait_for(session.wait_connected(), 20)
        yield session
    finally:
        await session.stop()


async def command(task: Client, session: AgentSession, message: AgentCommand) -> CommandAcknowledged:
    subject = agent_command(session.account, session.agent_id, message.VERB)
    return await ask(task, subject, message, CommandAcknowledged, account=session.account, timeout_s=5)


class Results:
    """All results in the stream, in order."""

    def __init__(self, client: Client, session: AgentSession) -> None:
        self._jetstream = client.jetstream()
        self._subject = f"sms.v1.agent.{session.account}.{session.agent_id}.status.result"
        self._durable = f"task-test-{session.agent_id}"

    async def take(self, count: int) -> list[AgentResult]:
        """Exactly count results within 10 s, and no more half a second later."""
        subscription = await self._jetstream.pull_subscribe(self._subject, durable=self._durable, stream="AGENT")
        found: list[AgentResult] = []
        while len(found) < count:
            for raw in await subscription.fetch(count - len(found), timeout=10):
                await raw.ack()
                assert raw.headers["Nats-Msg-Id"].startswith(f"{self._subject.split('.')[4]}:")
                found.append(AgentResult.model_validate_json(raw.data))
        await asyncio.sleep(0.3)
        state = await self._jetstream.consumer_info("AGENT", self._durable)
        assert state.num_pending == 0, "more results than expected"
        await subscription.unsubscribe()
        return found
