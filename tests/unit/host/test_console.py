"""What a console says: logins and the known ways to fail, in the words that real systems print."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.host.console import find_failure, has_login, last_line, read_console

BOOT_LOADER, NO_ROOT = "SMS.LAUNCH.BOOT_LOADER", "SMS.LAUNCH.NO_ROOT"
FAILURES = {
    b"error: no such device: 1234.\r\nEntering rescue mode...\r\ngrub rescue> ": BOOT_LOADER,
    b"   Minimal BASH-like line editing is supported.\r\n\r\ngrub> ": BOOT_LOADER,
    b"Booting from Hard Disk...\r\nBoot failed: not a bootable disk\r\n\r\nNo bootable device.\r\n": BOOT_LOADER,
    b"BdsDxe: No bootable option or device was found.\r\n": BOOT_LOADER,
    b"Gave up waiting for root file system device.  Common problems:\r\n": NO_ROOT,
    b"ALERT!  UUID=12-34 does not exist.  Dropping to a shell!\r\n": NO_ROOT,
    b"BusyBox v1.35.0\r\n(initramfs) ": NO_ROOT,
    b"[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n": NO_ROOT,
    b"Warning: dracut-initqueue timeout - starting timeout scripts\r\n": NO_ROOT,
    b'You are in emergency mode. After logging in, type "journalctl -xb"\r\n': "SMS.LAUNCH.EMERGENCY_MODE",
    b"Cannot open access to console, the root account is locked.\r\n": "SMS.LAUNCH.EMERGENCY_MODE",
    b"[    3.4] Kernel panic - not syncing: Attempted to kill init!\r\n": "SMS.LAUNCH.KERNEL_PANIC",
}


@pytest.mark.parametrize("text", FAILURES)
def test_each_known_failure_has_its_code_and_shows_its_line(text: bytes) -> None:
    found = find_failure(text)
    assert found is not None
    assert found[0].code == FAILURES[text]
    assert found[1]
    assert found[1].encode() in text


@pytest.mark.parametrize(
    "text",
    [
        b"Loading Linux 6.1.0-18-amd64 ...\r\nLoading initial ramdisk ...\r\n",
        b"[    0.0] Command line: BOOT_IMAGE=/vmlinuz root=UUID=1 ro console=ttyS0\r\n",
        b"  Booting `Debian GNU/Linux'\r\n",
    ],
)
def test_a_boot_under_way_is_no_failure_and_no_login(text: bytes) -> None:
    assert find_failure(text) is None
    assert not has_login(text)


@pytest.mark.parametrize(
    "text",
    [
        b"Debian GNU/Linux 12 shop ttyS0\r\n\r\nshop login: ",
        b"\r\nshop login: \r\n[   60.1] random: crng init done\r\n",
        b"Ubuntu 22.04 LTS web-1 ttyS0\n\nweb-1 login:",
    ],
)
def test_a_getty_that_asks_is_a_login(text: bytes) -> None:
    assert has_login(text)


def test_the_word_login_in_a_log_line_is_none() -> None:
    assert not has_login(b"systemd-logind[1]: New session; last login: failed for root\r\n")


def test_terminal_escapes_are_left_out_and_only_the_end_is_read(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(b"x" * (1 << 20) + b"\r\n\x1b[2J\x1b[01;01H\x1b[0m\x1b[32mshop\x1b[0m login: ")
    console = read_console(log)
    assert len(console) <= 512 * 1024
    assert has_login(console)
    assert last_line(console) == "shop login:"
    assert read_console(tmp_path / "none") == b""
