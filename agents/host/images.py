"""Disk images: sparse raw files and qcow2 layers, made and changed by qemu-img."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from agents.host.records import sync_file, sync_folder
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_HOST_TOOL_FAILED

ImageFormat = Literal["raw", "qcow2"]


def run_tool(argv: Sequence[str], *, timeout_s: float = 600) -> str:
    """Run a program of the host and return its output. Raises MigrationError SMS.TARGET.HOST_TOOL."""
    try:
        result = subprocess.run(list(argv), capture_output=True, text=True, errors="replace", timeout=timeout_s)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MigrationError(TARGET_HOST_TOOL_FAILED, tool=argv[0], reason=str(error)) from error
    if result.returncode != 0:
        reason = (result.stderr or result.stdout).strip()[-500:] or f"exit code {result.returncode}"
        raise MigrationError(TARGET_HOST_TOOL_FAILED, tool=argv[0], reason=reason)
    return result.stdout


def create_raw(path: Path, *, size_bytes: int) -> None:
    """A sparse raw file; one that is already there with this size stays as it is."""
    if path.exists() and path.stat().st_size == size_bytes:
        return
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.truncate(size_bytes)
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def create_layer(path: Path, *, backing: Path, backing_format: ImageFormat) -> None:
    """An empty qcow2 layer over another image, named relative to it so that the folder can be moved.

    Whatever bears the name is replaced: callers pass only names that no record holds.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    relative = os.path.relpath(backing, path.parent)
    run_tool(["qemu-img", "create", "-q", "-f", "qcow2", "-b", relative, "-F", backing_format, str(fresh)])
    sync_file(fresh)
    fresh.replace(path)
    sync_folder(path.parent)


def commit_layer(path: Path, *, into: Path, into_format: ImageFormat) -> None:
    """Write a layer's content into its backing file; the layer itself stays valid. Safe to repeat.

    Without locks: a machine may be running above. It reads what is committed from the layer, which it holds open,
    so it never sees the change beneath.
    """
    below = {"driver": into_format, "file": {"driver": "file", "filename": str(into), "locking": "off"}}
    layer = {"driver": "qcow2", "file": {"driver": "file", "filename": str(path), "locking": "off"}, "backing": below}
    run_tool(["qemu-img", "commit", "-q", "-d", f"json:{json.dumps(layer)}"], timeout_s=7200)
    # The layer is removed next: what it held must be on the disk below before.
    sync_file(into)


def move_to_backing(path: Path, *, backing: Path, backing_format: ImageFormat) -> None:
    """Change only the name of a layer's backing file; the caller knows that both have the same content."""
    layer = {"driver": "qcow2", "file": {"driver": "file", "filename": str(path), "locking": "off"}}
    relative = os.path.relpath(backing, path.parent)
    run_tool(["qemu-img", "rebase", "-u", "-b", relative, "-F", backing_format, f"json:{json.dumps(layer)}"])
    sync_file(path)


def convert_to_raw(path: Path, *, image_format: ImageFormat, to: Path) -> None:
    """A self-contained sparse raw copy of an image with all its layers; there only when it is complete."""
    fresh = to.with_name(f".{to.name}.new")
    run_tool(["qemu-img", "convert", "-q", "-f", image_format, "-O", "raw", str(path), str(fresh)], timeout_s=86400)
    sync_file(fresh)
    fresh.replace(to)
    sync_folder(to.parent)


def virtual_size_bytes(path: Path, *, image_format: ImageFormat) -> int:
    """The size of the disk that a machine sees in an image. -U: also while a machine has it open."""
    shown = run_tool(["qemu-img", "info", "-U", "-f", image_format, "--output", "json", str(path)])
    return int(json.loads(shown)["virtual-size"])


def free_bytes(folder: Path) -> int:
    """What an unprivileged process could still write to the folder's file system."""
    figures = os.statvfs(folder)
    return figures.f_bavail * figures.f_frsize
