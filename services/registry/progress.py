"""How far running transfers are: heard of the agents, kept in memory, written down with the task's transitions."""

from __future__ import annotations

from contracts.envelope import Envelope
from contracts.messages.agent import AgentProgress
from contracts.subjects import owner_of_agent_subject
from contracts.transfer import TransferProgress
from services.registry.domain.server import Server


class ProgressBoard:
    """The newest report of each server's agent. After a restart it is empty until the next reports, which come
    within half a second; every replica hears all of them."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], AgentProgress] = {}

    async def on_progress(self, message: AgentProgress, envelope: Envelope) -> None:
        """An agent reports. Whether the server is known, and has that task, is asked when it is shown."""
        self._newest[owner_of_agent_subject(envelope.subject)] = message

    def of(self, server: Server) -> TransferProgress | None:
        """The report of the server's present task."""
        newest = self._newest.get((server.account, server.id))
        if newest is None or newest.task_id != server.task_id or not server.has_running_task:
            return None
        return newest.progress

    def take(self, server: Server) -> Server:
        """The server with the figures of the newest report, for its record."""
        progress = self.of(server)
        if progress is None:
            return server
        return server.model_copy(update={"bytes_done": progress.bytes_done, "bytes_total": progress.bytes_total})

    def forget(self, account: str, server_id: str) -> None:
        """The server is gone."""
        self._newest.pop((account, server_id), None)
