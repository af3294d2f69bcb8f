"""One end of our copy as a process: ``copy_end source|target``, its settings as one line on standard input.

The target prints its port and serves until its input ends. The source prints that it is ready; for each further line it
copies, the first time, or brings the target up to date, and prints the summary.
"""

from __future__ import annotations

import sys
from pathlib import Path

from agents.source.copy.session import SourceSession
from agents.source.tracking.tracker import ChangeTracker
from agents.target.receive.server import TargetServer
from agents.transfer.tls import source_context, target_context
from benchmarks.rig.authority import Credentials
from contracts.base import Model
from contracts.layout import CopyVolume

_MOUNT_POINT = "/"
_RETRY_S = 10.0


class EndSettings(Model):
    """What an end is told. path: the tree to read, or the empty folder to fill. port: only for the source.
    by_changes: sync rounds look only at what fanotify says has changed. follows: sync rounds after the copy, until it
    is killed."""

    task_id: str
    path: str
    state_folder: str
    credentials: Credentials
    address: str
    port: int = 0
    by_changes: bool = False
    follows: bool = False


def run_target(settings: EndSettings) -> None:
    """Serve until standard input ends."""
    server = TargetServer(
        task_id=settings.task_id,
        listen=(settings.address, 0),
        tls=target_context(**settings.credentials.model_dump()),
        volumes={0: Path(settings.path)},
        mount_points={0: _MOUNT_POINT},
        state_folder=Path(settings.state_folder),
        applied_survives_restart=True,
    )
    print(server.start()[1], flush=True)
    sys.stdin.read()
    server.stop()
    failure = server.failure()
    if failure:
        raise SystemExit(failure.model_dump_json())


def run_source(settings: EndSettings) -> None:
    """Copy whenever told to."""
    volume = CopyVolume(
        index=0, mount_point=_MOUNT_POINT, source_path=settings.path, target_disk="", target_partition=1, kind="ext4"
    )
    session = SourceSession(
        task_id=settings.task_id,
        volumes=[volume],
        endpoints=[(settings.address, settings.port)],
        tls=source_context(**settings.credentials.model_dump()),
        state_folder=Path(settings.state_folder),
        excludes=(),
        own_paths=(),
        on_progress=lambda _: None,
        retry_s=_RETRY_S,
        tracker=ChangeTracker() if settings.follows or settings.by_changes else None,
    )
    print("ready", flush=True)
    for number, _ in enumerate(sys.stdin):
        summary = session.sync(number, by_changes=settings.by_changes) if number else session.copy()
        print(summary.model_dump_json(), flush=True)
        if settings.follows:
            session.follow(1)


if __name__ == "__main__":
    {"source": run_source, "target": run_target}[sys.argv[1]](EndSettings.model_validate_json(sys.stdin.readline()))
