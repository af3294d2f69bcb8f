"""The thin path: an agent with an access key gets an identity and its own subjects."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agents.session import AgentSession, Credential
from contracts.messages.agent import AgentRole, AgentResult
from tests.bus.identity.secure_bus import SecureBus, new_account


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
        enrolment_patience_s=2,
    )


async def new_session(bus: SecureBus, folder: Path) -> AgentSession:
    account = new_account()
    made = await bus.new_credential(account)
    credential = Credential(form="ak", identifier=made.access_key, secret=made.secret_key, account=account)
    return session_of(bus, folder, credential)


async def test_an_agent_with_an_access_key_enrols_and_reports(bus: SecureBus, tmp_path: Path) -> None:
    task = await bus.service("task")
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(raw: object) -> None:
        heard.put_nowait(getattr(raw, "subject", ""))

    await task.subscribe("sms.v1.agent.*.*.status.>", cb=hear)
    await task.flush()
    session = await new_session(bus, tmp_path / "agent")
    await session.start()
    try:
        await asyncio.wait_for(session.wait_connected(), 15)
        await session.publish_status(AgentResult(task_id="t1", epoch=1, verb="copy"))
        await asyncio.wait_for(session.wait_sent(), 15)
        own = f"sms.v1.agent.{session.account}.{session.agent_id}.status"
        subjects = {await asyncio.wait_for(heard.get(), 5), await asyncio.wait_for(heard.get(), 5)}
        assert {f"{own}.result", f"{own}.heartbeat"} <= subjects
    finally:
        await session.stop()
        await task.close()
