"""The servers of each account as they were last read, kept up with what this process writes itself."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.registry.domain.server import Server

Read = Callable[[dict[str, Server]], Awaitable[dict[str, Server]]]


@dataclass
class _Account:
    """servers: by id. mark: `Store.foreign_writes` before they were read. written: own writes during a reading."""

    servers: dict[str, Server]
    mark: int | None
    written: dict[str, Server | None]
    reading: asyncio.Lock


class KnownServers:
    """A list reads only what has changed since the last one, and nothing as long as nobody else writes."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = defaultdict(lambda: _Account({}, None, {}, asyncio.Lock()))

    async def all_of(self, account: str, *, mark: int | None, read: Read) -> list[Server]:
        """mark: of now; None when the store cannot tell. read: the present servers, given those that are known."""
        known = self._accounts[account]
        if mark is None or known.mark != mark:
            async with known.reading:
                if mark is None or known.mark != mark:
                    await self._read(known, mark, read)
        return list(known.servers.values())

    def saved(self, server: Server) -> None:
        """This process has written it; version: the new one."""
        known = self._accounts[server.account]
        if known.reading.locked():
            known.written[server.id] = server
        _take(known.servers, server)

    def removed(self, account: str, server_id: str) -> None:
        """This process has deleted it."""
        known = self._accounts[account]
        if known.reading.locked():
            known.written[server_id] = None
        known.servers.pop(server_id, None)

    @staticmethod
    async def _read(known: _Account, mark: int | None, read: Read) -> None:
        known.written = {}
        servers = await read(known.servers)
        # What was written meanwhile may have been read in its older state.
        for server_id, written in known.written.items():
            if written is None:
                servers.pop(server_id, None)
            else:
                _take(servers, written)
        known.servers, known.mark, known.written = servers, mark, {}


def _take(servers: dict[str, Server], server: Server) -> None:
    present = servers.get(server.id)
    if present is None or present.version < server.version:
        servers[server.id] = server
