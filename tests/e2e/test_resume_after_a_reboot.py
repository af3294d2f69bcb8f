"""A source server in QEMU that is rebooted, or loses its power, in mid-copy: its agent comes back by its unit, the copy
goes on, and little is sent again by the agent's own word and by what the target's process has read."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from agents.bundle import build_agent
from demo.loop_device import loop_device, mounted
from demo.machine import SourceMachine, choose_accelerator
from demo.source_image import DATA_PART, source_image
from demo.source_side import HOST_AS_SEEN_BY_GUESTS, install_on
from tests.e2e.command_line import Installation, running_installation, wait_for
from tests.e2e.source_disks import run

pytestmark = [pytest.mark.root, pytest.mark.boot, pytest.mark.long, pytest.mark.timeout(1500)]
MIB = 1 << 20
BULK_MIB = 260
ALLOWED_BYTES = 64 * MIB
# An emulated machine copies at 25 Mbit/s by itself, and has taken a minute until it stopped what runs: the copy must
# still be on then.
RATE = "10M"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceMachine]:
    """The source server, on, with data that does not shrink on its way."""
    image, folder = source_image(), tmp_path_factory.mktemp("source-machine")
    machine = SourceMachine(image, folder, accelerator=choose_accelerator(image, folder)[0])
    _add_bulk(image.data_disk, folder, machine.overlays[1])
    try:
        machine.start()
        machine.wait_for_login(timeout_s=400)
        yield machine
    finally:
        machine.kill()


def _add_bulk(data_disk: Path, folder: Path, overlay: Path) -> None:
    """Written from here, as an emulated machine takes minutes for it."""
    disk, point = folder / "data.raw", folder / "data"
    point.mkdir()
    run("cp", "--sparse=always", str(data_disk), str(disk))
    offset, size = DATA_PART
    with loop_device(disk, offset_bytes=offset, size_bytes=size) as device, mounted(device, point, "-o", "nouuid"):
        for number in range(BULK_MIB // 20):
            (point / f"bulk-{number}").write_bytes(os.urandom(20 * MIB))
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(disk), str(overlay))


@pytest.fixture(scope="module")
def files_before(machine: SourceMachine) -> set[str]:
    """Every name on the server, before there is an agent."""
    return files_of(machine)


def files_of(machine: SourceMachine) -> set[str]:
    """But for what a system that runs makes and removes by itself."""
    own = "-path /var/lib/systemd -o -path /var/lib/private -o -path /var/log -o -path /tmp -o -path /var/tmp"
    listing = machine.ssh.run(f"find / /data -xdev \\( {own} \\) -prune -o -printf '%p %y %m %U:%G %l\n'")
    return set(listing.splitlines())


@pytest.fixture(scope="module")
def sms(
    machine: SourceMachine, files_before: set[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation with the agent on that server, installed by its own installer."""
    folder = tmp_path_factory.mktemp("reboot")
    with running_installation(folder, "--advertise", HOST_AS_SEEN_BY_GUESTS) as sms:
        status, credential = sms.ask("status"), sms.ask("credential", "create", "--description", "reboot")
        keys = {name: credential[name] for name in ("access_key", "secret_key")}
        install_on(machine.ssh, build_agent(), bus_url=status["bus_url"], ca=Path(status["ca_file"]), **keys)
        yield sms
    assert sms.leftovers() == []


def reboot(machine: SourceMachine) -> None:
    """In order: what runs is told to stop, file systems are unmounted."""
    before = machine.ssh.run("cat /proc/sys/kernel/random/boot_id")
    machine.ssh.run("systemd-run --on-active=1 systemctl reboot")
    machine.ssh.close()

    def is_another() -> bool:
        try:
            return machine.ssh.run("cat /proc/sys/kernel/random/boot_id", timeout_s=20) != before
        except Exception:  # noqa: BLE001 - whatever ssh says of a machine that is not there
            return False

    wait_for(is_another, "another boot", timeout_s=400)


