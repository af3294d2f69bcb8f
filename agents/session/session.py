"""The bus side of any agent: enrols once, stays connected as itself, never loses a status or a command."""

from __future__ import annotations

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from agents.session.agent_log import LogSender
from agents.session.commands import CommandDesk, Verb
from agents.session.connection import (
    BusAddress,
    DeniedError,
    UnreachableError,
    close_connection,
    open_connection,
    trusting,
)
from agents.session.credential import Credential
from agents.session.enrolment import enrol_with
from agents.session.own_key import OwnKey
from agents.session.state import SessionState
from agents.session.statuses import Statuses, answer_headers
from contracts.base import Message
from contracts.errors import MigrationError
from contracts.errors.agent import LOGIN_DENIED, NO_CREDENTIAL
from contracts.login import agent_inbox, user_name
from contracts.messages.agent import AgentCommand, AgentHeartbeat, AgentRole, EnrolAgent
from contracts.messages.agent_log import CollectLog
from contracts.subjects import agent_command

_logger: Final = logging.getLogger("sms.agent.session")
_C = TypeVar("_C", bound=AgentCommand)

HEARTBEAT_INTERVAL_S: Final = 15.0
_SHORTEST_PAUSE_S: Final = 0.5
# The bus must have its agents back within 10 s of its own return.
_LONGEST_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_AFTER_DENIAL_S: Final = 8.0
# After so many denials the access key may be a new one: enrol the same key again.
_DENIALS_BEFORE_ENROLMENT: Final = 3
_CANCEL_AGAIN_S: Final = 1.0


