"""One coroutine per message: load, decide, save."""

from __future__ import annotations

from typing import Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.feasibility import NOT_CHECKED
from contracts.messages.feasibility import CheckServer, FeasibilityDetails, ShowFeasibility
from contracts.messages.registry import InventoryRefreshed, ServerDeleted, ServerRegistered, ServerUpdated
from services.feasibility.domain.assess import assess, changes
from services.feasibility.domain.ports import CheckedServer, Inventories, Reports
from services.feasibility.domain.rule import Basis
from shared.store import ConflictError

_CONFLICT_RETRIES: Final = 5


class Handlers:
    """Everything that the feasibility service is told and asked."""

    def __init__(self, reports: Reports, inventories: Inventories, basis: Basis) -> None:
        self._reports = reports
        self._inventories = inventories
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
        """Check again as the server is now, or, when its agent does not say, with the last known inventory."""
        before = await self._known(request.server_id, envelope)
        found = await self._inventories.refresh(request.server_id, envelope)
        conflicts = 0
        while True:
            known = await self._known(request.server_id, envelope)
            checked = self._checked(known, found, envelope)
            try:
                await self._reports.save(checked, envelope)
                break
            except ConflictError:
                # The same inventory, told as an event; the agent is not asked again for it.
                conflicts += 1
                if conflicts > _CONFLICT_RETRIES:
                    raise
        return FeasibilityDetails(
            server_id=checked.server_id,
            report=checked.report,
            changes=changes(before.report, checked.report),
            inventory_at=checked.inventory_at,
            not_fresh=found.failure,
        )

    async def show(self, request: ShowFeasibility, envelope: Envelope) -> FeasibilityDetails:
        """The last report."""
        known = await self._known(request.server_id, envelope)
        return FeasibilityDetails(server_id=known.server_id, report=known.report, inventory_at=known.inventory_at)

    def _checked(self, known: CheckedServer, found: InventoryRefreshed, envelope: Envelope) -> CheckedServer:
        inventory = found.inventory or known.inventory
        update: dict[str, object] = {"inventory": inventory, "report": assess(inventory, self._basis)}
        if found.inventory is not None:
            update["inventory_at"] = max(known.inventory_at, envelope.time)
        return known.model_copy(update=update)

    async def _known(self, server_id: str, envelope: Envelope) -> CheckedServer:
        known = await self._reports.load(envelope.account, server_id)
        if known is None:
            raise MigrationError(NOT_CHECKED, server_id=server_id)
        return known
