"""What a rehearsal keeps on disk: its order, and its report once there is one."""

from __future__ import annotations

from pathlib import Path

from agents.host.processes import ProcessIdentity
from agents.host.settings import HostSettings
from contracts.base import Model
from contracts.messages.host import RehearseHostPoint


class RehearsalOrder(Model):
    """Standard input of the rehearsal's process. folder: the rehearsal's own, below the target's."""

    folder: Path
    request: RehearseHostPoint
    settings: HostSettings


class RehearsalRecord(Model):
    """``rehearsals/ID/rehearsal.json``. started_at: Unix seconds."""

    point_id: str
    started_at: float
    process: ProcessIdentity | None = None


REPORT = "report.json"
RECORD = "rehearsal.json"
CONSOLE = "console.log"
