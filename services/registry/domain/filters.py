"""Which servers a list shows."""

from __future__ import annotations

from typing import Final

from contracts.messages.source import FindServers, SourceServer
from services.registry.domain.tags import matches

_EVERYTHING: Final = FindServers().model_dump(exclude={"limit", "offset"})


def has_filter(wanted: FindServers) -> bool:
    """Whether there is anything that a server could fail."""
    return any(getattr(wanted, name) != value for name, value in _EVERYTHING.items())


def is_wanted(server: SourceServer, wanted: FindServers) -> bool:
    """Whether the server passes every filter that is given."""
    return (
        _has_equal_fields(server, wanted)
        and wanted.name.casefold() in server.name.casefold()
        and (wanted.is_connected is None or wanted.is_connected == server.is_connected)
        and (wanted.has_consistency_result is None or wanted.has_consistency_result == server.has_consistency_result)
        and _lies_in(server.project_id, wanted)
        and matches(server.tags, wanted.tags)
    )


def _lies_in(project_id: str, wanted: FindServers) -> bool:
    return wanted.project_id in ("", project_id) or (wanted.with_unassigned and not project_id)


def _has_equal_fields(server: SourceServer, wanted: FindServers) -> bool:
    pairs = (
        (wanted.state, server.state),
        (wanted.id, server.id),
        (wanted.ip, server.ip),
        (wanted.ipv6, server.ipv6),
        (wanted.migration_cycle, server.migration_cycle),
        # A task's target bears the task's id.
        (wanted.vm_id, server.task.id if server.task else ""),
    )
    return all(value in ("", found) for value, found in pairs)
