"""A tree like that of an installed system, the same for the same seed and number of files."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Final

from benchmarks.rig.result import TreeFacts

# Shares of files and bounds of their size, bytes; within a class log-uniform. Mean about 20 KiB, as in /usr.
_SIZE_CLASSES: Final = (
    (0.08, 0, 512),
    (0.57, 1 << 10, 8 << 10),
    (0.25, 8 << 10, 32 << 10),
    (0.087, 32 << 10, 128 << 10),
    (0.012, 128 << 10, 1 << 20),
    (0.001, 1 << 20, 8 << 20),
)
MEAN_FILE_BYTES: Final = 20 << 10
_FILES_PER_FOLDER: Final = 25
_MAX_DEPTH: Final = 9
_POOL_BYTES: Final = 24 << 20
_SUFFIXES: Final = (".py", ".h", ".so", ".txt", ".mo", ".conf", ".html", ".gz", ".png", "")
_OLDEST_S, _NEWEST_S = 1_500_000_000, 1_740_000_000
_SECOND_NS: Final = 1_000_000_000
# CAP_NET_RAW, permitted and effective: what ping has.
_CAPABILITY: Final = bytes.fromhex("0100000200200000000000000000000000000000")


def make_system_tree(root: Path, *, files: int, seed: int) -> TreeFacts:
    """Make the tree at root, which must not exist."""
    return _TreeMaker(root, files, seed).make()


class _TreeMaker:
    def __init__(self, root: Path, files: int, seed: int) -> None:
        self._root, self._files, self._seed = root, files, seed
        self._rng = random.Random(seed)
        self._folders: list[tuple[Path, int]] = [(root, 0)]
        self._bytes_total = self._symlinks = self._hard_links = self._attributes = 0

    def make(self) -> TreeFacts:
        self._root.mkdir()
        for index in range(max(1, self._files // _FILES_PER_FOLDER)):
            self._make_folder(index)
        contents = self._contents()
        shares, lows, highs = zip(*_SIZE_CLASSES, strict=True)
        cumulated = list(accumulate(shares))
        # A few folders are large (documentation, package lists), most are small.
        crowding = list(accumulate(self._rng.paretovariate(1.3) for _ in self._folders))
        for index in range(self._files):
            position = self._rng.choices(range(len(shares)), cum_weights=cumulated)[0]
            size = self._log_uniform(lows[position], highs[position])
            folder = self._rng.choices(self._folders, cum_weights=crowding)[0][0]
            self._make_file(folder, index, next(contents)(size))
        for folder, _ in reversed(self._folders):
            self._dress(folder, mode=0o755)
        return TreeFacts(
            kind="system",
            seed=self._seed,
            files=self._files,
            folders=len(self._folders),
            symlinks=self._symlinks,
            hard_links=self._hard_links,
            extended_attributes=self._attributes,
            bytes_total=self._bytes_total,
        )

    def _make_folder(self, index: int) -> None:
        parent, depth = self._rng.choice(self._folders)
        while depth >= _MAX_DEPTH:
            parent, depth = self._rng.choice(self._folders)
        folder = parent / f"folder-{index}"
        folder.mkdir()
        self._folders.append((folder, depth + 1))

    def _make_file(self, folder: Path, index: int, content: bytes) -> None:
        path = folder / f"name-{index}{self._rng.choice(_SUFFIXES)}"
        path.write_bytes(content)
        self._bytes_total += len(content)
        chance = self._rng.random()
        if chance < 0.08:
            link = folder / f"link-{index}"
            # An absolute one means the system's own root, wherever the tree lies: same seed, same links.
            link.symlink_to(path.name if chance < 0.06 else Path("/") / path.relative_to(self._root))
            self._dress(link)
            self._symlinks += 1
        elif chance < 0.10:
            self._rng.choice(self._folders)[0].joinpath(f"hard-{index}").hardlink_to(path)
            self._hard_links += 1
        mode = self._rng.choices((0o644, 0o755, 0o600, 0o4755), weights=(80, 17, 2.5, 0.5))[0]
        self._dress(path, mode=mode)
        if chance > 0.985:  # after the change of owner, which removes a capability
            name, value = ("security.capability", _CAPABILITY) if chance > 0.999 else ("user.origin", b"package %d")
            os.setxattr(path, name, value.replace(b"%d", str(index).encode()))
            self._attributes += 1

    def _dress(self, path: Path, *, mode: int | None = None) -> None:
        """Owner, mode and modification time; links have no mode."""
        owner = self._rng.choices((0, 33, 1000), weights=(92, 3, 5))[0]
        os.chown(path, owner, owner, follow_symlinks=False)
        if mode is not None:
            path.chmod(mode)
        changed_ns = self._rng.randrange(_OLDEST_S * _SECOND_NS, _NEWEST_S * _SECOND_NS)
        os.utime(path, ns=(changed_ns, changed_ns), follow_symlinks=False)

    def _log_uniform(self, low: int, high: int) -> int:
        return round((low + 1) * math.pow((high + 1) / (low + 1), self._rng.random())) - 1

    def _contents(self) -> Iterator[Callable[[int], bytes]]:
        """Makers of contents for file after file: text, programs, and what is compressed already.

        In batches of a mebibyte zstd level 1 leaves 36 %, 55 % and all of them, in sum 43 %; of /usr of a Debian 12
        with 120,000 files it leaves 40 %.
        """
        letters = "etaoinshrdlucmfwypvbgk"
        words = ["".join(self._rng.choices(letters, k=self._rng.randint(2, 11))) for _ in range(20_000)]
        text = self._pool([f"{word} ".encode() for word in words] + [b"\n    "] * 50, steepness=1.0)
        pieces = [self._rng.randbytes(self._rng.randint(2, 12)) for _ in range(4096)]
        program = self._pool(pieces, steepness=0.8)

        def slice_of(pool: bytes) -> Callable[[int], bytes]:
            def take(size: int) -> bytes:
                begin = self._rng.randrange(len(pool) - size)
                return pool[begin : begin + size]

            return take

        makers = (slice_of(text), slice_of(program), self._rng.randbytes)
        while True:
            yield self._rng.choices(makers, weights=(72, 25, 3))[0]

    def _pool(self, pieces: list[bytes], *, steepness: float) -> bytes:
        """Pieces in random order, the first ones far more often (Zipf), as words are in a language."""
        self._rng.shuffle(pieces)
        cumulated = list(accumulate(1 / rank**steepness for rank in range(1, len(pieces) + 1)))
        pool = bytearray()
        while len(pool) < _POOL_BYTES:
            pool += b"".join(self._rng.choices(pieces, cum_weights=cumulated, k=100_000))
        return bytes(pool)
