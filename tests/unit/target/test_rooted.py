"""Paths with links upwards are found although the machine's file systems change meanwhile."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from agents.target.rooted import open_in_root


def test_link_upwards_is_followed_while_other_files_are_renamed(tmp_path: Path) -> None:
    """Seen on a busy machine: a file of every fiftieth tree was taken for missing."""
    (tmp_path / "usr/lib/systemd").mkdir(parents=True)
    (tmp_path / "usr/lib/systemd/unit").touch()
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/systemd").symlink_to("../usr/lib/systemd")
    (tmp_path / "other").touch()
    is_over = threading.Event()

    def rename() -> None:
        while not is_over.is_set():
            os.rename(tmp_path / "other", tmp_path / "another")
            os.rename(tmp_path / "another", tmp_path / "other")

    renaming = threading.Thread(target=rename)
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    renaming.start()
    try:
        for _ in range(2_000):
            os.close(open_in_root(root, "/lib/systemd/unit", os.O_PATH))
    finally:
        is_over.set()
        renaming.join()
        os.close(root)
