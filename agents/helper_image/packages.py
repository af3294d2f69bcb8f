"""Debian packages by debootstrap's own verified download, unpacked and never configured.

A maintainer script would leave dates, random ids and what it saw of the building machine; an unpacked package is the
same every time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from agents.helper_image.contents import KERNEL, LEFT_OUT, MIRROR, PACKAGES, REMOVED, SUITE

_MERGED: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


@dataclass(frozen=True)
class Downloaded:
    """The archive files, and the signed Release that vouches for them."""

    files: tuple[Path, ...]
    release: str

    @property
    def epoch(self) -> int:
        """The Release's date, in Unix seconds: what SOURCE_DATE_EPOCH is unless it is set."""
        line = next(line for line in self.release.splitlines() if line.startswith("Date:"))
        return int(parsedate_to_datetime(line.partition(":")[2].strip()).timestamp())


def download(folder: Path) -> Downloaded:
    """Packages with all that they depend on. Raises RuntimeError with the tool's last lines."""
    include = ",".join(sorted((*PACKAGES, KERNEL)))
    command = [
        "debootstrap",
        "--variant=minbase",
        "--download-only",
        f"--include={include}",
        SUITE,
        str(folder),
        MIRROR,
    ]
    run(command)
    lists = folder / "var/lib/apt/lists"
    release = next((path for path in sorted(lists.iterdir()) if path.name.endswith("Release")), None)
    if release is None:
        raise RuntimeError(f"debootstrap has left no Release file in {lists}")
    files = sorted((folder / "var/cache/apt/archives").glob("*.deb"))
    return Downloaded(files=tuple(files), release=release.read_text(encoding="utf-8", errors="replace"))


def unpack(found: Downloaded, tree: Path) -> Path:
    """Everything but the kernel package into the tree; returns a folder with the kernel package's own files."""
    tree.mkdir()
    for name in _MERGED:
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    kernel = tree.with_name("kernel")
    kernel.mkdir()
    for file in found.files:
        name = file.name.partition("_")[0]
        if name in LEFT_OUT:
            continue
        is_kernel = name.startswith("linux-image-")
        _extract(file, kernel if is_kernel else tree)
    for name in REMOVED:
        shutil.rmtree(tree / name, ignore_errors=True)
    return kernel


def package_list(found: Downloaded) -> list[str]:
    """Names with versions, as the manifest has them."""
    return [file.name.removesuffix(".deb") for file in found.files if file.name.partition("_")[0] not in LEFT_OUT]


def run(command: list[str], *, environment: dict[str, str] | None = None) -> None:
    """Raises RuntimeError with the end of the tool's output."""
    result = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "LC_ALL": "C", **(environment or {})},  # noqa: TID251 - handed on to a child as it is
        check=False,
    )
    if result.returncode:
        tail = "\n".join(result.stdout.decode(errors="replace").splitlines()[-12:])
        raise RuntimeError(f"{command[0]} ended with {result.returncode}:\n{tail}")


def _extract(file: Path, into: Path) -> None:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(file)], stdout=subprocess.PIPE) as reading:
        command = ["tar", "-C", str(into), "-xp", "--numeric-owner", "--keep-directory-symlink"]
        done = subprocess.run(command, stdin=reading.stdout, check=False)
    if done.returncode or reading.returncode:
        raise RuntimeError(f"{file.name} cannot be unpacked")
