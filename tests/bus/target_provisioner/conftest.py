"""The provisioner with the real host agent on a real bus; identity is a responder that hands out numbered tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contracts import subjects
from contracts.envelope import Envelope
from contracts.messages import target_provisioner as messages
from contracts.messages.identity import EnrolmentToken, IssueEnrolmentToken
from contracts.messages.target_provisioner import ProvisionerCommand, ProvisionerEvent
from services.target_provisioner.bootstrap import COLLECTIONS
from services.target_provisioner.bootstrap import wire as wire_provisioner
from services.target_provisioner.settings import TargetProvisionerSettings
from shared.service import ServiceContext, Wire
from shared.store import Collection, OutgoingMessage, Record
from tests.bus.conftest import Bench
from tests.host_agent import HostAgent, running_host_agent
from tests.servers import NatsServer

ACCOUNT = "acme"
EVENTS = tuple(
    model
    for model in vars(messages).values()
    if isinstance(model, type) and issubclass(model, ProvisionerEvent) and model is not ProvisionerEvent
)


@pytest.fixture
def host_agent(nats_server: NatsServer, tmp_path: Path) -> Iterator[HostAgent]:
    with running_host_agent(tmp_path, bus_url=nats_server.url) as agent:
        yield agent


class Desk:
    """Stands where the task service does: sends commands, collects the events that answer them."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.events: list[ProvisionerEvent] = []
        self.tokens_issued = 0
        self._context: ServiceContext | None = None
        self._sent = 0

    async def wire(self, context: ServiceContext) -> None:
        self._context = context
        context.bus.on_event("sms.v1.evt.*.target.>", EVENTS, self._collect)
        context.bus.on_request(subjects.req("identity", "issue-enrolment-token"), IssueEnrolmentToken, self._issue)

    async def send(self, command: ProvisionerCommand) -> None:
        """Into the command stream, as an outbox does."""
        assert self._context is not None
        self._sent += 1
        subject = subjects.cmd("target_provisioner", command.TYPE.rsplit(".", 1)[1])
        message = OutgoingMessage.of(subject, command, source="task", account=ACCOUNT, correlation_id=command.task_id)
        record = Record(collection="sent", account=ACCOUNT, id=str(self._sent), data={})
        await self._context.store.save(record, expected_version=0, outbox=[message])

    async def answer(self, request_id: str, *, count: int = 1, timeout_s: float = 30) -> ProvisionerEvent:
        """The event that answers this request, the count-th time it is said."""
        async with asyncio.timeout(timeout_s):
            while len(found := [event for event in self.events if event.request_id == request_id]) < count:
                await asyncio.sleep(0.02)
        return found[-1]

    async def ask(self, command: ProvisionerCommand, *, timeout_s: float = 30) -> ProvisionerEvent:
        await self.send(command)
        return await self.answer(command.request_id, timeout_s=timeout_s)

    async def request(self, verb: str, message, model):
        assert self._context is not None
        subject = subjects.req("target_provisioner", verb)
        return await self._context.bus.request(subject, message, model, account=ACCOUNT)

    @asynccontextmanager
    async def provisioner(self, wired: Wire = wire_provisioner) -> AsyncIterator[ServiceContext]:
        """The provisioner, started; leaving it cancels whatever it does, as a kill does."""
        base = self.bench.settings("target_provisioner").model_dump()
        changed = {"health_interval_s": 0.2, "volume_interval_s": 0.2, "host_patience_s": 20, "stop_timeout_s": 0.2}
        changed |= {"machine_stop_timeout_s": 1, "ack_wait_s": 2, "in_progress_interval_s": 0.5}
        settings = TargetProvisionerSettings.model_validate(base | changed)
        async with self.bench.running(settings, wired, COLLECTIONS) as context:
            yield context

    async def _collect(self, event: ProvisionerEvent, envelope: Envelope) -> None:
        assert envelope.account == ACCOUNT
        self.events.append(event)

    async def _issue(self, request: IssueEnrolmentToken, envelope: Envelope) -> EnrolmentToken:
        self.tokens_issued += 1
        agent_id = "agent-" + request.request_id.replace(":", "-")
        return EnrolmentToken(
            token_id=f"t{self.tokens_issued}", secret=f"canary-{self.tokens_issued}", agent_id=agent_id
        )


@pytest.fixture
async def desk(bench: Bench, host_agent: HostAgent) -> AsyncIterator[Desk]:
    stand = Desk(bench)
    async with bench.running("task", stand.wire, [Collection(name="sent")]):
        yield stand
