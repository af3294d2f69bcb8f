"""`sms down` on a host: helpers write out, then machines end, and what they were is still known afterwards."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from agents.host.census import release
from agents.host.folders import TargetFolder
from agents.host.helper import boot_helper, load_helper, revive_helper
from agents.host.layers import create_launch_layer
from agents.host.machine import is_running, launch, load_machine
from agents.host.points import take_point
from agents.host.processes import identify
from agents.host.replica import create_disks
from agents.host.settings import HostSettings
from agents.host.shutdown import end_targets
from contracts.messages.host import BootHostHelper, LaunchHostMachine
from contracts.messages.target_provisioner import DiskRequest

pytestmark = [pytest.mark.root, pytest.mark.boot]
MIB = 1 << 20

# Takes its time to write out what it has, as a target agent does with a full page cache, and says whether the
# program that its disks hang on, and the machine, were still there at the end.
SLOW_HELPER = """
import json, pathlib, signal, subprocess, sys, time
configuration = json.load(sys.stdin)
target = pathlib.Path(configuration["state_folder"]).parent.parent
export = subprocess.Popen(["sleep", "600"])
def stop(*_):
    time.sleep(1.5)
    machine = json.loads((target / "machines/l1/machine.json").read_text())["process"]["pid"]
    lived = export.poll() is None and pathlib.Path(f"/proc/{machine}/exe").exists()
    (target / "written-out").write_text(str(lived))
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
(target / "ready").write_text("")
time.sleep(600)
"""


def test_helpers_write_out_before_anything_else_ends_and_come_back_at_the_next_start(tmp_path: Path) -> None:
    stub = tmp_path / "stub.py"
    stub.write_text(SLOW_HELPER)
    settings = HostSettings(
        data_folder=tmp_path / "data",
        bus_url="nats://127.0.0.1:1",
        helper_command=(sys.executable, str(stub)),
        boot_probe_kernel=Path("/nonexistent"),
    )
    folder = TargetFolder.of(settings.data_folder, "t1")
    try:
        create_disks(folder, (DiskRequest(name="vda", size_bytes=MIB),))
        take_point(folder, "p1")
        create_launch_layer(folder, layer_id="l1", point_id="p1")
        machine = LaunchHostMachine(target_id="t1", layer_id="l1", cpu_count=1, memory_bytes=64 * MIB, is_isolated=True)
        launch(folder, machine, settings)
        names = {"target_id": "t1", "task_id": "t1", "volume_id": "v1", "agent_id": "a1", "account": "acme"}
        helper = BootHostHelper.model_validate({**names, "volume_size_bytes": 64 * MIB, "token_id": "", "secret": ""})
        boot_helper(folder, helper, settings)
        deadline = time.monotonic() + 10
        while not (folder.path / "ready").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)

        end_targets(settings.data_folder, power_down_s=0.5)
        assert (folder.path / "written-out").read_text() == "True"
        record = load_helper(folder)
        assert record is not None
        assert record.process is not None
        assert identify(record.process.pid) is None
        assert not is_running(folder, "l1")
        assert load_machine(folder, "l1") is not None
        end_targets(settings.data_folder, power_down_s=0.5)

        assert revive_helper(folder, settings)
    finally:
        release(folder, only_temporary=False)
