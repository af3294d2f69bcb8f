"""One layer adapted in a helper VM that does nothing else: its order and its result pass by the metadata service."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Final

from agents.host.helper_vm.machine import end_machine, start_machine
from agents.host.helper_vm.metadata import result_file, write_metadata
from agents.host.processes import end_processes, is_alive
from agents.host.settings import HostSettings
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_HOST_TOOL_FAILED
from contracts.rehearsal import LayerToAdapt

_TIMEOUT_S: Final = 1800
_LOOK_S: Final = 0.25
_GUEST_WORK: Final = "/var/lib/sms-helper/work"


def adapt_in_vm(home: Path, order: LayerToAdapt, settings: HostSettings) -> bytes:
    """What the guest has put as its result, b"" when it ended without one. home: for its logs and its metadata.

    Raises MigrationError SMS.TARGET.HELPER_IMAGE, SMS.TARGET.HOST_TOOL.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    metadata = home / "metadata.json"
    in_guest = order.model_copy(update={"work_folder": _GUEST_WORK})
    configuration = {"adapt": in_guest.model_dump(mode="json")}
    write_metadata(metadata, configuration=json.dumps(configuration), enrolment="")
    try:
        process = start_machine(home, settings, volume=None, disks=order.disks, port=0)
    except OSError as error:
        raise MigrationError(TARGET_HOST_TOOL_FAILED, tool="qemu-system-x86_64", reason=error) from error
    try:
        deadline = time.monotonic() + _TIMEOUT_S
        # It powers off by itself when it has put its result; its layers are written to disk then.
        while is_alive(process) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        end_machine(home, process)
    finally:
        end_processes([process.pid] if is_alive(process) else [], grace_s=5)
    result = result_file(metadata)
    return result.read_bytes() if result.exists() else b""
