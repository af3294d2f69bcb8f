"""What makes a rehearsal red, from what its system says of itself; and a probe that nobody may trust."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agents.host.rehearsal.judge import Boot, findings, unheard
from agents.host.rehearsal.probe import ProbePort, ProbeReport
from contracts.inventory import Mount, NetworkInterface, OperatingSystem, SourceInventory

BOOT = Boot(seconds=40, timeout_s=300, login_seconds=30, console_log="/c", machine_log="/q")
ADDRESS = "2: ens3    inet 10.0.2.15/24 brd 10.0.2.255 scope global ens3"
HEALTHY: dict[str, Any] = {
    "fstab": (
        "# comment",
        "UUID=1 / ext4 defaults 0 1",
        "UUID=2 /my\\040data xfs defaults 0 2",
        "UUID=3 none swap sw 0 0",
    ),
    "mounts": ("/dev/vda1 / ext4 rw 0 0", "/dev/vdb /my\\040data xfs rw 0 0", "proc /proc proc rw 0 0"),
    "tcp": ("  sl  local_address rem_address   st", "   0: 00000000:0016 00000000:0000 0A 00000000:00000000"),
    "addresses": (ADDRESS, ""),
    "failed_units": ("",),
}


def source(**fields: Any) -> SourceInventory:
    known = {
        "hostname": "web-1",
        "architecture": "x86_64",
        "firmware": "BIOS",
        "operating_system": OperatingSystem(id="debian"),
        "network_interfaces": (NetworkInterface(name="eth0", mac="52:54:00:00:00:01", addresses=("192.0.2.7/24",)),),
        "listening_ports": (22,),
    }
    return SourceInventory.model_validate(known | fields)


def codes(inventory: SourceInventory | None = None, **said: Any) -> list[str]:
    report = ProbeReport.model_validate(HEALTHY | said)
    return [failure.code for failure in findings(report, inventory or source(), BOOT)]


def test_a_system_that_came_up_as_its_source_is_green() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"mounts": HEALTHY["mounts"][:1]}, "SMS.REHEARSAL.MOUNT_MISSING"),
        ({"addresses": ()}, "SMS.REHEARSAL.NO_ADDRESS"),
        ({"failed_units": ("nginx.service loaded failed failed A web server",)}, "SMS.REHEARSAL.FAILED_UNITS"),
        ({"tcp": ()}, "SMS.REHEARSAL.PORT_MISSING"),
    ],
)
def test_each_lack_has_a_code_of_its_own(said: dict[str, Any], code: str) -> None:
    assert codes(**said) == [code]


def test_the_figures_of_a_red_verdict_are_in_its_cause() -> None:
    report = ProbeReport.model_validate(HEALTHY | {"tcp": (), "failed_units": ("● a.service x", "b.mount y")})
    causes = [failure.cause for failure in findings(report, source(listening_ports=(22, 80)), BOOT)]
    assert "1 service(s) failed in the rehearsed system, first a.service." in causes
    assert any("listens on 2 TCP port(s); 2 of them" in cause and "22, 80" in cause for cause in causes)


def test_lines_of_fstab_that_a_boot_does_not_mount_from_disks_are_no_lack() -> None:
    lines = (
        "nas:/export /srv nfs defaults 0 0",
        "/dev/sr0 /media udf noauto 0 0",
        "/a /b none bind 0 0",
        "tmpfs /tmp tmpfs defaults 0 0",
        "UUID=9 /usb ext4 nofail 0 0",
    )
    assert codes(fstab=HEALTHY["fstab"] + lines) == []


def test_an_optional_mount_that_the_source_has_is_missed() -> None:
    line = ("UUID=9 /usb ext4 nofail 0 0",)
    with_usb = source(mounts=(Mount(mount_point="/usb", host_path="/usb", kind="ext4"),))
    assert codes(with_usb, fstab=HEALTHY["fstab"] + line) == ["SMS.REHEARSAL.MOUNT_MISSING"]


def test_silence_is_told_apart_by_the_login() -> None:
    assert unheard(BOOT).code == "SMS.REHEARSAL.SILENT"
    assert unheard(Boot(seconds=300, timeout_s=300)).code == "SMS.LAUNCH.TIMEOUT"


@contextmanager
def guest(folder: Path) -> Iterator[tuple[ProbePort, socket.socket]]:
    """A port with QEMU's end in the test's hands."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "probe.sock"))
        listening.listen()
        port = ProbePort()
        assert port.connect(folder / "probe.sock")
        connection, _ = listening.accept()
        with connection:
            yield port, connection
        port.close()


def test_the_newest_whole_report_counts_and_a_half_one_waits_for_its_end(tmp_path: Path) -> None:
    with guest(tmp_path) as (port, connection):
        assert port.newest() is None
        connection.sendall(b'{"mounts":["a"]}\n{"mounts":["b"]}\n{"mounts"')
        found = port.newest()
        assert found is not None
        assert found.mounts == ("b",)
        connection.sendall(b':["c"],"is_last":true}\n')
        found = port.newest()
        assert found is not None
        assert found.is_last


@pytest.mark.parametrize("line", [b"[]\n", b"\xff\xfe\n", b'{"mounts": 5}\n', b"\n", b'{"tcp":["0: x:zzzz r 0A"]}\n'])
def test_what_is_no_report_is_passed_over(tmp_path: Path, line: bytes) -> None:
    with guest(tmp_path) as (port, connection):
        connection.sendall(line)
        found = port.newest()
        assert found is None or found.ports() == ()


def test_a_guest_that_writes_without_end_is_not_read_without_end(tmp_path: Path) -> None:
    with guest(tmp_path) as (port, connection):
        connection.setblocking(False)
        sent, dry = 0, 0
        while dry < 3:
            try:
                sent += connection.send(b"x" * 65536)
                dry = 0
            except BlockingIOError:
                dry += 1
            port.newest()
        assert sent < 6 << 20
