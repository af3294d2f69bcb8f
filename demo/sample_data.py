"""What a server has gathered over the years: files of many kinds, the same ones from the same seed."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path
from typing import Final

SEED: Final = 20230610
_WORDS: Final = (
    "invoice", "order", "customer", "delivery", "storage", "return", "payment", "address", "warehouse", "pallet",
    "shipment", "note", "draft", "price",
)  # fmt: skip
_MIB: Final = 1 << 20


def write_sample_data(root: Path) -> None:
    """Fill /srv and /data of a system tree: about 240 MB in 5,000 files, and every attribute a file may have."""
    chance = random.Random(SEED)  # noqa: S311 - reproducible contents, no secret
    _web_pages(root / "srv/www", chance)
    _documents(root / "data/documents", chance)
    _archive(root / "data/archive", chance)
    _oddities(root / "data/oddities")
    _attributes(root)


def _text(chance: random.Random, size_bytes: int) -> bytes:
    line = " ".join(chance.choices(_WORDS, k=24))
    return "".join(f"{number} {line}\n" for number in range(size_bytes // (len(line) + 6) + 1)).encode()[:size_bytes]


def _write(path: Path, content: bytes, chance: random.Random) -> None:
    path.write_bytes(content)
    written_at = 1_500_000_000_000_000_000 + chance.randrange(250_000_000_000_000_000)
    os.utime(path, ns=(written_at, written_at))


def _web_pages(folder: Path, chance: random.Random) -> None:
    for section in range(50):
        (folder / f"section-{section:02}").mkdir(parents=True)
        for page in range(60):
            size = chance.randrange(100, 8_000)
            _write(folder / f"section-{section:02}" / f"page-{page:03}.html", _text(chance, size), chance)


def _documents(folder: Path, chance: random.Random) -> None:
    for year in range(2008, 2024):
        (folder / str(year)).mkdir(parents=True)
        for number in range(110):
            size = int(chance.paretovariate(1.2) * 12_000) % 400_000
            content = chance.randbytes(size) if number % 3 == 0 else _text(chance, size)
            path = folder / str(year) / f"{number:04} {chance.choice(_WORDS)}.pdf"
            _write(path, content, chance)
            path.chmod(chance.choice((0o644, 0o640, 0o600)))
            os.chown(path, chance.choice((0, 33, 1000, 70_000)), chance.choice((0, 33, 100)))


def _archive(folder: Path, chance: random.Random) -> None:
    folder.mkdir(parents=True)
    for number in range(4):
        _write(folder / f"backup-{number}.tar.zst", chance.randbytes(25 * _MIB), chance)
    for number in range(3):
        _write(folder / f"access-{number}.log", _text(chance, 20 * _MIB), chance)
    with (folder / "machine.img").open("wb") as sparse:
        for offset in range(0, 512 * _MIB, 64 * _MIB):
            sparse.seek(offset)
            sparse.write(chance.randbytes(4096))
        sparse.truncate(512 * _MIB)


def _oddities(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "of several names").mkdir()
    for number in range(40):
        original = folder / f"original-{number:02}"
        original.write_text(f"one file, two names: {number}\n")
        os.link(original, folder / "of several names" / f"link-{number:02}")
    for name in (b"line\nbreak", b"latin-1 \xe4\xf6\xfc", b"-rf *", b"a" * 255, "Übergröße 漢字".encode()):
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(name)
    (folder / "dangling").symlink_to("/nowhere/at/all")
    (folder / "relative").symlink_to("../documents/2010")
    os.mkfifo(folder / "queue", 0o620)
    os.mknod(folder / "device", 0o020666, os.makedev(1, 3))
    deep = folder
    for level in range(40):
        deep = deep / f"level-{level:02}"
    deep.mkdir(parents=True)
    (deep / "bottom").write_text("found\n")
    (folder / "empty").touch()
    (folder / "set-uid").write_text("#!/bin/true\n")
    (folder / "set-uid").chmod(0o4755)
    (folder / "shared").mkdir()
    (folder / "shared").chmod(0o3777)


def _attributes(root: Path) -> None:
    folder = root / "data/oddities"
    for number in range(20):
        os.setxattr(folder / f"original-{number:02}", "user.reviewed-by", f"person {number}".encode())
    os.setxattr(folder, "user.large", b"x" * 3000)
    for command in (
        ["setfacl", "-m", "u:33:rw,g:100:r", "/data/oddities/original-00"],
        ["setfacl", "-d", "-m", "u:33:rwx", "/data/oddities/shared"],
        ["setcap", "cap_net_raw+ep", "/usr/bin/ping"],
    ):
        subprocess.run(["chroot", str(root), *command], check=True)
