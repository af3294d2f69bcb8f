# ruff: noqa: T201 - the test reads what this prints
"""Runs one end of a copy as a process that a test can kill: run_end.py source|target SETTINGS.json."""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from agents.source.copy.session import SourceSession
from agents.target.receive.server import TargetServer
from agents.transfer.tls import source_context, target_context
from contracts.layout import CopyVolume


def main() -> None:
    role, settings = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    state = Path(settings["state"]) / role
    if role == "target":
        server = TargetServer(
            task_id="task-1",
            listen=(settings.get("address", "127.0.0.1"), settings["port"]),
            tls=target_context(**settings["target_tls"]),
            volumes={0: Path(settings["target"])},
            mount_points={0: "/"},
            state_folder=state,
            applied_survives_restart=settings.get("applied_survives", True),
        )
        server.start()
        print("ready", flush=True)
        sys.stdin.read()
        server.stop()
        return
    volume = CopyVolume(
        index=0, mount_point="/", source_path=settings["source"], target_disk="vda", target_partition=1, kind="ext4"
    )
    session = SourceSession(
        task_id="task-1",
        volumes=[volume],
        endpoints=[(settings.get("address", "127.0.0.1"), settings["port"])],
        tls=source_context(**settings["source_tls"]),
        state_folder=state,
        excludes=(),
        own_paths=(),
        rate_limit_bit_s=settings.get("rate_limit_bit_s"),
        on_progress=lambda progress: print("sent", progress.bytes_sent, flush=True),
        retry_s=settings.get("retry_s", 30),
    )
    began = time.monotonic()
    summary = session.copy()
    print("seconds", time.monotonic() - began, flush=True)
    print("summary", summary.model_dump_json(), flush=True)


main()
