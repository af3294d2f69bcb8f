"""What a machine's serial console says of its boot: login reached, or one of the known ways to fail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from contracts.errors import ErrorCode
from contracts.errors.launch import (
    LAUNCH_BOOT_LOADER,
    LAUNCH_EMERGENCY_MODE,
    LAUNCH_KERNEL_PANIC,
    LAUNCH_NO_ROOT,
)

_ESCAPES: Final = re.compile(rb"\x1b(?:[\[(][0-9;?]*[ -/]*[@-~]|[@-Z\\-_a-z])")
_LOGIN: Final = re.compile(rb"(?m)^[^\r\n]{0,200}\blogin: ?\r?$")
_LOGIN_AT_END: Final = re.compile(rb"\blogin: ?$")
# Read from the end of the log only: a console that prints without end must not be read whole every second.
READ_BYTES: Final = 512 * 1024

# In the order in which they are looked for: a panic for want of a root file system is no mere panic.
_FAILURES: Final[tuple[tuple[re.Pattern[bytes], ErrorCode], ...]] = (
    (re.compile(rb"grub rescue>"), LAUNCH_BOOT_LOADER),
    (re.compile(rb"(?m)^(?:grub|GRUB)> "), LAUNCH_BOOT_LOADER),
    (re.compile(rb"No bootable device"), LAUNCH_BOOT_LOADER),
    (re.compile(rb"BdsDxe: No bootable option or device was found"), LAUNCH_BOOT_LOADER),
    (re.compile(rb"UEFI Interactive Shell"), LAUNCH_BOOT_LOADER),
    (re.compile(rb"(?:Gave up waiting for|ALERT! .{0,200} does not exist|Dropping to a shell)"), LAUNCH_NO_ROOT),
    (re.compile(rb"(?m)^\(initramfs\) ?"), LAUNCH_NO_ROOT),
    (re.compile(rb"VFS: Unable to mount root fs|VFS: Cannot open root device"), LAUNCH_NO_ROOT),
    (re.compile(rb"dracut:/#|dracut-initqueue.{0,80}timeout"), LAUNCH_NO_ROOT),
    (
        re.compile(rb"(?i)you are in emergency mode|Cannot open access to console, the root account"),
        LAUNCH_EMERGENCY_MODE,
    ),
    (re.compile(rb"Kernel panic - not syncing"), LAUNCH_KERNEL_PANIC),
)


def read_console(log: Path) -> bytes:
    """The end of a console log without its terminal escapes; b"" when there is none yet."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - READ_BYTES))
            return _ESCAPES.sub(b"", file.read(READ_BYTES))
    except FileNotFoundError:
        return b""


def has_login(console: bytes) -> bool:
    """Whether a getty asks for a login."""
    return bool(_LOGIN.search(console) or _LOGIN_AT_END.search(console))


def find_failure(console: bytes) -> tuple[ErrorCode, str] | None:
    """The first known failure on a console and the line that shows it; None for nothing known."""
    for pattern, code in _FAILURES:
        found = pattern.search(console)
        if found is not None:
            return code, line_around(console, found.start())
    return None


def line_around(console: bytes, position: int) -> str:
    """The printable part of the line at a position, for a person to read."""
    start = console.rfind(b"\n", 0, position) + 1
    end = console.find(b"\n", position)
    line = console[start : end if end >= 0 else len(console)]
    return _printable(line)


def last_line(console: bytes) -> str:
    """The last line with text in it."""
    lines = [line for line in console.splitlines() if line.strip()]
    return _printable(lines[-1]) if lines else ""


def _printable(line: bytes) -> str:
    text = line.decode("utf-8", errors="replace")
    return "".join(character for character in text if character.isprintable()).strip()[:200]
