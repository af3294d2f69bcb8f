"""Ends live connections through the bus's system account."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Final

from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import ValidationError

from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.platform import BUS_UNAVAILABLE
from contracts.permissions import CUT_CONNECTION_SUBJECT, LIST_CONNECTIONS_SUBJECT
from shared.telemetry import log

_PAGE: Final = 1024
# Every server of a cluster answers; a page is complete when none has spoken for this long.
_ANSWER_WAIT_S: Final = 1.0
_QUIET_S: Final = 0.2
# A login that identity granted just before the key was disabled may appear after the first listing.
_AGAIN_AFTER_S: Final = (0.7, 2.0)


class _Connection(Model):
    cid: int
    authorized_user: str = ""
    name_tag: str = ""


class _Page(Model):
    server_id: str
    total: int = 0
    connections: tuple[_Connection, ...] | None = None


class _Answer(Model):
    data: _Page


class SystemAccountCutter:
    """Lists connections with their users and kicks those that are asked for."""

    def __init__(self, system_connection: Client) -> None:
        self._connection = system_connection
        self._later: set[asyncio.Task[None]] = set()

    async def cut(self, user_names: Iterable[str]) -> None:
        """See `services.identity.domain.ports.ConnectionCutter`."""
        names = frozenset(user_names)
        if not names:
            return
        await self._cut_once(names)
        task = asyncio.create_task(self._cut_again(names), name="cut-again")
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def close(self) -> None:
        """Stop the repetitions."""
        for task in list(self._later):
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)

    async def _cut_again(self, names: frozenset[str]) -> None:
        for pause_s in _AGAIN_AFTER_S:
            await asyncio.sleep(pause_s)
            try:
                await self._cut_once(names)
            except MigrationError as error:
                log("connections not cut again", level=logging.WARNING, error=error)

    async def _cut_once(self, names: frozenset[str]) -> None:
        offset = 0
        while True:
            pages = await self._list(offset)
            for page in pages:
                for connection in page.connections or ():
                    if connection.authorized_user in names or connection.name_tag in names:
                        await self._kick(page.server_id, connection)
            offset += _PAGE
            if all(page.total <= offset for page in pages):
                return

    async def _kick(self, server_id: str, connection: _Connection) -> None:
        body = f'{{"cid": {connection.cid}}}'.encode()
        try:
            # Without a reply subject the server ignores the request (measured with 2.15.1).
            await self._connection.request(
                CUT_CONNECTION_SUBJECT.format(server_id=server_id), body, timeout=_ANSWER_WAIT_S
            )
        except (NatsError, OSError, TimeoutError) as error:
            raise MigrationError(BUS_UNAVAILABLE, bus_url="(system account)") from error
        log("connection cut", user=connection.authorized_user, connection_id=connection.cid)

    async def _list(self, offset: int) -> list[_Page]:
        inbox = self._connection.new_inbox()
        pages: list[_Page] = []
        try:
            subscription = await self._connection.subscribe(inbox)
            body = f'{{"auth": true, "limit": {_PAGE}, "offset": {offset}}}'.encode()
            await self._connection.publish(LIST_CONNECTIONS_SUBJECT, body, reply=inbox)
            deadline = time.monotonic() + _ANSWER_WAIT_S
            while (left_s := deadline - time.monotonic()) > 0:
                try:
                    answer = await subscription.next_msg(timeout=min(left_s, _QUIET_S) if pages else left_s)
                except TimeoutError:
                    break
                pages.append(_Answer.model_validate_json(answer.data).data)
            await subscription.unsubscribe()
        except (NatsError, OSError, ValidationError) as error:
            raise MigrationError(BUS_UNAVAILABLE, bus_url="(system account)") from error
        if not pages:
            raise MigrationError(BUS_UNAVAILABLE, bus_url="(system account)")
        return pages
