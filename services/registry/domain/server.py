"""A source server and how it changes."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final

from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.registry import DISKS_FIXED, NAME_INVALID
from contracts.feasibility import FeasibilityReport
from contracts.inventory import SourceInventory
from contracts.messages.source import CheckSummary, DiskSummary, UpdateServer
from contracts.messages.task import Phase, TaskChanged
from services.registry.domain.disks import keep_wishes, summaries, with_wishes
from services.registry.domain.states import cycle_of_state, cycle_of_task, state_of_task

ENDED: Final = frozenset({Phase.FINISHED, Phase.DELETED})
NAME_CHARACTERS: Final = 64
# One source may be equal on different machines (a cloned machine id, a default DMI UUID); two are a proposal.
_EQUAL_SOURCES_TO_PROPOSE: Final = 2
# What the task service calls the end of a comparison of source and replica, and one that an agent has reported.
_COMPARED: Final = frozenset({"verify ended", "consistency result"})


class Server(Model):
    """A source server. version: of the record that it was loaded from, 0 for a new one.

    Small, because a list of a thousand servers reads all of them: inventory and report are papers of their own
    (inventory_key, report_key; "" for none), inventory_hash tells whether an inventory is another one.
    inventory_json and feasibility_json hold them in records of the first version only. named_by_user: its agent's
    host name no longer counts. refused_until: while two agents clash. reported_state and reported_cycle: what an
    agent said of its migration, until the task's next transition.
    """

    id: str
    account: str
    name: str
    hostname: str = ""
    named_by_user: bool = False
    inventory_json: str = ""
    inventory_key: str = ""
    inventory_hash: str = ""
    os_family: str = "linux"
    os_id: str = ""
    os_version: str = ""
    os_bits: int = 64
    operating_system: str = ""
    firmware: str = ""
    cpu_count: int = 0
    memory_bytes: int = 0
    is_oem: bool = False
    has_tc: bool | None = None
    start_type: str = ""
    addresses: tuple[str, ...] = ()
    agent_version: str = ""
    fingerprint: dict[str, str] = {}
    may_be_same_as: tuple[str, ...] = ()
    disks: tuple[DiskSummary, ...] = ()
    session_id: str = ""
    is_connected: bool = False
    registered_at: datetime
    last_seen_at: datetime
    connection_changed_at: datetime | None = None
    feasibility_json: str = ""
    report_key: str = ""
    feasibility_result: str = ""
    checks: tuple[CheckSummary, ...] = ()
    task_id: str = ""
    task_phase: Phase | None = None
    task_version: int = -1
    task_state: str = ""
    task_step: str = ""
    task_started_at: datetime | None = None
    has_consistency_result: bool = False
    bytes_done: int = 0
    bytes_total: int = 0
    state: str = ""
    state_changed_at: datetime | None = None
    cycle: str = ""
    cycle_changed_at: datetime | None = None
    reported_state: str = ""
    reported_cycle: str = ""
    project_id: str = ""
    tags: dict[str, str] = {}
    refused_until: datetime | None = None
    version: int = 0

    @property
    def has_running_task(self) -> bool:
        """Whether a task holds the server."""
        return bool(self.task_id) and self.task_phase not in ENDED


def hash_of(inventory_json: str) -> str:
    """Tells inventories apart."""
    return hashlib.sha256(inventory_json.encode()).hexdigest()


def new_server(server_id: str, account: str, inventory: SourceInventory, *, session_id: str, now: datetime) -> Server:
    """A server at its first registration."""
    blank = Server(id=server_id, account=account, name="", registered_at=now, last_seen_at=now)
    connected = {"session_id": session_id, "is_connected": True, "connection_changed_at": now}
    return placed(with_inventory(blank, inventory).model_copy(update=connected), now)


def with_inventory(server: Server, inventory: SourceInventory) -> Server:
    """The server with a newer inventory."""
    addresses = [address.partition("/")[0] for card in inventory.network_interfaces for address in card.addresses]
    system = inventory.operating_system
    return server.model_copy(
        update={
            "name": server.name if server.named_by_user else inventory.hostname,
            "hostname": inventory.hostname,
            "inventory_hash": hash_of(inventory.model_dump_json()),
            "os_family": system.family,
            "os_id": system.id,
            "os_version": system.version or system.version_id,
            "os_bits": system.bits,
            "operating_system": system.name or " ".join(filter(None, (system.id, system.version))),
            "firmware": inventory.firmware,
            "cpu_count": inventory.cpu_count,
            "memory_bytes": inventory.memory_bytes,
            "is_oem": inventory.is_oem,
            "has_tc": inventory.has_tc,
            "start_type": inventory.start_type,
            "addresses": tuple(address for address in addresses if not address.lower().startswith("fe80:")),
            "agent_version": inventory.agent_version,
            "fingerprint": inventory.fingerprint,
            "disks": keep_wishes(summaries(inventory), server.disks),
        }
    )


def has_inventory(server: Server, inventory: SourceInventory) -> bool:
    """Whether this is the inventory that the server has."""
    known = server.inventory_hash or (hash_of(server.inventory_json) if server.inventory_json else "")
    return known == hash_of(inventory.model_dump_json())


def with_report(server: Server, report: FeasibilityReport, now: datetime) -> Server:
    """The server with the result of a check."""
    checks = tuple(
        CheckSummary(id=number, name=check.name, result=check.result, code=check.code)
        for number, check in enumerate(report.checks, start=1)
        if check.result != "OK"
    )
    return placed(server.model_copy(update={"checks": checks, "feasibility_result": report.result}), now)


def with_task(server: Server, news: TaskChanged, now: datetime) -> Server | None:
    """The server with news of a task; None when they are older than what is known."""
    if news.task_id == server.task_id and news.version <= server.task_version:
        return None
    if news.task_id != server.task_id and server.has_running_task and news.to_phase in ENDED:
        # The end of an earlier task, told after the start of the present one.
        return None
    changes: dict[str, Any] = {
        "task_id": news.task_id,
        "task_phase": news.to_phase,
        "task_version": news.version,
        "task_state": news.state,
        "task_step": news.step,
    }
    if (news.task_id, news.to_phase, news.step) != (server.task_id, server.task_phase, server.task_step):
        # What an agent said holds while its task stays where it is: something may be noted meanwhile.
        changes |= {"reported_state": "", "reported_cycle": ""}
    if news.task_id != server.task_id:
        changes |= {"has_consistency_result": False, "bytes_done": 0, "bytes_total": 0, "task_started_at": None}
    elif server.task_started_at is None and news.to_phase is Phase.PREPARING:
        changes["task_started_at"] = now
    if news.event in _COMPARED and news.failure is None:
        changes["has_consistency_result"] = True
    return placed(server.model_copy(update=changes), now)


def with_reported_state(server: Server, state: str, cycle: str, now: datetime) -> Server:
    """The server where its agent says that it stands."""
    cycle = cycle or cycle_of_state(state, server.cycle)
    return placed(server.model_copy(update={"reported_state": state, "reported_cycle": cycle}), now)


def with_wanted(server: Server, wanted: UpdateServer) -> Server:
    """The server as a user wants it. Raises MigrationError SMS.REGISTRY.NAME_INVALID, DISK_UNKNOWN and so on."""
    changes: dict[str, Any] = {}
    if wanted.name is not None:
        name = wanted.name
        if not name or len(name) > NAME_CHARACTERS or not name.isprintable() or name != name.strip():
            raise MigrationError(NAME_INVALID, text=name[:80], characters=len(name), limit=NAME_CHARACTERS)
        changes |= {"name": name, "named_by_user": True}
    if wanted.project_id is not None:
        changes["project_id"] = wanted.project_id
    if wanted.disks:
        if server.has_running_task:
            raise MigrationError(DISKS_FIXED, server_id=server.id, task_id=server.task_id)
        changes["disks"] = with_wishes(server.id, server.disks, wanted.disks)
    return server.model_copy(update=changes)


def is_clashing(server: Server, now: datetime) -> bool:
    """Whether two agents claimed this server a short time ago."""
    return server.refused_until is not None and now < server.refused_until


def state_of(server: Server, now: datetime) -> str:
    """The v3 state."""
    if is_clashing(server, now):
        return "unavailable"
    if server.reported_state:
        return server.reported_state
    fallback = "unavailable" if server.feasibility_result == "ERROR" else "waiting"
    return state_of_task(server.task_phase, server.task_step) or fallback


def cycle_of(server: Server) -> str:
    """Where in its life a migration is, in the v3 words."""
    if server.reported_cycle:
        return server.reported_cycle
    fallback = "setting" if server.feasibility_result in {"OK", "WARN"} else "checking"
    return cycle_of_task(server.task_phase, server.cycle) or fallback


def placed(server: Server, now: datetime) -> Server:
    """The server with state and cycle worked out anew, and the times at which they changed."""
    state, cycle = state_of(server, now), cycle_of(server)
    changes: dict[str, Any] = {}
    if state != server.state or server.state_changed_at is None:
        changes |= {"state": state, "state_changed_at": now}
    if cycle != server.cycle or server.cycle_changed_at is None:
        changes |= {"cycle": cycle, "cycle_changed_at": now}
    return server.model_copy(update=changes) if changes else server


def same_machines(server: Server, others: list[Server]) -> tuple[str, ...]:
    """Ids of servers whose fingerprints agree in several sources; a proposal for the user, nothing more."""
    return tuple(
        other.id
        for other in others
        if other.id != server.id
        and sum(other.fingerprint.get(name) == value for name, value in server.fingerprint.items())
        >= _EQUAL_SOURCES_TO_PROPOSE
    )
