"""A server as it is shown: to the HTTPS API, and in the older words of the bus."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Final, get_args

from contracts.messages.registry import ServerState, ServerView
from contracts.messages.source import ServerTask, SourceServer
from contracts.messages.task import Phase
from contracts.transfer import TransferProgress
from services.registry.domain.server import Server, cycle_of, is_clashing, state_of

# What the first version of the messages has no word for, as the word that comes nearest.
_OLDER_WORDS: Final[dict[str, ServerState]] = {
    "skipping": "replicate",
    "clearing": "finished",
    "cleared": "finished",
    "clearfailed": "finished",
    "premigready": "waiting",
    "premiging": "replicate",
    "premiged": "waiting",
    "premigfailed": "error",
}
_OLD_WORDS: Final = frozenset(get_args(ServerState))


def show(server: Server, now: datetime, last_seen_at: datetime | None = None) -> ServerView:
    """A server in the words of `contracts.messages.registry`."""
    state = state_of(server, now)
    return ServerView(
        id=server.id,
        name=server.name,
        state=_OLDER_WORDS.get(state) or _old_word(state),
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
        project_id=server.project_id,
    )


def show_source(
    server: Server, now: datetime, last_seen_at: datetime | None, progress: TransferProgress | None
) -> SourceServer:
    """A server as the API lists it."""
    return SourceServer(
        id=server.id,
        name=server.name,
        hostname=server.hostname or server.name,
        ip=_first_address(server, version=4),
        ipv6=_first_address(server, version=6),
        os_family=server.os_family,
        os_id=server.os_id,
        os_version=server.os_version,
        os_name=server.operating_system,
        os_bits=server.os_bits,
        firmware=server.firmware,
        cpu_count=server.cpu_count,
        memory_bytes=server.memory_bytes,
        is_oem=server.is_oem,
        has_tc=server.has_tc,
        start_type=server.start_type or "MANUAL",
        agent_version=server.agent_version,
        state=state_of(server, now),
        migration_cycle=cycle_of(server),
        is_connected=server.is_connected,
        registered_at=server.registered_at,
        last_seen_at=last_seen_at or server.last_seen_at,
        state_changed_at=server.state_changed_at or server.registered_at,
        cycle_changed_at=server.cycle_changed_at or server.registered_at,
        connection_changed_at=server.connection_changed_at or server.last_seen_at,
        feasibility=server.feasibility_result,
        checks=server.checks,
        disks=server.disks,
        task=_task(server, progress),
        has_consistency_result=server.has_consistency_result,
        project_id=server.project_id,
        tags=server.tags,
        clash=is_clashing(server, now),
        may_be_same_as=server.may_be_same_as,
    )


def _task(server: Server, progress: TransferProgress | None) -> ServerTask | None:
    if not server.task_id or server.task_phase is Phase.DELETED:
        return None
    figures: dict[str, object] = {"bytes_done": server.bytes_done, "bytes_total": server.bytes_total}
    if progress is not None:
        figures = {
            "bytes_done": progress.bytes_done,
            "bytes_total": progress.bytes_total,
            "percent": _percent(progress),
            "rate_mbit_s": round(progress.smoothed_rate_bytes_s * 8 / 1e6, 2),
            "compression_ratio": progress.compression_ratio,
            "seconds_left": None if progress.seconds_left is None else int(progress.seconds_left),
        }
    return ServerTask.model_validate(
        {
            "id": server.task_id,
            "state": server.task_state,
            "started_at": server.task_started_at,
            "sub_task": server.task_step,
            **figures,
        }
    )


def _percent(progress: TransferProgress) -> int:
    # 100 is said by the result alone: the totals are estimates until the walk has ended.
    return min(99, progress.bytes_done * 100 // progress.bytes_total) if progress.bytes_total else 0


def _first_address(server: Server, *, version: int) -> str:
    for address in server.addresses:
        if (":" in address) != (version == 6):
            continue
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            # An agent's word, which nobody has checked.
            continue
        if found.version == version and not found.is_loopback:
            return address
    return ""


def _old_word(state: str) -> ServerState:
    return state if state in _OLD_WORDS else "waiting"  # type: ignore[return-value]