def pull_the_plug(machine: SourceMachine) -> None:
    """What the guest had not written to its disk is gone."""
    machine.kill()
    machine.start()
    machine.wait_for_login(timeout_s=400)


def read_bytes(sms: Installation) -> int:
    """What the target agent's process has read so far, by the kernel's count: from its connections, but for little."""
    found = re.search(r"^rchar: (\d+)$", Path(f"/proc/{sms.target_agent().pid}/io").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


@dataclass
class Copying:
    """A copy that is watched: how much the target's process has read by the end of it."""

    sms: Installation
    task_id: str
    read: int = 0

    def look(self) -> Any:
        """The task; what comes behind the copy is not counted."""
        task = self.sms.task(self.task_id)
        if task["phase"] == "COPYING":
            with suppress(AssertionError, OSError, psutil.Error):
                self.read = read_bytes(self.sms)
        return task

    def has_done(self, wanted: int) -> bool:
        """Whether so many bytes of contents need nothing more."""
        return int((self.look()["progress"] or {}).get("bytes_done", 0)) >= wanted

    def end(self) -> Any:
        """The task when it rests."""

        def rests() -> Any:
            task = self.look()
            return task if not task["step"] else None

        return wait_for(rests, "a task at rest", timeout_s=400)


@pytest.mark.parametrize("interrupt", [reboot, pull_the_plug])
def test_resume_of_a_copy_whose_source_server_starts_anew(
    machine: SourceMachine,
    sms: Installation,
    note: Callable[[str], None],
    interrupt: Callable[[SourceMachine], None],
) -> None:
    server = sms.await_server(timeout_s=180)
    resident = [int(line) for line in machine.ssh.run("ps -o rss= -C sms-agent").split()]
    note(
        f"the agent at rest: {max(resident) / 1024:.0f} MiB resident, {sum(resident) / 1024:.0f} with what unpacked it"
    )
    options = [word for name in ("usr", "boot", "var", "srv") for word in ("--option", f"exclude=/{name}")]
    options += ["--option", f"rate-limit={RATE}"]
    task_id = sms.ask("task", "create", "--server", server, *options, "--start", "--yes")["id"]
    before = sms.await_copied_bytes(task_id, 120 * MIB, timeout_s=300)["progress"]["bytes_done"]

    interrupt(machine)
    booted_at, copying = time.monotonic(), Copying(sms, task_id)
    wait_for(lambda: copying.has_done(before + 20 * MIB), "progress after the boot", timeout_s=240)
    seconds = time.monotonic() - booted_at
    task = copying.end()
    assert task["error"]["code"].startswith("SMS.ADAPT."), task["error"]
    summary = task["rounds"][0]
    # bytes_sent is that of the last process, which had the rest to send.
    sent_again = summary["bytes_sent"] - (summary["bytes_total"] - before)
    note(
        f"{interrupt.__name__}: {summary['bytes_resent'] / MIB:.1f} MiB sent again by the agent, at most "
        f"{sent_again / MIB:.1f} by the totals; the target read {copying.read / MIB:.1f} MiB for "
        f"{summary['bytes_total'] / MIB:.1f} of contents; 20 MiB further {seconds:.0f} s after the boot"
    )
    assert summary["bytes_resent"] <= ALLOWED_BYTES
    assert sent_again <= ALLOWED_BYTES
    assert summary["bytes_total"] / 3 < copying.read <= summary["bytes_total"] * 1.03 + ALLOWED_BYTES
    sms.ask("task", "delete", task_id, "--wait")


def test_resume_leaves_nothing_on_a_server_whose_agent_is_removed(
    machine: SourceMachine, sms: Installation, files_before: set[str]
) -> None:
    assert any("sms-agent" in line for line in files_of(machine)), "it is still there"
    machine.ssh.run("/opt/sms-agent/sms-agent uninstall")
    assert sorted(files_of(machine) - files_before) == []
    assert machine.ssh.run("pgrep -f '[s]ms-agent' || true") == ""
    assert machine.ssh.run("systemctl list-unit-files --no-legend 'sms*' || true") == ""
