"""Real disks to read: image files, loop devices, file systems made by their own tools."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest


def run(*argv: str | Path, text: str = "") -> str:
    done = subprocess.run([str(part) for part in argv], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


@pytest.fixture
def image(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, size_mib: int) -> Path:
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(size_mib << 20)
        return path

    return make


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def loop(cleanup: ExitStack) -> Callable[..., Path]:
    def attach(path: Path, offset: int = 0, size: int = 0) -> Path:
        limit = ["--sizelimit", str(size)] if size else []
        device = Path(run("losetup", "-f", "--show", "-o", str(offset), *limit, path).strip())
        cleanup.callback(run, "losetup", "-d", device)
        return device

    return attach


@pytest.fixture
def mounted(cleanup: ExitStack) -> Callable[..., Path]:
    def mount(device: Path, point: Path, *options: str) -> Path:
        point.mkdir(parents=True, exist_ok=True)
        run("mount", *options, device, point)
        cleanup.callback(run, "umount", point)
        return point

    return mount
