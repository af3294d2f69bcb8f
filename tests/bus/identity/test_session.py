"""An agent's session: enrolment, statuses that survive, commands that are carried out once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from nats.aio.client import Client

import agents.session.session
from agents.session import AgentSession, Credential
from agents.session.connection import UnreachableError
from contracts.errors import MigrationError
from contracts.errors.agent import STATUS_TOO_LARGE
from contracts.messages.agent import AgentHeartbeat, AgentResult, CopyVolumes, DetachReplica, ForgetTask, StopWork
from contracts.subjects import agent_command
from tests.bus.identity.secure_bus import SecureBus
from tests.bus.identity.sessions import Results, access_key, command, connected, session_of


async def test_an_agent_with_an_access_key_enrols_and_reports(bus: SecureBus, tmp_path: Path) -> None:
    task = await bus.service("task")
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(raw: object) -> None:
        heard.put_nowait(getattr(raw, "subject", ""))

    await task.subscribe("sms.v1.agent.*.*.status.>", cb=hear)
    await task.flush()
    async with connected(session_of(bus, tmp_path / "agent", await access_key(bus))) as session:
        await session.publish_status(AgentResult(task_id="t1", epoch=1, verb="copy"))
        await asyncio.wait_for(session.wait_sent(), 15)
        own = f"sms.v1.agent.{session.account}.{session.agent_id}.status"
        subjects = {await asyncio.wait_for(heard.get(), 5), await asyncio.wait_for(heard.get(), 5)}
        assert {f"{own}.result", f"{own}.heartbeat"} <= subjects
    await task.close()


async def test_its_key_and_state_are_for_root_alone(bus: SecureBus, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    async with connected(session_of(bus, folder, await access_key(bus))):
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert modes["agent.nk"] == modes["session.sqlite"] == 0o600


async def test_a_restarted_agent_needs_no_credential_and_is_the_same(bus: SecureBus, tmp_path: Path) -> None:
    async with connected(session_of(bus, tmp_path / "agent", await access_key(bus))) as first:
        agent_id = first.agent_id
    async with connected(session_of(bus, tmp_path / "agent", None)) as second:
        assert second.agent_id == agent_id
        assert second.session_id != first.session_id


async def test_an_agent_without_credential_says_so(bus: SecureBus, tmp_path: Path) -> None:
    session = session_of(bus, tmp_path / "agent", None)
    with pytest.raises(MigrationError, match=r"SMS\.AGENT\.NO_CREDENTIAL"):
        await session.start()
    await session.stop()


async def test_a_wrong_secret_key_ends_with_a_code_that_tells_what_to_check(bus: SecureBus, tmp_path: Path) -> None:
    right = await access_key(bus)
    wrong = Credential(form="ak", identifier=right.identifier, secret="wrong", account=right.account)  # noqa: S106
    session = session_of(bus, tmp_path / "agent", wrong)
    with pytest.raises(MigrationError, match=r"SMS\.AGENT\.LOGIN_DENIED") as caught:
        await asyncio.wait_for(session.start(), 20)
    assert "clock" in caught.value.failure.remedy
    assert "wrong" not in str(caught.value)
    await session.stop()


async def test_a_session_ends_although_the_client_swallows_the_first_cancellation(
    bus: SecureBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stands in for the bus's client alone, whose race cannot be had when it is wanted."""
    tries: list[int] = []
    is_logging_in = asyncio.Event()

    async def swallowing(*_: object, **__: object) -> Client:
        tries.append(1)
        is_logging_in.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if len(tries) > 1:
                raise
        raise UnreachableError("as asyncio.wait_for does it in Python 3.11, now and then")

    monkeypatch.setattr(agents.session.session, "open_connection", swallowing)
    session = session_of(bus, tmp_path / "agent", await access_key(bus))
    await session.start()
    await is_logging_in.wait()
    stopping = asyncio.create_task(session.stop())
    done, _ = await asyncio.wait((stopping,), timeout=5)
    assert done == {stopping}


