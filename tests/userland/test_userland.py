"""The source agent's copy with the system calls of old kernels alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import free_port
from tests.unit.transfer.transfer_kit import Authority
from tests.userland import old_kernel

pytestmark = [pytest.mark.long, pytest.mark.root]

# The last system calls of Linux 2.6.32 (el6) and 3.0 (SLES 11).
OLD_KERNELS = {"2.6.32": 298, "3.0": 308}
RUN_END = Path(__file__).parents[1] / "unit/transfer/run_end.py"


def as_old_kernel(last: int, command: list[str]) -> list[str]:
    return ["/usr/bin/python3.11", old_kernel.__file__, str(last), *command]


@pytest.mark.parametrize("kernel", OLD_KERNELS)
def test_userland_copies_and_syncs_with_the_system_calls_of_an_old_kernel(tmp_path: Path, kernel: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "folder").mkdir(parents=True)
    target.mkdir()
    for number in range(300):
        (source / f"folder/file{number}").write_bytes(os.urandom(number * 97))
    (source / "large").write_bytes(os.urandom(9 << 20))
    with (source / "holes").open("wb") as file:
        file.seek(32 << 20)
        file.write(b"end")
    os.symlink("large", source / "link")
    os.setxattr(source / "large", "user.note", b"kept")
    authority = Authority()
    settings = tmp_path / "settings.json"
    fields = {"port": free_port(), "state": str(tmp_path / "state"), "source": str(source), "target": str(target)}
    fields |= {f"{role}_tls": authority.leaf(role) for role in ("source", "target")}
    settings.write_text(json.dumps(fields))
    end = [sys.executable, str(RUN_END)]
    with subprocess.Popen(
        [*end, "target", str(settings)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout
        assert serving.stdout.readline() == "ready\n"
        command = as_old_kernel(OLD_KERNELS[kernel], [*end, "source", str(settings)])
        copied = subprocess.run(command, capture_output=True, text=True, timeout=120)
        serving.communicate("")
    assert copied.returncode == 0, copied.stderr
    assert "summary" in copied.stdout
    differs = ["rsync", "-aHAXS", "--dry-run", "--delete", "--itemize-changes", f"{source}/", f"{target}/"]
    assert subprocess.run(differs, check=True, capture_output=True, text=True).stdout == ""


def test_userland_filter_takes_what_an_old_kernel_has_not() -> None:
    """The test's own tool: recvmmsg (299) is not in 2.6.32, nor openat2 (437); accept4 (288) is."""
    probe = (
        "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
        "for number in (288, 299, 437):\n"
        "    libc.syscall(number, -1, 0, 0, 0, 0); print(ctypes.get_errno())\n"
    )
    command = as_old_kernel(OLD_KERNELS["2.6.32"], ["/usr/bin/python3.11", "-c", probe])
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == ["9", "38", "38"]
