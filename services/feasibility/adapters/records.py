"""Reports in the store, each with its event in one write."""

from __future__ import annotations

from typing import Final

from contracts import subjects
from contracts.envelope import Envelope
from contracts.messages.feasibility import FeasibilityChecked
from services.feasibility.domain.ports import CheckedServer
from shared.store import Collection, OutgoingMessage, Store
from shared.store.typed import TypedCollection

SERVICE: Final = "feasibility"
REPORTS: Final = Collection(name="reports")


class ReportRecords:
    """The port Reports on the store."""

    def __init__(self, store: Store) -> None:
        self._reports = TypedCollection(store, REPORTS, CheckedServer)

    async def load(self, account: str, server_id: str) -> CheckedServer | None:
        """See Reports."""
        stored = await self._reports.load(account, server_id) if server_id else None
        return stored.value.model_copy(update={"version": stored.version}) if stored else None

    async def save(self, checked: CheckedServer, cause: Envelope, *, applied: str | None = None) -> None:
        """See Reports."""
        account, server_id = cause.account, checked.server_id
        event = OutgoingMessage.of(
            subjects.evt(account, "server", server_id, "feasibility-checked"),
            FeasibilityChecked(server_id=server_id, report=checked.report),
            source=SERVICE,
            account=account,
            cause=cause,
            message_id=f"{server_id}:{checked.version + 1}:checked:{cause.id}",
        )
        await self._reports.save(
            account, server_id, checked, expected_version=checked.version, outbox=[event], applied=applied
        )

    async def remove(self, checked: CheckedServer, cause: Envelope) -> None:
        """See Reports."""
        await self._reports.delete(cause.account, checked.server_id, expected_version=checked.version, applied=cause.id)