async def test_a_second_process_on_the_same_state_is_refused(bus: SecureBus, tmp_path: Path) -> None:
    async with connected(session_of(bus, tmp_path / "agent", await access_key(bus))):
        with pytest.raises(MigrationError, match=r"SMS\.AGENT\.ALREADY_RUNNING"):
            session_of(bus, tmp_path / "agent", None)


async def test_another_authority_is_not_trusted(bus: SecureBus, own_bus: SecureBus, tmp_path: Path) -> None:
    session = AgentSession(
        bus_url=bus.files.url,
        ca_file=own_bus.files.ca_file,
        state_folder=tmp_path / "agent",
        role="source",
        credential=await access_key(bus),
        hostname="server1",
        fingerprint={},
        version="0.1.0",
    )
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(session.start(), 2)
    assert session.agent_id == ""
    await session.stop()


async def test_results_survive_a_restart_of_bus_and_agent_in_order(own_bus: SecureBus, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    async with connected(session_of(own_bus, folder, await access_key(own_bus))) as session:
        await session.publish_status(AgentResult(task_id="t1", epoch=1, verb="copy"))
        await asyncio.wait_for(session.wait_sent(), 10)
        own_bus.kill_server()
        for epoch in (2, 3):
            await session.publish_status(AgentResult(task_id="t1", epoch=epoch, verb="sync"))
        await session.publish_core(AgentHeartbeat(role="source", session_id="x"))
    again = session_of(own_bus, folder, None)
    await again.start()
    await again.publish_status(AgentResult(task_id="t1", epoch=4, verb="sync"))
    own_bus.start_server()
    await asyncio.wait_for(again.wait_connected(), 15)
    await asyncio.wait_for(again.wait_sent(), 15)
    task = await own_bus.service("task")
    assert [result.epoch for result in await Results(task, again).take(4)] == [1, 2, 3, 4]
    await again.stop()
    await task.close()


async def test_an_agent_comes_back_by_itself_when_the_bus_is_back(own_bus: SecureBus, tmp_path: Path) -> None:
    async with connected(session_of(own_bus, tmp_path / "agent", await access_key(own_bus))) as session:
        own_bus.kill_server()
        await asyncio.sleep(3)
        own_bus.start_server()
        # Usually 3 s; identity, which lets it in, must be back before, and both share a busy machine with other tests.
        await asyncio.wait_for(session.wait_connected(), 30)


async def test_a_status_that_is_too_large_is_refused_at_once(bus: SecureBus, tmp_path: Path) -> None:
    async with connected(session_of(bus, tmp_path / "agent", await access_key(bus))) as session:
        huge = AgentResult(task_id="t1", epoch=1, verb="copy", csr_pem="x" * (1 << 20))
        with pytest.raises(MigrationError, match=STATUS_TOO_LARGE.code):
            await session.publish_status(huge)
        await session.publish_status(AgentResult(task_id="t1", epoch=1, verb="copy"))
        await asyncio.wait_for(session.wait_sent(), 10)


async def test_stale_and_repeated_commands(bus: SecureBus, tmp_path: Path) -> None:
    task = await bus.service("task")
    runs: list[int] = []
    may_end = asyncio.Event()
    session = session_of(bus, tmp_path / "agent", await access_key(bus))

    async def detach(message: DetachReplica) -> None:
        runs.append(message.epoch)
        await may_end.wait()
        await session.publish_status(AgentResult(task_id=message.task_id, epoch=message.epoch, verb=message.VERB))

    session.on_command(DetachReplica.VERB, DetachReplica, detach)
    session.on_command(StopWork.VERB, StopWork, _nothing)
    async with connected(session):
        five = DetachReplica(task_id="t1", epoch=5)
        assert (await command(task, session, five)).failure is None
        assert (await command(task, session, five)).failure is None, "running: acknowledged again"
        older = await command(task, session, DetachReplica(task_id="t1", epoch=4))
        assert older.failure is not None
        assert older.failure.code == "SMS.AGENT.STALE_COMMAND"
        same_epoch = await command(task, session, StopWork(task_id="t1", epoch=5))
        assert same_epoch.failure is not None, "another command cannot take an epoch that is in use"
        assert (await command(task, session, DetachReplica(task_id="t2", epoch=1))).failure is None
        may_end.set()
        results = Results(task, session)
        assert {(result.task_id, result.epoch) for result in await results.take(2)} == {("t1", 5), ("t2", 1)}
        assert (await command(task, session, five)).failure is None, "finished: acknowledged, and said again"
        assert [result.epoch for result in await results.take(1)] == [5]
        assert (await command(task, session, StopWork(task_id="t1", epoch=6))).failure is None
        assert (await command(task, session, five)).failure is not None
    assert runs == [5, 1]
    await task.close()


async def _nothing(_: object) -> None:
    return None


async def test_a_command_cut_short_by_a_restart_runs_again_when_repeated(bus: SecureBus, tmp_path: Path) -> None:
    task = await bus.service("task")
    runs: list[str] = []

    async def never_ends(_: DetachReplica) -> None:
        runs.append("first")
        await asyncio.Event().wait()

    first = session_of(bus, tmp_path / "agent", await access_key(bus))
    first.on_command(DetachReplica.VERB, DetachReplica, never_ends)
    async with connected(first):
        assert (await command(task, first, DetachReplica(task_id="t1", epoch=7))).failure is None
        await asyncio.sleep(0.1)

    second = session_of(bus, tmp_path / "agent", None)

    async def ends(message: DetachReplica) -> None:
        runs.append("second")
        await second.publish_status(AgentResult(task_id=message.task_id, epoch=message.epoch, verb=message.VERB))

    second.on_command(DetachReplica.VERB, DetachReplica, ends)
    async with connected(second):
        older = await command(task, second, DetachReplica(task_id="t1", epoch=6))
        assert older.failure is not None, "what was applied is remembered over a restart"
        assert (await command(task, second, DetachReplica(task_id="t1", epoch=7))).failure is None
        assert [result.epoch for result in await Results(task, second).take(1)] == [7]
    assert runs == ["first", "second"]
    await task.close()


async def test_a_handler_that_fails_becomes_a_result_with_a_code(bus: SecureBus, tmp_path: Path) -> None:
    task = await bus.service("task")
    session = session_of(bus, tmp_path / "agent", await access_key(bus))

    async def expected(_: DetachReplica) -> None:
        raise MigrationError(STATUS_TOO_LARGE, kind="x", size_bytes=2, limit_bytes=1)

    async def unexpected(_: ForgetTask) -> None:
        raise KeyError("a secret")

    session.on_command(DetachReplica.VERB, DetachReplica, expected)
    session.on_command(ForgetTask.VERB, ForgetTask, unexpected)
    async with connected(session):
        await command(task, session, DetachReplica(task_id="t1", epoch=1))
        await command(task, session, ForgetTask(task_id="t2", epoch=1))
        results = await Results(task, session).take(2)
    failures = {result.task_id: result.failure for result in results}
    assert failures["t1"] is not None
    assert failures["t1"].code == STATUS_TOO_LARGE.code
    assert failures["t2"] is not None
    assert failures["t2"].code == "SMS.AGENT.COMMAND_FAILED"
    assert "a secret" not in failures["t2"].model_dump_json()
    await task.close()


async def test_a_command_that_cannot_be_read_is_answered(bus: SecureBus, tmp_path: Path) -> None:
    task = await bus.service("task")
    session = session_of(bus, tmp_path / "agent", await access_key(bus))
    session.on_command(CopyVolumes.VERB, CopyVolumes, _nothing)
    async with connected(session):
        subject = agent_command(session.account, session.agent_id, CopyVolumes.VERB)
        answer = await task.request(subject, b'{"task_id": "t1", "epoch": 3}', timeout=5)
        assert b"SMS.AGENT.COMMAND_UNREADABLE" in answer.data
        assert b'"epoch":3' in answer.data
    await task.close()
