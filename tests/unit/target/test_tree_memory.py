"""A small file costs little memory to read, however large it might have been."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from agents.target.adaptation.tree import Tree


def test_reading_a_small_file_under_a_large_limit_takes_what_the_file_needs(tmp_path: Path) -> None:
    (tmp_path / "fstab").write_bytes(b"x" * 1000)
    tree = Tree(tmp_path)
    try:
        tracemalloc.start()
        assert tree.read("/fstab", limit_bytes=1 << 30) == b"x" * 1000
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        tree.close()
    assert peak_bytes < 1 << 20
