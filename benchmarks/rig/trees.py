"""The kinds of data: a system tree, few large files that cannot be compressed, a mix with sparse and database files."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.rig.result import TreeFacts
from benchmarks.rig.system_tree import MEAN_FILE_BYTES, make_system_tree

_MIB: Final = 1 << 20
_PAGE_BYTES: Final = 8 << 10
_LARGE_BYTES: Final = 256 * _MIB
_DATABASE_BYTES: Final = 512 * _MIB


def make_noise(kind: str, file_bytes: int) -> Callable[..., TreeFacts]:
    """A maker of files of noise, all of that size."""

    def make(root: Path, *, files: int, seed: int) -> TreeFacts:
        root.mkdir()
        rng = random.Random(seed)
        for number in range(files):
            with (root / f"{kind}-{number}").open("wb") as file:
                for _ in range(file_bytes // _MIB):
                    file.write(rng.randbytes(_MIB))
        return TreeFacts(kind=kind, seed=seed, files=files, bytes_total=files * file_bytes)

    return make


def make_mixed_tree(root: Path, *, files: int, seed: int) -> TreeFacts:
    """A system tree with a database (pages, most of them half full), an image of 4 GiB with holes, and a log."""
    facts = make_system_tree(root, files=files, seed=seed)
    rng = random.Random(seed)
    added = 0
    with (root / "database").open("wb") as file:
        for number in range(512 * _MIB // _PAGE_BYTES):
            used = rng.randrange(_PAGE_BYTES // 4, _PAGE_BYTES)
            record = b"%016d %08x ordinary customer, street and city; " % (number, rng.getrandbits(32))
            page = (rng.randbytes(used // 3) + record * (used // len(record)))[:used]
            added += file.write(page.ljust(_PAGE_BYTES, b"\0"))
    with (root / "image").open("wb") as file:
        for _ in range(256):
            file.seek(rng.randrange(4096) * _MIB)
            file.write(rng.randbytes(_MIB))
        file.truncate(4096 * _MIB)
    added += 4096 * _MIB
    with (root / "log").open("wb") as file:
        for number in range(1 << 20):
            added += file.write(b"%010d host service[%d]: request %x answered\n" % (number, number % 97, number * 7919))
    return facts.model_copy(update={"kind": "mixed", "files": files + 3, "bytes_total": facts.bytes_total + added})


class TreeKind:
    """How a kind of tree is made. Sizes are about; room is what one copy of it takes on a disk."""

    def __init__(self, make: Callable[..., TreeFacts], *, file_bytes: int, extra_bytes: int = 0) -> None:
        self._make = make
        self._file_bytes = file_bytes
        self._extra_bytes = extra_bytes

    def make(self, root: Path, *, files: int, seed: int) -> TreeFacts:
        """Make it at root, which must not exist."""
        return self._make(root, files=files, seed=seed)

    def room_bytes(self, files: int) -> int:
        """What a disk needs for a copy, with half as much again for blocks and inodes."""
        return (files * self._file_bytes + self._extra_bytes) * 3 // 2 + 512 * _MIB


KINDS: Final = {
    "system": TreeKind(make_system_tree, file_bytes=MEAN_FILE_BYTES + 2048),
    "large": TreeKind(make_noise("large", _LARGE_BYTES), file_bytes=_LARGE_BYTES),
    "database": TreeKind(make_noise("database", _DATABASE_BYTES), file_bytes=_DATABASE_BYTES),
    "mixed": TreeKind(make_mixed_tree, file_bytes=MEAN_FILE_BYTES + 2048, extra_bytes=900 * _MIB),
}
