"""Two mounted system trees, entry by entry; written apart from the code that copies, and sharing nothing with it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contracts.base import Model

_CHUNK_BYTES: Final = 1 << 20
_SHOWN_PATHS: Final = 200


class TreeComparison(Model):
    """entries: compared and equal. changed_since: on the source after the last round began, or by the running
    target. adapted: differ because they were adapted. The path lists are capped, the counts are not."""

    entries: int = 0
    bytes_compared: int = 0
    different: int = 0
    missing: int = 0
    extra: int = 0
    changed_since: int = 0
    adapted: int = 0
    different_paths: tuple[str, ...] = ()
    missing_paths: tuple[str, ...] = ()
    extra_paths: tuple[str, ...] = ()
    changed_since_paths: tuple[str, ...] = ()
    adapted_paths: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What explains a difference. left_out: paths not compared, with all below. adapted: paths that were adapted.

    source_changed_after, target_changed_after: inode change times (Unix seconds) from which on an entry is the
    work of the running server, not of the copy.
    """

    left_out: frozenset[bytes]
    adapted: frozenset[bytes]
    source_changed_after: float
    target_changed_after: float


@dataclass
class _Findings:
    entries: int = 0
    bytes_compared: int = 0
    different: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    changed_since: list[str] = field(default_factory=list)
    adapted: list[str] = field(default_factory=list)

    def summary(self) -> TreeComparison:
        """The counts, and the first paths of each kind."""
        lists = ("different", "missing", "extra", "changed_since", "adapted")
        counts = {name: len(getattr(self, name)) for name in lists}
        paths = {f"{name}_paths": tuple(getattr(self, name)[:_SHOWN_PATHS]) for name in lists}
        counted = {"entries": self.entries, "bytes_compared": self.bytes_compared}
        return TreeComparison.model_validate(counted | counts | paths)


class _Tree:
    """All entries of a tree by their path relative to its root, with the first name of every hard-linked file."""

    def __init__(self, root: Path, left_out: Set[bytes]) -> None:
        self.root = os.fsencode(root)
        self.entries: dict[bytes, os.stat_result] = {}
        self._first_names: dict[tuple[int, int], bytes] = {}
        for path in self._walk(b"", left_out):
            found = os.lstat(self.root + path)
            # A socket belongs to the process that made it.
            if not stat.S_ISSOCK(found.st_mode):
                self.entries[path] = found
                if found.st_nlink > 1:
                    self._first_names.setdefault((found.st_dev, found.st_ino), path)

    def first_name(self, path: bytes) -> bytes:
        """The same for all names of one file."""
        found = self.entries[path]
        return self._first_names.get((found.st_dev, found.st_ino), path)

    def _walk(self, folder: bytes, left_out: Set[bytes]) -> Iterator[bytes]:
        for name in sorted(os.listdir(self.root + folder + b"/")):
            path = folder + b"/" + name
            if path in left_out:
                continue
            yield path
            if stat.S_ISDIR(os.lstat(self.root + path).st_mode):
                yield from self._walk(path, left_out)


def compare_trees(source_root: Path, target_root: Path, circumstances: Circumstances) -> TreeComparison:
    """Compare kind, contents, owner, mode, times, extended attributes (ACLs, capabilities) and hard links."""
    source = _Tree(source_root, circumstances.left_out)
    target = _Tree(target_root, circumstances.left_out)
    findings = _Findings()
    explained = _with_parents(circumstances.adapted | circumstances.left_out)
    for path in sorted(source.entries.keys() | target.entries.keys()):
        shown = os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
        if path not in target.entries:
            where = findings.missing
        elif path not in source.entries:
            where = findings.extra
        elif what := _differences(path, source, target, findings):
            where, shown = findings.different, f"{shown} ({', '.join(what)})"
        else:
            findings.entries += 1
            continue
        if _is_changed(path, source, target, circumstances):
            where = findings.changed_since
        elif path in explained:
            where = findings.adapted
        where.append(shown)
    return findings.summary()


def _with_parents(paths: Set[bytes]) -> set[bytes]:
    """A folder's time changes with what is made or removed in it."""
    every = set(paths)
    for path in paths:
        while path := path.rpartition(b"/")[0]:
            every.add(path)
    return every


def _is_changed(path: bytes, source: _Tree, target: _Tree, circumstances: Circumstances) -> bool:
    """Whether one of the running servers changed it after the copy; of an entry that is gone, the folder tells."""
    for tree, since in ((source, circumstances.source_changed_after), (target, circumstances.target_changed_after)):
        known = path
        while known and known not in tree.entries:
            known = known.rpartition(b"/")[0]
        if known and tree.entries[known].st_ctime >= since:
            return True
    return False


def _differences(path: bytes, source: _Tree, target: _Tree, findings: _Findings) -> list[str]:
    one, other = source.entries[path], target.entries[path]
    if stat.S_IFMT(one.st_mode) != stat.S_IFMT(other.st_mode):
        return ["kind"]
    pairs = {
        "mode": (one.st_mode, other.st_mode),
        "owner": ((one.st_uid, one.st_gid), (other.st_uid, other.st_gid)),
        "mtime": (one.st_mtime_ns, other.st_mtime_ns),
        "device": (one.st_rdev, other.st_rdev),
        "xattrs": (_attributes(source.root + path), _attributes(target.root + path)),
        "hard link": (source.first_name(path), target.first_name(path)),
    }
    what = [name for name, (here, there) in pairs.items() if here != there]
    if stat.S_ISLNK(one.st_mode) and os.readlink(source.root + path) != os.readlink(target.root + path):
        what.append("link target")
    if stat.S_ISREG(one.st_mode):
        findings.bytes_compared += one.st_size
        if one.st_size != other.st_size or not _have_same_contents(source.root + path, target.root + path):
            what.append("contents")
    return what


def _attributes(path: bytes) -> dict[str, bytes]:
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}


def _have_same_contents(one: bytes, other: bytes) -> bool:
    with open(one, "rb", buffering=0) as here, open(other, "rb", buffering=0) as there:
        while True:
            chunk = here.read(_CHUNK_BYTES)
            if chunk != there.read(_CHUNK_BYTES):
                return False
            if not chunk:
                return True
