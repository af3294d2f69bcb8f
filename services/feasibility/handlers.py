"""One coroutine per message: load, decide, save."""

from __future__ import annotations

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.feasibility import NOT_CHECKED
from contracts.messages.feasibility import CheckServer, FeasibilityDetails, ShowFeasibility
from contracts.messages.registry import ServerDeleted, ServerRegistered, ServerUpdated
from services.feasibility.domain.assess import assess, changes
from services.feasibility.domain.ports import CheckedServer, Reports
from services.feasibility.domain.rule import Basis


class Handlers:
    """Everything that the feasibility service is told and asked."""

    def __init__(self, reports: Reports, basis: Basis) -> None:
        self._reports = reports
        self._basis = basis

    async def on_inventory(self, event: ServerRegistered | ServerUpdated, envelope: Envelope) -> None:
        """Check a new server, or one whose inventory has changed; an inventory older than the known one is not
        checked again."""
        known = await self._reports.load(envelope.account, event.server_id)
        if known is not None and envelope.time < known.inventory_at:
            return
        checked = CheckedServer(
            server_id=event.server_id,
            inventory=event.inventory,
            inventory_at=envelope.time,
            report=assess(event.inventory, self._basis),
            version=known.version if known else 0,
        )
        await self._reports.save(checked, envelope, applied=envelope.id)

    async def on_deleted(self, event: ServerDeleted, envelope: Envelope) -> None:
        """Forget the report."""
        known = await self._reports.load(envelope.account, event.server_id)
        if known is not None and known.inventory_at <= envelope.time:
            await self._reports.remove(known, envelope)

    async def check(self, request: CheckServer, envelope: Envelope) -> FeasibilityDetails:
        """Check again with the last known inventory, for example after a change of the settings."""
        known = await self._known(request.server_id, envelope)
        report = assess(known.inventory, self._basis)
        await self._reports.save(known.model_copy(update={"report": report}), envelope)
        return FeasibilityDetails(server_id=known.server_id, report=report, changes=changes(known.report, report))

    async def show(self, request: ShowFeasibility, envelope: Envelope) -> FeasibilityDetails:
        """The last report."""
        known = await self._known(request.server_id, envelope)
        return FeasibilityDetails(server_id=known.server_id, report=known.report)

    async def _known(self, server_id: str, envelope: Envelope) -> CheckedServer:
        known = await self._reports.load(envelope.account, server_id)
        if known is None:
            raise MigrationError(NOT_CHECKED, server_id=server_id)
        return known
