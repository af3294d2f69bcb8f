"""Real file systems, really frozen: whatever becomes of the agent, they are thawed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agents.source.freeze import Freeze

pytestmark = pytest.mark.root


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    image, folder = tmp_path / "image", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    folder.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    yield folder
    # The guard of a killed agent thaws first and ends then.
    for _ in range(50):
        if subprocess.run(["umount", folder], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    raise AssertionError(f"{folder} stays in use")


def seconds_to_write(folder: Path) -> float:
    began = time.monotonic()
    (folder / "written").write_bytes(b"x")
    return time.monotonic() - began


def test_nothing_is_written_while_a_file_system_is_frozen(mounted: Path) -> None:
    with Freeze([("/data", mounted)], limit_s=20) as freeze:
        assert [(one.mount_point, one.is_frozen) for one in freeze.volumes] == [("/data", True)]
        writer = threading.Thread(target=seconds_to_write, args=(mounted,), daemon=True)
        writer.start()
        writer.join(0.5)
        assert writer.is_alive()
        assert freeze.thaw()
        writer.join(5)
        assert not writer.is_alive()


def test_a_thread_of_the_agent_freezes_as_well(mounted: Path) -> None:
    def work() -> tuple[bool, bool]:
        with Freeze([("/data", mounted)], limit_s=20) as freeze:
            return freeze.volumes[0].is_frozen, freeze.thaw()

    with ThreadPoolExecutor() as pool:
        assert pool.submit(work).result(20) == (True, True)


def test_a_freeze_that_lasts_too_long_is_ended_and_says_so(mounted: Path) -> None:
    with Freeze([("/data", mounted)], limit_s=1) as freeze:
        assert 0.5 < seconds_to_write(mounted) < 5
        assert not freeze.thaw()


def test_an_agent_that_is_killed_leaves_nothing_frozen(mounted: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from agents.source.freeze import Freeze\n"
        f"with Freeze([('/data', Path({str(mounted)!r}))], limit_s=60):\n"
        "    print('frozen', flush=True)\n"
        "    time.sleep(60)\n"
    )
    agent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert agent.stdout is not None
    assert agent.stdout.readline() == b"frozen\n"
    os.kill(agent.pid, signal.SIGKILL)
    assert seconds_to_write(mounted) < 5
    agent.wait()
    agent.stdout.close()


def test_what_cannot_be_frozen_is_named_with_the_reason(mounted: Path, tmp_path: Path) -> None:
    plain = tmp_path / "tmpfs"
    plain.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", plain], check=True)
    try:
        with Freeze([("/", mounted), ("/tmp", plain)], limit_s=5) as freeze:
            found = {one.mount_point: one.is_frozen for one in freeze.volumes}
            assert found == {"/": True, "/tmp": False}
            assert [one.mount_point for one in freeze.volumes][-1] == "/"
            assert all(one.reason for one in freeze.volumes if not one.is_frozen)
    finally:
        subprocess.run(["umount", plain], check=True)
