"""Moves, removals and hard links on the target. Each can be repeated: a frame may arrive twice after a kill."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from agents.target.receive.volume import Volume, brought_in, unprotected
from agents.target.receive.write_entries import flags_of, move_over, restore_flags
from agents.transfer.paths import open_directory, split
from agents.transfer.structure import Change, Operation


def apply_operation(volume: Volume, operation: Operation) -> bool:
    """Apply one change; False when the entry it speaks of is nowhere."""
    handlers: dict[Change, Callable[[Volume, Operation], bool]] = {
        Change.STAGE: _stage,
        Change.UNSTAGE: _unstage,
        Change.RENAME: _rename,
        Change.LINK: _link,
    }
    return handlers[operation.change](volume, operation)


def _stage(volume: Volume, operation: Operation) -> bool:
    parent_path, name = split(operation.path)
    aside, staging = volume.staged_name(operation.row), volume.staging
    try:
        with _existing(volume, parent_path) as parent:
            unprotected(parent, name, lambda: os.rename(name, aside, src_dir_fd=parent, dst_dir_fd=staging))
    except FileNotFoundError:
        pass  # already aside, or never there: what was to go is gone
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR):
            raise
        volume.remove_tree(staging, aside)
        return _stage(volume, operation)
    return True


def _unstage(volume: Volume, operation: Operation) -> bool:
    parent_path, name = split(operation.new_path)
    aside = volume.staged_name(operation.row)
    with volume.directory(parent_path) as parent:
        if not _exists(volume.staging, aside):
            return _exists(parent, name)
        move_over(volume, aside, parent, name)
    return True


def _rename(volume: Volume, operation: Operation) -> bool:
    _stage(volume, operation)
    return _unstage(volume, operation)


def _link(volume: Volume, operation: Operation) -> bool:
    old_parent_path, old_name = split(operation.path)
    parent_path, name = split(operation.new_path)
    with ExitStack() as stack:
        try:
            old_parent = stack.enter_context(_existing(volume, old_parent_path))
        except FileNotFoundError:
            return False
        parent = stack.enter_context(volume.directory(parent_path))
        if not _exists(old_parent, old_name):
            return False
        if _is_same(old_parent, old_name, parent, name):
            return True
        flags = flags_of(old_parent, old_name)
        try:
            unprotected(old_parent, old_name, lambda: _hard_link(old_parent, old_name, parent, name))
        except FileExistsError:
            temporary = volume.temporary_name()
            _hard_link(old_parent, old_name, volume.staging, temporary)
            move_over(volume, temporary, parent, name)
        if flags:
            restore_flags(old_parent, old_name, flags)
    return True


@contextmanager
def _existing(volume: Volume, path: bytes) -> Iterator[int]:
    """A directory from where something goes: none is made for that. Raises FileNotFoundError."""
    try:
        descriptor = open_directory(volume.root, path)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _hard_link(old_parent: int, old_name: bytes, parent: int, name: bytes) -> None:
    def link() -> None:
        os.link(old_name, name, src_dir_fd=old_parent, dst_dir_fd=parent, follow_symlinks=False)

    brought_in(parent, link)


def _exists(directory: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _is_same(first: int, first_name: bytes, second: int, second_name: bytes) -> bool:
    try:
        one = os.stat(first_name, dir_fd=first, follow_symlinks=False)
        other = os.stat(second_name, dir_fd=second, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
