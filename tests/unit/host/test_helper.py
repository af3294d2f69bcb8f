"""A helper whose start was never written down, since a kill came between, is found by what it mounted."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.host.census import release
from agents.host.folders import TargetFolder
from agents.host.helper import boot_helper, load_helper, show_helper, stop_helper
from agents.host.loop_devices import loops_below
from agents.host.processes import identify, processes_that_see
from agents.host.settings import HostSettings
from contracts.errors import MigrationError
from contracts.messages.host import BootHostHelper
from tests.host_agent import HELPER_STUB

pytestmark = pytest.mark.root
REQUEST = BootHostHelper(
    target_id="t1",
    task_id="t1",
    volume_id="v1",
    volume_size_bytes=64 << 20,
    token_id="i",  # noqa: S106 - no secret of anybody
    secret="canary",  # noqa: S106 - no secret of anybody
    agent_id="a1",
    account="acme",
)


@pytest.fixture
def settings(tmp_path: Path) -> HostSettings:
    stub = tmp_path / "stub.py"
    stub.write_text(HELPER_STUB)
    command = (sys.executable, str(stub))
    return HostSettings(data_folder=tmp_path / "data", bus_url="nats://127.0.0.1:1", helper_command=command)


@pytest.fixture
def folder(settings: HostSettings) -> Iterator[TargetFolder]:
    folder = TargetFolder.of(settings.data_folder, "t1")
    yield folder
    release(folder, only_temporary=False)


def started(folder: TargetFolder, count: int) -> list[dict[str, object]]:
    ready = folder.helper / "ready"
    deadline = time.monotonic() + 10
    while not ready.exists() or len(ready.read_text().splitlines()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [json.loads(line) for line in ready.read_text().splitlines()]


def test_a_start_that_was_never_written_down_does_not_make_two(folder: TargetFolder, settings: HostSettings) -> None:
    boot_helper(folder, REQUEST, settings)
    first = started(folder, 1)[0]
    record = folder.helper / "helper.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"process": None}))
    assert boot_helper(folder, REQUEST, settings).is_running
    second = started(folder, 2)[1]
    assert second["pid"] != first["pid"]
    assert identify(int(str(first["pid"]))) is None
    assert set(processes_that_see(folder.helper / "state")) >= {int(str(second["pid"]))}


def test_stopping_ends_children_mounts_and_loop_devices(folder: TargetFolder, settings: HostSettings) -> None:
    boot_helper(folder, REQUEST, settings)
    started(folder, 1)
    assert len(processes_that_see(folder.helper / "state")) == 2, "the agent and its child"
    assert len(loops_below(folder.path)) == 1
    assert str(folder.path) not in Path("/proc/mounts").read_text(), "nothing is mounted on the host itself"
    stop_helper(folder)
    assert (folder.helper / "stopped-with-child").read_text() == "True", "the agent is told to stop before its children"
    assert processes_that_see(folder.helper / "state") == ()
    assert loops_below(folder.path) == ()
    assert load_helper(folder) is None
    assert not show_helper(folder, settings).is_running


def test_a_helper_that_cannot_mount_its_volume_is_told_with_its_last_words(
    folder: TargetFolder, settings: HostSettings
) -> None:
    boot_helper(folder, REQUEST, settings)
    started(folder, 1)
    stop_helper(folder)
    volume = next(folder.helper.glob("volume-*.img"))
    with volume.open("r+b") as file:
        file.seek(1024)
        # All of the superblock but its magic number and UUID, which the marker is compared with.
        file.write(b"\xff" * 0x38)
    with pytest.raises(MigrationError) as failed:
        boot_helper(folder, REQUEST, settings)
    assert failed.value.code == "SMS.TARGET.HELPER_FAILED"
    assert "mount" in failed.value.failure.cause
    assert load_helper(folder) is None


def test_the_volume_is_as_large_as_asked_and_takes_no_room(folder: TargetFolder, settings: HostSettings) -> None:
    boot_helper(folder, REQUEST.model_copy(update={"volume_size_bytes": 40 * 10**9}), settings)
    volume = next(folder.helper.glob("volume-*.img"))
    assert volume.stat().st_size == 40 * 10**9
    used = int(subprocess.run(["du", "-B1", volume], capture_output=True, text=True, check=True).stdout.split()[0])
    assert used < 400 << 20
