"""The file systems of a server's two disk images as one mounted tree, read-only."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from demo.loop_device import loop_device, mounted

# Never replay a journal: that would be a change; the two systems were shut down in order. Source and target
# have one XFS UUID, which one kernel mounts only once unless told otherwise.
_EXT4_OPTIONS: Final = "ro,noload"
_XFS_OPTIONS: Final = "ro,norecovery,nouuid"


@contextmanager
def mounted_system(system_disk: Path, data_disk: Path, folder: Path) -> Iterator[Path]:
    """Mount the first partition of each raw image: the root, and below it /data."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        offset, size = first_partition(system_disk)
        root = stack.enter_context(loop_device(system_disk, offset_bytes=offset, size_bytes=size, is_read_only=True))
        stack.enter_context(mounted(root, folder, "-t", "ext4", "-o", _EXT4_OPTIONS))
        offset, size = first_partition(data_disk)
        data = stack.enter_context(loop_device(data_disk, offset_bytes=offset, size_bytes=size, is_read_only=True))
        stack.enter_context(mounted(data, folder / "data", "-t", "xfs", "-o", _XFS_OPTIONS))
        yield folder


def first_partition(image: Path) -> tuple[int, int]:
    """Offset and size in bytes."""
    shown = subprocess.run(["sfdisk", "--json", str(image)], capture_output=True, check=True).stdout
    table = json.loads(shown)["partitiontable"]
    sector_bytes = table.get("sectorsize", 512)
    partition = table["partitions"][0]
    return partition["start"] * sector_bytes, partition["size"] * sector_bytes


def as_raw(image: Path, raw: Path) -> Path:
    """A raw copy of an overlay, holes left out."""
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(image), str(raw)], check=True)
    return raw
