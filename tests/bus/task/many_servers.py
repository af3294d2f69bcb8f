"""The scripted world with as many source servers as a test wants, in projects and with tags."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from nats.aio.msg import Msg

from contracts.errors.registry import SERVER_NOT_FOUND
from contracts.feasibility import Check, FeasibilityReport
from contracts.messages.registry import ServerDetails, ServerView
from contracts.messages.reply import Refused
from contracts.messages.source import SourceServer, SourceServerPage
from tests.bus.task.world import World, inventory

_AT = datetime(2026, 1, 1, tzinfo=UTC)


class ManyServers(World):
    """servers: id to its tags; projects: id to the project that it lies in. unconnected and infeasible: ids.

    page_size: the registry answers at most so many at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.servers: dict[str, dict[str, str]] = {"a": {}, "b": {}, "c": {}}
        self.projects: dict[str, str] = {}
        self.unconnected: set[str] = set()
        self.infeasible: set[str] = set()
        self.page_size = 2
        self.is_away = False

    async def start(self, url: str) -> None:
        await super().start(url)
        await self._client.subscribe("sms.v1.req.registry.find", cb=self._find_servers)

    async def _show_server(self, raw: Msg) -> None:
        server_id = json.loads(raw.data)["server_id"]
        if self.is_away:
            return
        if server_id not in self.servers:
            await self._reply(raw, Refused(failure=SERVER_NOT_FOUND.failure(server_id=server_id)))
            return
        server = ServerView(
            id=server_id,
            name=f"name-{server_id}",
            is_connected=server_id not in self.unconnected,
            project_id=self.projects.get(server_id, ""),
        )
        checks = (Check(id="kernel", name="kernel", result="ERROR", code="SMS.TEST.KERNEL"),)
        bad = FeasibilityReport(result="ERROR", checks=checks)
        good = FeasibilityReport(result="OK", checks=())
        report = bad if server_id in self.infeasible else good
        await self._reply(raw, ServerDetails(server=server, inventory=inventory(), feasibility=report))

    async def _find_servers(self, raw: Msg) -> None:
        wanted = json.loads(raw.data)
        found = [
            SourceServer(
                id=server_id,
                name=f"name-{server_id}",
                registered_at=_AT,
                last_seen_at=_AT,
                state_changed_at=_AT,
                cycle_changed_at=_AT,
                connection_changed_at=_AT,
                project_id=self.projects.get(server_id, ""),
                tags=tags,
            )
            for server_id, tags in self.servers.items()
            if all(key in tags and value in {"", tags[key]} for key, value in wanted["tags"].items())
        ]
        page = found[wanted["offset"] : wanted["offset"] + self.page_size]
        await self._reply(raw, SourceServerPage(count=len(found), servers=tuple(page)))