class AgentSession:
    """Declare commands with `on_command`, then `start`.

    credential: for the first login; kept for the case that the user replaces the access key. state_folder: of
    mode 0700, private to this agent; it holds the agent's key. enrolment_patience_s: how long a first login
    that is denied is repeated before `start` fails (an identity service that is away denies as well).
    """

    def __init__(
        self,
        *,
        bus_url: str,
        ca_file: Path,
        state_folder: Path,
        role: AgentRole,
        credential: Credential | None,
        hostname: str,
        fingerprint: Mapping[str, str],
        version: str,
        bus_server_name: str = "",
        heartbeat_interval_s: float = HEARTBEAT_INTERVAL_S,
        enrolment_patience_s: float = 60,
    ) -> None:
        self._address = BusAddress.of(bus_url, ca_file, bus_server_name)
        self._state_folder = state_folder
        self._state = SessionState(state_folder)
        self._key = OwnKey.read_or_make(state_folder)
        self._role: AgentRole = role
        self._credential = credential
        self._hostname = hostname
        self._fingerprint = dict(fingerprint)
        self._version = version
        self._heartbeat_interval_s = heartbeat_interval_s
        self._enrolment_patience_s = enrolment_patience_s
        self._verbs: dict[str, Verb] = {}
        self._client: Client | None = None
        self._connected = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._statuses: Statuses | None = None
        self._desk: CommandDesk | None = None
        self.session_id = str(uuid.uuid4())
        self.agent_id = ""
        self.account = ""
        # Every agent has a log, whatever else it can do.
        self.on_command(CollectLog.VERB, CollectLog, LogSender(state_folder, self.publish_status).send)

    @property
    def is_connected(self) -> bool:
        """Whether the bus has let the agent in, now."""
        return self._connected.is_set()

    def on_command(self, verb: str, model: type[_C], handler: Callable[[_C], Awaitable[None]]) -> None:
        """Carry out a command. The handler publishes its AgentResult with `publish_status`; a MigrationError (or
        any other exception) becomes a result with that failure. It runs beside others: a newer command of the
        same task does not end it, the agent's own handler of ``stop-work`` does. After a restart in mid-work it
        runs again when the task service repeats the command."""
        self._verbs[verb] = Verb(model, handler)

    async def start(self) -> None:
        """Enrol if that was never done, then return; the connection is kept in the background for ever.

        Raises MigrationError: SMS.AGENT.NO_CREDENTIAL, SMS.AGENT.AUTHORITY_UNREADABLE, SMS.AGENT.LOGIN_DENIED,
        SMS.IDENTITY.ENROLMENT_REFUSED.
        A bus that cannot be reached is waited for.
        """
        trusting(self._address)
        identity = self._state.identity() or await self._enrol_first()
        self.agent_id, self.account = identity
        self._statuses = Statuses(self._state, self.agent_id, self.account)
        self._desk = CommandDesk(self._state, self._statuses, self._verbs, agent_version=self._version)
        self._keeper = asyncio.create_task(self._stay_connected(), name="agent-session")

    async def stop(self) -> None:
        """Cancel commands, close the connection and release the state folder; unsent statuses stay in it."""
        # asyncio.wait_for, by which the bus's client waits, swallows a cancellation now and then (until Python 3.12).
        while self._keeper is not None and not self._keeper.done():
            self._keeper.cancel()
            await asyncio.wait((self._keeper,), timeout=_CANCEL_AGAIN_S)
        await asyncio.gather(*self._answering, return_exceptions=True)
        if self._desk is not None:
            await self._desk.stop()
        self._state.close()

    async def wait_connected(self) -> None:
        """Until the agent is logged in as itself."""
        await self._connected.wait()

    async def wait_sent(self) -> None:
        """Until the bus has every status that was published so far."""
        await self._started().wait_empty()

    async def publish_status(self, message: Message) -> None:
        """AgentRegistered, AgentInventory, AgentResult or AgentLogChunk: returns when it is on this machine's disk; it
        leaves, in order, when the bus is there, and is forgotten after the bus's acknowledgement."""
        await self._started().keep(message)

    async def publish_core(self, message: Message) -> None:
        """AgentProgress, AgentSyncRound or AgentHeartbeat: dropped while offline."""
        if self._client is not None and self._connected.is_set():
            await self._started().say(self._client, message)

    def _started(self) -> Statuses:
        if self._statuses is None:
            raise RuntimeError("the session has not been started")
        return self._statuses

    async def _enrol_first(self) -> tuple[str, str]:
        if self._credential is None:
            raise MigrationError(NO_CREDENTIAL, state_folder=self._state_folder)
        denied_since: float | None = None
        pause_s = _SHORTEST_PAUSE_S
        while True:
            try:
                return await self._enrol(self._credential)
            except UnreachableError as error:
                _logger.warning("enrolment waits for the bus: %s", error)
            except DeniedError as error:
                denied_since = denied_since or time.monotonic()
                seconds = time.monotonic() - denied_since
                _logger.warning("the bus refuses the login with %s", self._credential.identifier)
                if seconds >= self._enrolment_patience_s:
                    raise MigrationError(
                        LOGIN_DENIED,
                        bus_url=",".join(self._address.servers),
                        credential_id=self._credential.identifier,
                        seconds=int(seconds),
                    ) from error
            await asyncio.sleep(_jittered(pause_s))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _enrol(self, credential: Credential) -> tuple[str, str]:
        request = EnrolAgent(
            public_key=self._key.public_text,
            role=self._role,
            hostname=self._hostname,
            fingerprint=self._fingerprint,
            agent_version=self._version,
        )
        reply = await enrol_with(self._address, credential, request)
        await self._state.keep_identity(reply.agent_id, reply.account)
        _logger.info("enrolled as %s of account %s", reply.agent_id, reply.account)
        return reply.agent_id, reply.account

    async def _stay_connected(self) -> None:
        pause_s, denials = _SHORTEST_PAUSE_S, 0
        while True:
            try:
                has_served = await self._connect_once()
                pause_s, denials = (_SHORTEST_PAUSE_S, 0) if has_served else (pause_s, denials)
            except DeniedError:
                denials += 1
                _logger.warning(
                    "the bus refuses the login of agent %s (%d times): identity is away, the access key that it "
                    "enrolled with is disabled, the agent is refused, or this clock is over 300 s off",
                    self.agent_id,
                    denials,
                )
                if denials % _DENIALS_BEFORE_ENROLMENT == 0:
                    await self._enrol_again()
            except UnreachableError as error:
                _logger.warning("the bus cannot be reached: %s", error)
            except Exception:
                # The edge of the session: whatever a broken bus causes, the agent comes back to it.
                _logger.exception("the connection to the bus failed")
            await asyncio.sleep(_jittered(pause_s))
            longest_s = _LONGEST_PAUSE_AFTER_DENIAL_S if denials else _LONGEST_PAUSE_S
            pause_s = min(pause_s * 2, longest_s)

    async def _enrol_again(self) -> None:
        """The user may have replaced the access key; the agent's key and id stay."""
        if self._credential is None or self._credential.form != "ak":
            return
        try:
            await self._enrol(self._credential)
        except (DeniedError, UnreachableError, MigrationError) as error:
            _logger.warning("enrolment with %s failed: %s", self._credential.identifier, error)

    async def _connect_once(self) -> bool:
        """Connect and serve until the connection ends; returns whether it was ever up."""
        has_ended = asyncio.Event()
        client = await open_connection(
            self._address,
            user=user_name("agent", self.agent_id),
            password=lambda: self._key.password(self.agent_id),
            inbox_prefix=agent_inbox(self.agent_id),
            on_closed=has_ended,
        )
        self._client = client
        work: list[asyncio.Task[None]] = []
        try:
            for verb in self._verbs:
                await client.subscribe(agent_command(self.account, self.agent_id, verb), cb=self._receive)
            await client.flush(timeout=10)
            self._connected.set()
            _logger.info("connected to the bus as %s", self.agent_id)
            work += [
                asyncio.create_task(self._started().relay(client), name="status-relay"),
                asyncio.create_task(self._beat(client), name="heartbeats"),
            ]
            ended = asyncio.create_task(has_ended.wait(), name="connection-end")
            await asyncio.wait([ended, *work], return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            for task in work:
                if task.done():
                    task.result()
        except (NatsError, OSError, TimeoutError) as error:
            raise UnreachableError(type(error).__name__) from error
        finally:
            self._connected.clear()
            self._client = None
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await close_connection(client)
        _logger.warning("the connection to the bus has ended")
        return True

    async def _beat(self, client: Client) -> None:
        while True:
            beat = AgentHeartbeat(role=self._role, session_id=self.session_id, agent_version=self._version)
            await self._started().say(client, beat)
            await asyncio.sleep(self._heartbeat_interval_s)

    async def _receive(self, raw: Msg) -> None:
        task = asyncio.create_task(self._answer(raw), name="command-answer")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, raw: Msg) -> None:
        if self._desk is None:
            return
        verb = raw.subject.rpartition(".")[2]
        acknowledged = await self._desk.receive(verb, raw)
        headers = answer_headers(
            acknowledged, agent_id=self.agent_id, account=self.account, task_id=acknowledged.task_id
        )
        client = self._client
        if raw.reply and client is not None:
            with suppress(NatsError, OSError):
                await client.publish(raw.reply, acknowledged.model_dump_json().encode(), headers=headers)


def _jittered(pause_s: float) -> float:
    # A thousand agents must not come back at the same moment.
    return pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - a pause is no secret
