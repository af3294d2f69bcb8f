"""Loop devices and mounts that go away again, whatever happens in between."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def loop_device(
    image: Path, *, offset_bytes: int = 0, size_bytes: int = 0, is_read_only: bool = False
) -> Iterator[Path]:
    """A part of an image as a block device; size_bytes 0 means up to the end. The kernel may read no partitions."""
    command = ["losetup", "--find", "--show", "--offset", str(offset_bytes)]
    if size_bytes:
        command += ["--sizelimit", str(size_bytes)]
    if is_read_only:
        command.append("--read-only")
    device = Path(_run([*command, str(image)]).strip())
    try:
        yield device
    finally:
        _run(["losetup", "--detach", str(device)])


@contextmanager
def mounted(device: Path | str, folder: Path, *options: str) -> Iterator[Path]:
    """A file system at a folder; further options go to mount."""
    _run(["mount", *options, str(device), str(folder)])
    try:
        yield folder
    finally:
        if subprocess.run(["umount", str(folder)], stderr=subprocess.DEVNULL).returncode:
            # Something still looks at it; it goes when that ends, and no other mount can be hidden by it.
            _run(["umount", "--lazy", str(folder)])


def _run(command: list[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip()}")
    return result.stdout
