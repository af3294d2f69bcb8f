"""Raw disk images read from outside: partition tables, identifiers, file systems mounted or checked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

SECTOR_BYTES = 512


def run(*command: str) -> str:
    """Standard output. Raises AssertionError with the error output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def partition_table(image: Path) -> dict[str, Any]:
    """The table without names of devices: label, id, and each partition's start, size, type and flags."""
    table = json.loads(run("sfdisk", "--json", str(image)))["partitiontable"]
    partitions = [{key: value for key, value in one.items() if key != "node"} for one in table["partitions"]]
    return {"label": table["label"], "id": table["id"], "partitions": partitions}


def identifiers(image: Path) -> list[dict[str, str]]:
    """UUID, label and kind of each partition's file system, as blkid reads them."""
    found = []
    for partition in partition_table(image)["partitions"]:
        where = ["--offset", str(partition["start"] * SECTOR_BYTES), "--size", str(partition["size"] * SECTOR_BYTES)]
        shown = run("blkid", "--probe", "--output", "export", *where, str(image))
        pairs = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        found.append({name: pairs.get(name, "") for name in ("TYPE", "UUID", "LABEL")})
    return found


@contextmanager
def attached(image: Path, number: int) -> Iterator[str]:
    """A partition (from 1) as a read-only block device."""
    partition = partition_table(image)["partitions"][number - 1]
    where = ["--offset", str(partition["start"] * SECTOR_BYTES), "--sizelimit", str(partition["size"] * SECTOR_BYTES)]
    device = run("losetup", "--find", "--show", "--read-only", *where, str(image)).strip()
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


@contextmanager
def mounted(image: Path, number: int, folder: Path) -> Iterator[Path]:
    """A partition's file system, read-only; one that was not unmounted cleanly is refused by the kernel."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as cleanup:
        device = cleanup.enter_context(attached(image, number))
        kind = identifiers(image)[number - 1]["TYPE"]
        # Its source with the same UUID is mounted too.
        run("mount", "-o", "ro,nouuid" if kind == "xfs" else "ro", device, str(folder))
        cleanup.callback(run, "umount", str(folder))
        yield folder


@contextmanager
def bound(root: Path, folder: Path) -> Iterator[Path]:
    """A file system without what is mounted in it."""
    folder.mkdir(exist_ok=True)
    run("mount", "--bind", str(root), str(folder))
    try:
        yield folder
    finally:
        run("umount", str(folder))


def check_file_system(image: Path, number: int) -> None:
    """The file system's own checker finds nothing. Raises AssertionError."""
    with attached(image, number) as device:
        kind = identifiers(image)[number - 1]["TYPE"]
        run(*(("xfs_repair", "-n", device) if kind == "xfs" else ("e2fsck", "-f", "-n", device)))
