"""Answers ``$SYS.REQ.USER.AUTH``: for every login that is no service's, the bus asks here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts.permissions import AUTHENTICATION_SUBJECT
from services.identity.adapters.user_jwt import AnswerSigner, LoginRequest, read_login_request
from services.identity.domain.logins import DeniedError
from services.identity.domain.ports import Admission, Denial, DenialSink
from shared.telemetry import log

_QUEUE: Final = "identity"
# More at once would only wait for the store; the bus itself waits 4 s for an answer.
_AT_ONCE: Final = 32
_SYSTEM_INBOX: Final = "$SYS._INBOX."


class AuthenticationResponder:
    """One of possibly several replicas that answer in turn."""

    def __init__(
        self,
        connection: Client,
        logins: Admission,
        signer: AnswerSigner,
        denials: DenialSink,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._logins = logins
        self._signer = signer
        self._denials = denials
        self._clock = clock
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Subscribe; returns when the bus knows it."""
        await self._connection.subscribe(AUTHENTICATION_SUBJECT, queue=_QUEUE, cb=self._receive)
        await self._connection.flush()

    async def _receive(self, raw: Msg) -> None:
        # The callback of a subscription runs one message at a time: a storm of logins is answered side by side.
        await self._places.acquire()
        task = asyncio.create_task(self._answer_in_place(raw), name="login")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer_in_place(self, raw: Msg) -> None:
        try:
            await self._answer(raw)
        except Exception as error:  # noqa: BLE001 - the edge of a subscription; without an answer the bus refuses
            log("login not answered", level=logging.ERROR, error=error)
        finally:
            self._places.release()

    async def _answer(self, raw: Msg) -> None:
        try:
            request = read_login_request(raw.data.decode("ascii", "replace"))
        except ValueError as error:
            log("login request ignored", level=logging.WARNING, error=error)
            return
        if not raw.reply.startswith(_SYSTEM_INBOX):
            log("login request ignored", level=logging.WARNING, reason="its reply is not for the bus itself")
            return
        try:
            await self._connection.publish(raw.reply, (await self._decide(request)).encode())
        except (NatsError, OSError) as error:
            log("login answer not sent", level=logging.WARNING, error=error)

    async def _decide(self, request: LoginRequest) -> str:
        options = request.nats.connect_opts
        now = self._clock()
        try:
            grant = await self._logins.admit(options.user, options.password, now=now)
        except DeniedError as denied:
            address = request.nats.client_info.host
            self._denials.add(Denial(options.user, denied.reason, address, denied.account))
            return self._signer.refuse(request, now=now)
        return self._signer.let_in(request, grant, now=now)
