"""Volumes of Windows without Windows: hives written by hivex, NTFS by the tools of ntfs-3g."""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .conftest import run

Values = Mapping[str, str]


def empty_hive(path: Path) -> Path:
    """A hive with a root key alone, for hivex to fill: it cannot make one."""
    key = bytearray(80 + 4)
    key[:2] = b"nk"
    struct.pack_into("<H", key, 2, 0x2C)
    for offset in (16, 28, 32, 40, 48):
        struct.pack_into("<I", key, offset, 0xFFFFFFFF)
    struct.pack_into("<H", key, 72, 4)
    key[76:80] = b"root"
    cell = bytearray(struct.pack("<i", -(len(key) + 4)) + key)
    bins = bytearray(4096)
    bins[:4] = b"hbin"
    struct.pack_into("<II", bins, 4, 0, 4096)
    # hivex gives a new key the security descriptor of the one above it.
    security_at = 32 + len(cell)
    struct.pack_into("<I", cell, 4 + 44, security_at)
    cell += struct.pack("<i", -48) + b"sk\0\0" + struct.pack("<IIII", security_at, security_at, 1, 20) + bytes(24)
    bins[32 : 32 + len(cell)] = cell
    free_at = 32 + len(cell)
    struct.pack_into("<i", bins, free_at, 4096 - free_at)
    base = bytearray(4096)
    base[:4] = b"regf"
    struct.pack_into("<IIQIIIIII", base, 4, 1, 1, 0, 1, 3, 0, 1, 32, 4096)
    checksum = 0
    for word in struct.unpack("<127I", base[:508]):
        checksum ^= word
    struct.pack_into("<I", base, 508, checksum)
    path.write_bytes(base + bins)
    return path


def hive(path: Path, keys: Mapping[str, Values]) -> Path:
    """keys: paths with backslashes, each with its values in the words of hivexsh's setval (string:…, dword:…)."""
    empty_hive(path)
    made, script = {""}, []
    for key, values in keys.items():
        parts = key.split("\\")
        for depth in range(1, len(parts) + 1):
            here = "\\".join(parts[:depth])
            if here.lower() not in made:
                made.add(here.lower())
                script += ["cd \\" + "\\".join(parts[: depth - 1]), f"add {parts[depth - 1]}"]
        script += [f"cd \\{key}", f"setval {len(values)}"]
        for name, value in values.items():
            script += [name or "@", value]
    run("hivexsh", "-w", path, text="\n".join([*script, "commit", "quit", ""]))
    return path


def utf16(text: str) -> str:
    """A REG_SZ in hexadecimal, which may hold any character."""
    return "hex:1:" + ",".join(f"{byte:02x}" for byte in (text + "\0").encode("utf-16-le"))


def boot_store(path: Path, entries: Mapping[str, tuple[str, str, str]], default: str) -> Path:
    """entries: identifier to (path of the loader, title, system device as one byte in hexadecimal)."""
    manager = "Objects\\{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
    order = "".join(f"{name}\0" for name in entries) + "\0"
    keys: dict[str, Values] = {
        f"{manager}\\Elements\\23000003": {"Element": f"string:{default}"},
        f"{manager}\\Elements\\24000001": {
            "Element": "hex:7:" + ",".join(f"{byte:02x}" for byte in order.encode("utf-16-le"))
        },
    }
    for name, (loader, title, device) in entries.items():
        keys |= {
            f"Objects\\{name}\\Elements\\12000002": {"Element": f"string:{loader}"},
            f"Objects\\{name}\\Elements\\12000004": {"Element": f"string:{title}"},
            f"Objects\\{name}\\Elements\\21000001": {"Element": f"hex:3:{device}"},
            f"Objects\\{name}\\Elements\\22000002": {"Element": "string:\\Windows"},
        }
    return hive(path, keys)


def make_ntfs(path: Path, size_mib: int, *options: str) -> Path:
    with path.open("wb") as file:
        file.truncate(size_mib << 20)
    run("mkntfs", "-F", "-q", "-f", *options, path)
    return path


@contextmanager
def ntfs_mounted(path: Path, point: Path) -> Iterator[Path]:
    """Through FUSE, as the kernel here may have no driver of its own."""
    point.mkdir(exist_ok=True)
    run("ntfs-3g", "-o", "compression,streams_interface=xattr", path, point)
    try:
        yield point
    finally:
        _unmount(point)


def _unmount(point: Path) -> None:
    """Whoever asks for the free space of every mount on the machine, as the agents of other tests do, keeps a mount
    through FUSE busy until its process has answered."""
    end = time.monotonic() + 20
    while (done := subprocess.run(["fusermount", "-u", point], capture_output=True, text=True)).returncode:
        assert time.monotonic() < end, done.stderr
        time.sleep(0.05)


def disk_of(path: Path, script: str, parts: Mapping[int, Path]) -> Path:
    """A disk with a table by sfdisk; parts: start in MiB to the image that lies there."""
    end = max(start + (part.stat().st_size >> 20) for start, part in parts.items()) + 2
    with path.open("wb") as file:
        file.truncate(end << 20)
    run("sfdisk", "-q", path, text=script)
    for start, part in parts.items():
        run("dd", f"if={part}", f"of={path}", "bs=1M", f"seek={start}", "conv=notrunc,sparse", "status=none")
    return path
