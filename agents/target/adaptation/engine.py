"""Apply planned changes one after another, each journalled first; and undo them in the opposite order."""

from __future__ import annotations

import base64
import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from agents.target.adaptation.changes import (
    Change,
    MakeLink,
    MakeSwapFile,
    RemoveFile,
    RemoveFolder,
    SetLabel,
    WriteDisk,
    WriteFile,
)
from agents.target.adaptation.files import (
    Metadata,
    make_folders,
    make_link,
    neighbour_label,
    read_metadata,
    remove_file,
    remove_folder,
    set_label,
    sync_file_system,
    write_file,
)
from agents.target.adaptation.journal import Entry, Journal, sha256
from agents.target.adaptation.removal import remove_all
from agents.target.adaptation.reported import FILE_LIMIT_BYTES, change_report, disk_bytes
from agents.target.adaptation.swap_file import make_swap_file, may_be_removed, swap_header
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationChange


@dataclass(frozen=True)
class _Planned:
    """A change whose journal is written; make does it."""

    change: Change
    report: AdaptationChange
    make: Callable[[], None]


class Engine:
    """Changes one tree, and the disks that it boots from. raw_path: where a disk's bytes are, by its name."""

    def __init__(self, tree: Tree, journal: Journal, raw_path: Callable[[str], Path]) -> None:
        self._tree = tree
        self._journal = journal
        self._raw_path = raw_path

    def apply(
        self, step: str, changes: Sequence[Change]
    ) -> tuple[list[AdaptationChange], list[tuple[Change, OSError]]]:
        """Make the changes of one step: those that were made (nothing is done twice), and those that failed.

        The journal is brought to the disk before the first change, and the changes before this returns. Two
        changes of one place are made one after the other, since the second one's journal holds the first.
        """
        made: list[AdaptationChange] = []
        failures: list[tuple[Change, OSError]] = []
        for batch in _without_repeated_places(changes):
            ready: list[_Planned] = []
            for change in batch:
                try:
                    planned = self._plan(step, change)
                except OSError as error:
                    failures.append((change, error))
                    continue
                ready += [planned] if planned is not None else []
            self._journal.sync()
            for planned in ready:
                try:
                    planned.make()
                except OSError as error:
                    failures.append((planned.change, error))
                    continue
                made.append(planned.report)
            self._sync(ready)
        return made, failures

    def _sync(self, done: list[_Planned]) -> None:
        """Once per file system that was written to."""
        seen = set()
        for planned in done:
            folder = planned.report.path.rpartition("/")[0] or "/"
            status = self._tree.status(folder)
            if planned.report.operation != "boot_code" and status is not None and status.st_dev not in seen:
                seen.add(status.st_dev)
                sync_file_system(self._tree, folder)

    def _plan(self, step: str, change: Change) -> _Planned | None:
        """Journal what a change replaces; None when everything is as it should be already."""
        report = change_report(self._tree, self._raw_path, step, change)
        return _Planned(change, report, self._journalled(change, report)) if report is not None else None

    def _journalled(self, change: Change, report: AdaptationChange) -> Callable[[], None]:
        """Record what is there, and say how the change is made."""
        path = report.path
        match change:
            case WriteFile():
                return self._write(change, report)
            case MakeLink():
                self._record(path, sha256(change.target.encode()))
                return partial(make_link, self._tree, path, change.target)
            case RemoveFile():
                if not change.is_secret:
                    self._record(path, "")
                return partial(remove_file, self._tree, path)
            case RemoveFolder():
                return partial(remove_all, self._tree, path)
            case MakeSwapFile():
                return self._make_swap_file(change, path)
            case SetLabel():
                return partial(set_label, self._tree, path, change.label)
            case WriteDisk():
                return self._write_disk(change)

    def _write(self, change: WriteFile, report: AdaptationChange) -> Callable[[], None]:
        path, is_new = report.path, report.operation == "create"
        metadata = self._of_new_file(path, change.mode) if is_new else read_metadata(self._tree, path)
        mode = metadata.mode if change.mode is None else change.mode
        self._record(path, sha256(change.content))
        wanted = replace(metadata, mode=mode, mtime_ns=None)
        return partial(write_file, self._tree, path, change.content, wanted, is_durable=False)

    def _of_new_file(self, path: str, mode: int | None) -> Metadata:
        """SELinux knows a file by its label: a new one gets that of a neighbour, or of the folder."""
        return Metadata(mode=mode or 0o644, attributes=neighbour_label(self._tree, path))

    def _make_swap_file(self, change: MakeSwapFile, path: str) -> Callable[[], None]:
        self._journal.append(Entry(number=self._journal.next_number(), path=path, what="swap_file"))
        header = swap_header(change.size_bytes, identifier=change.identifier, label=change.label)
        return partial(
            make_swap_file,
            self._tree,
            path,
            change.size_bytes,
            header,
            is_on_btrfs=change.is_on_btrfs,
            is_written=change.is_written,
        )

    def _record(self, path: str, sha256_after: str) -> None:
        """Journal what is at path, and make its folder, journalled too."""
        for folder in make_folders(self._tree, path.rpartition("/")[0]):
            self._journal.append(Entry(number=self._journal.next_number(), path=folder, what="folder"))
        number = self._journal.next_number()
        link_target = self._tree.link_target(path)
        if link_target is not None:
            self._journal.append(
                Entry(number=number, path=path, what="link", link_target=link_target, sha256_after=sha256_after)
            )
            return
        content = self._tree.read(path, limit_bytes=FILE_LIMIT_BYTES)
        if content is None and self._tree.status(path) is not None:
            raise OSError(errno.EINVAL, "not a regular file, or too large", path)
        if content is None:
            self._journal.append(Entry(number=number, path=path, what="absent", sha256_after=sha256_after))
            return
        metadata = read_metadata(self._tree, path)
        entry = Entry(
            number=number,
            path=path,
            what="file",
            mode=metadata.mode,
            uid=metadata.uid,
            gid=metadata.gid,
            mtime_ns=metadata.mtime_ns,
            attributes={name: base64.b64encode(value).decode() for name, value in metadata.attributes.items()},
            is_immutable=metadata.is_immutable,
            sha256_before=sha256(content),
            sha256_after=sha256_after,
        )
        self._journal.append(entry, content)

    def _write_disk(self, change: WriteDisk) -> Callable[[], None]:
        raw_path = self._raw_path(change.disk)
        old = disk_bytes(raw_path, change.offset_bytes, len(change.content))
        entry = Entry(
            number=self._journal.next_number(),
            path=change.disk,
            what="disk",
            offset_bytes=change.offset_bytes,
            sha256_before=sha256(old),
            sha256_after=sha256(change.content),
        )
        self._journal.append(entry, old)
        return partial(_write_raw, raw_path, change.offset_bytes, change.content)

    def undo(self) -> list[str]:
        """Restore everything that is still as we left it; the paths of what somebody else has changed since.

        Raises MigrationError SMS.ADAPT.JOURNAL_BROKEN. May be repeated after an interruption.
        """
        foreign = []
        for entry in reversed(self._journal.entries()):
            if entry.what == "folder":
                remove_folder(self._tree, entry.path)
            elif not self._is_ours(entry):
                foreign.append(entry.path)
            else:
                try:
                    self._restore(entry)
                except OSError:
                    # Somebody put something else in the place of its folder.
                    foreign.append(entry.path)
        self._journal.remove()
        return foreign

    def _is_ours(self, entry: Entry) -> bool:
        """Whether what is there is what we wrote, or (after an interruption) still what was there before."""
        if entry.what == "swap_file":
            return may_be_removed(self._tree, entry.path)
        if entry.what == "disk":
            found: bytes | None = self._disk_bytes(entry)
        else:
            link_target = self._tree.link_target(entry.path)
            content = self._tree.read(entry.path, limit_bytes=FILE_LIMIT_BYTES) if link_target is None else None
            found = link_target.encode() if link_target is not None else content
        if found is None:
            return entry.sha256_after == "" or entry.what == "absent"
        before = sha256(entry.link_target.encode()) if entry.what == "link" else entry.sha256_before
        return sha256(found) in {entry.sha256_after, before}

    def _disk_bytes(self, entry: Entry) -> bytes:
        size_bytes = len(self._journal.content_before(entry))
        return disk_bytes(self._raw_path(entry.path), entry.offset_bytes, size_bytes)

    def _restore(self, entry: Entry) -> None:
        if entry.what in {"absent", "swap_file"}:
            remove_file(self._tree, entry.path)
        elif entry.what == "link":
            make_link(self._tree, entry.path, entry.link_target)
        elif entry.what == "disk":
            _write_raw(self._raw_path(entry.path), entry.offset_bytes, self._journal.content_before(entry))
        else:
            status = self._tree.status(entry.path)
            if status is not None and not stat.S_ISREG(status.st_mode):
                remove_file(self._tree, entry.path)
            write_file(self._tree, entry.path, self._journal.content_before(entry), entry.metadata())


def _write_raw(path: Path, offset_bytes: int, content: bytes) -> None:
    with path.open("rb+") as disk:
        disk.seek(offset_bytes)
        disk.write(content)
        disk.flush()
        os.fsync(disk.fileno())


def _without_repeated_places(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """The changes in their order, in runs of plain files and labels of different paths; everything else alone.

    Links alone, since a later path may lead through them.
    """
    batch: list[Change] = []
    paths: set[str] = set()
    for change in changes:
        if isinstance(change, WriteFile | SetLabel) and change.path not in paths:
            batch.append(change)
            paths.add(change.path)
            continue
        if batch:
            yield batch
        batch, paths = ([change], {change.path}) if isinstance(change, WriteFile | SetLabel) else ([], set())
        if not batch:
            yield [change]
    if batch:
        yield batch
