"""A swap file made anew: what mkswap writes, and a file that the kernel accepts to swap on."""

from __future__ import annotations

import contextlib
import os
import struct
import uuid
from typing import Final

from agents.target.adaptation.files import avoid_copy_on_write, parent_of
from agents.target.adaptation.tree import Tree

PAGE_BYTES: Final = 4096
# What mkswap refuses to go below.
SMALLEST_BYTES: Final = 10 * PAGE_BYTES
_VERSION: Final = 1
_MAGIC: Final = b"SWAPSPACE2"
_ZEROS: Final = bytes(1 << 20)


def swap_header(size_bytes: int, *, identifier: str, label: str) -> bytes:
    """The first page of a swap area. identifier: a UUID; one that is none leaves the area without."""
    try:
        identifier_bytes = uuid.UUID(identifier).bytes
    except ValueError:
        identifier_bytes = bytes(16)
    page = bytearray(PAGE_BYTES)
    last_page = size_bytes // PAGE_BYTES - 1
    struct.pack_into(
        "<III16s16s", page, 1024, _VERSION, last_page, 0, identifier_bytes, label.encode(errors="replace")[:16]
    )
    page[-len(_MAGIC) :] = _MAGIC
    return bytes(page)


def make_swap_file(
    tree: Tree, path: str, size_bytes: int, header: bytes, *, is_on_btrfs: bool, is_written: bool
) -> None:
    """Make a file without holes that only root reads; nothing is left of one that could not be made.

    is_written: with zeros instead of allocated only, for kernels that take allocated blocks for holes.
    Raises OSError, FileExistsError when something is there.
    """
    with parent_of(tree, path) as (folder, name):
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=folder)
        try:
            os.fchmod(descriptor, 0o600)
            if is_on_btrfs:
                avoid_copy_on_write(descriptor)
            if is_written:
                _write_zeros(descriptor, size_bytes)
            else:
                os.posix_fallocate(descriptor, 0, size_bytes)
            os.pwrite(descriptor, header, 0)
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            raise
        finally:
            os.close(descriptor)


def _write_zeros(descriptor: int, size_bytes: int) -> None:
    offset = 0
    while offset < size_bytes:
        offset += os.pwrite(descriptor, _ZEROS[: size_bytes - offset], offset)


def may_be_removed(tree: Tree, path: str) -> bool:
    """Whether there is nothing but a swap area, or one whose making was interrupted, at path."""
    if tree.link_target(path) is not None:
        return False
    try:
        descriptor = tree.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        page = os.pread(descriptor, PAGE_BYTES, 0)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return page.endswith(_MAGIC) or not any(page)
