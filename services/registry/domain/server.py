"""A source server and how it changes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from contracts.base import Model
from contracts.feasibility import FeasibilityReport
from contracts.inventory import SourceInventory
from contracts.messages.registry import ServerState, ServerView
from contracts.messages.task import Phase

# The server's state in the words of the v3 contract, from the phase of its task.
_STATES: Final[dict[Phase, ServerState]] = {
    Phase.READY: "waiting",
    Phase.PREPARING: "initialize",
    Phase.COPYING: "replicate",
    Phase.LAUNCHING: "replicate",
    Phase.LAUNCHED: "finished",
    Phase.SYNCING: "syncing",
    Phase.CUTTING_OVER: "cutovering",
    Phase.STOPPING: "stopping",
    Phase.PAUSED: "stopped",
    Phase.FAILED: "error",
    Phase.FINISHED: "finished",
    Phase.DELETING: "deleting",
}
ENDED: Final = frozenset({Phase.FINISHED, Phase.DELETED})
# One source may be equal on different machines (a cloned machine id, a default DMI UUID); two are a proposal.
_EQUAL_SOURCES_TO_PROPOSE: Final = 2


class Server(Model):
    """A source server. version: of the record that it was loaded from, 0 for a new one.

    inventory_json and feasibility_json: SourceInventory and FeasibilityReport as text, which a list of a thousand
    servers need not read. refused_until: while two agents clash.
    """

    id: str
    account: str
    name: str
    inventory_json: str
    operating_system: str = ""
    addresses: tuple[str, ...] = ()
    agent_version: str = ""
    fingerprint: dict[str, str] = {}
    may_be_same_as: tuple[str, ...] = ()
    session_id: str = ""
    is_connected: bool = False
    registered_at: datetime
    last_seen_at: datetime
    feasibility_json: str = ""
    feasibility_result: str = ""
    task_id: str = ""
    task_phase: Phase | None = None
    task_version: int = -1
    refused_until: datetime | None = None
    version: int = 0

    @property
    def inventory(self) -> SourceInventory:
        """The newest inventory."""
        return SourceInventory.model_validate_json(self.inventory_json)

    @property
    def feasibility(self) -> FeasibilityReport | None:
        """The last report, None before the first check."""
        return FeasibilityReport.model_validate_json(self.feasibility_json) if self.feasibility_json else None

    @property
    def has_running_task(self) -> bool:
        """Whether a task holds the server."""
        return bool(self.task_id) and self.task_phase not in ENDED


def new_server(server_id: str, account: str, inventory: SourceInventory, *, session_id: str, now: datetime) -> Server:
    """A server at its first registration."""
    blank = Server(id=server_id, account=account, name="", inventory_json="", registered_at=now, last_seen_at=now)
    return with_inventory(blank, inventory).model_copy(update={"session_id": session_id, "is_connected": True})


def with_inventory(server: Server, inventory: SourceInventory) -> Server:
    """The server with a newer inventory."""
    addresses = [address.partition("/")[0] for card in inventory.network_interfaces for address in card.addresses]
    system = inventory.operating_system
    return server.model_copy(
        update={
            "name": inventory.hostname,
            "inventory_json": inventory.model_dump_json(),
            "operating_system": system.name or " ".join(filter(None, (system.id, system.version))),
            "addresses": tuple(address for address in addresses if not address.lower().startswith("fe80:")),
            "agent_version": inventory.agent_version,
            "fingerprint": inventory.fingerprint,
        }
    )


def with_report(server: Server, report: FeasibilityReport) -> Server:
    """The server with the result of a check."""
    return server.model_copy(update={"feasibility_json": report.model_dump_json(), "feasibility_result": report.result})


def with_task(server: Server, task_id: str, phase: Phase, version: int) -> Server | None:
    """The server with news of a task; None when they are older than what is known."""
    if task_id == server.task_id and version <= server.task_version:
        return None
    if task_id != server.task_id and server.has_running_task and phase in ENDED:
        # The end of an earlier task, told after the start of the present one.
        return None
    return server.model_copy(update={"task_id": task_id, "task_phase": phase, "task_version": version})


def is_clashing(server: Server, now: datetime) -> bool:
    """Whether two agents claimed this server a short time ago."""
    return server.refused_until is not None and now < server.refused_until


def state_of(server: Server, now: datetime) -> ServerState:
    """The v3 state."""
    if is_clashing(server, now):
        return "unavailable"
    if server.task_phase is not None and server.task_phase in _STATES:
        return _STATES[server.task_phase]
    return "unavailable" if server.feasibility_result == "ERROR" else "waiting"


def show(server: Server, now: datetime, last_seen_at: datetime | None = None) -> ServerView:
    """A server as it is listed."""
    return ServerView(
        id=server.id,
        name=server.name,
        state=state_of(server, now),
        is_connected=server.is_connected,
        checks=server.feasibility_result,
        operating_system=server.operating_system,
        addresses=server.addresses,
        agent_version=server.agent_version,
        task_id=server.task_id,
        registered_at=server.registered_at,
        last_seen_at=last_seen_at or server.last_seen_at,
        clash=is_clashing(server, now),
        may_be_same_as=server.may_be_same_as,
    )


def same_machines(server: Server, others: list[Server]) -> tuple[str, ...]:
    """Ids of servers whose fingerprints agree in several sources; a proposal for the user, nothing more."""
    return tuple(
        other.id
        for other in others
        if other.id != server.id
        and sum(other.fingerprint.get(name) == value for name, value in server.fingerprint.items())
        >= _EQUAL_SOURCES_TO_PROPOSE
    )
