"""The write-ahead journal of an adaptation: what was there before, safe on disk before it is changed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import Final, Literal

from agents.target.adaptation.files import Metadata, make_folders, remove_folder, sync_file_system, write_file
from agents.target.adaptation.tree import Tree
from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.adaptation import JOURNAL_BROKEN

FOLDER: Final = "/var/lib/sms-adapt"
_LOG: Final = "journal.jsonl"
_CONTENT_LIMIT_BYTES: Final = 1 << 30
What = Literal["file", "link", "absent", "folder", "disk", "swap_file"]


class Entry(Model):
    """The state of one thing before its change.

    what: what was at the path; "folder" and "swap_file": nothing was, and one was made.

    sha256_after: of the content that we wrote, so that a later foreign change is noticed. attributes: base64.
    """

    number: int
    path: str
    what: What
    mode: int = 0
    uid: int = 0
    gid: int = 0
    mtime_ns: int | None = None
    attributes: dict[str, str] = {}
    is_immutable: bool = False
    link_target: str = ""
    offset_bytes: int = 0
    sha256_before: str = ""
    sha256_after: str = ""

    def metadata(self) -> Metadata:
        """What write_file takes."""
        return Metadata(
            mode=self.mode,
            uid=self.uid,
            gid=self.gid,
            mtime_ns=self.mtime_ns,
            attributes={name: base64.b64decode(value) for name, value in self.attributes.items()},
            is_immutable=self.is_immutable,
        )


class Journal:
    """One run's journal, in a folder of the target itself that only root may read."""

    def __init__(self, tree: Tree, run: str) -> None:
        self._tree = tree
        self.folder = f"{FOLDER}/{run}"
        self._count = 0

    @classmethod
    def runs(cls, tree: Tree) -> list[str]:
        """Runs that left a journal, oldest name first."""
        return tree.names(FOLDER)

    def append(self, entry: Entry, before: bytes | None = None) -> None:
        """Record a state; it is on the disk after `sync`. Raises OSError."""
        if not self._tree.is_directory(self.folder):
            make_folders(self._tree, self.folder, 0o700)
        if before is not None:
            write_file(self._tree, f"{self.folder}/{entry.number}", before, Metadata(mode=0o600), is_durable=False)
        line = entry.model_dump_json(exclude_defaults=True).encode() + b"\n"
        parent = self._tree.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            log = os.open(_LOG, flags, 0o600, dir_fd=parent)
            try:
                os.write(log, line)
            finally:
                os.close(log)
        finally:
            os.close(parent)

    def sync(self) -> None:
        """Bring everything that was recorded to the disk. Raises OSError."""
        if self._tree.is_directory(self.folder):
            sync_file_system(self._tree, self.folder)

    def next_number(self) -> int:
        """The number of the next entry."""
        self._count += 1
        return self._count

    def entries(self) -> list[Entry]:
        """All entries, oldest first; a last line that a power cut tore is left out.

        Raises MigrationError SMS.ADAPT.JOURNAL_BROKEN for any other line that cannot be read.
        """
        content = self._tree.read(f"{self.folder}/{_LOG}", limit_bytes=_CONTENT_LIMIT_BYTES) or b""
        lines = content.split(b"\n")
        entries = []
        for number, line in enumerate(lines[:-1], start=1):
            try:
                entries.append(Entry.model_validate(json.loads(line)))
            except ValueError as error:
                raise MigrationError(JOURNAL_BROKEN, path=f"{self.folder}/{_LOG}", line=number) from error
        return entries

    def content_before(self, entry: Entry) -> bytes:
        """The recorded content. Raises MigrationError SMS.ADAPT.JOURNAL_BROKEN when it is not what was recorded."""
        path = f"{self.folder}/{entry.number}"
        content = self._tree.read(path, limit_bytes=_CONTENT_LIMIT_BYTES)
        if content is None or sha256(content) != entry.sha256_before:
            raise MigrationError(JOURNAL_BROKEN, path=path, line=entry.number)
        return content

    def remove(self) -> None:
        """Remove the journal; the folder of all journals goes with the last one."""
        for name in self._tree.names(self.folder):
            folder = self._tree.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.unlink(name, dir_fd=folder)
            finally:
                os.close(folder)
        remove_folder(self._tree, self.folder)
        remove_folder(self._tree, FOLDER)


def sha256(content: bytes) -> str:
    """Hex digits."""
    return hashlib.sha256(content).hexdigest()
