"""One row of the catalogue: an entry of the source as it was when it was last read."""

from __future__ import annotations

import time
from dataclasses import dataclass

from agents.source.copy.file_state import State
from agents.source.scan.directory_scan import signed
from agents.transfer.entries import EntryKind

UNHELD = -1
"""Sequence of an entry that the target does not have in this form."""
STAGED_PARENT = -1
"""Parent of entries that the target keeps aside until the end of the round."""
UNKNOWN_GENERATION = -1
"""Of a directory that must be looked at as a whole when it is found again."""
RACY_NS = 2_000_000_000
"""An entry whose ctime is this close to when it was read may have changed unseen: inodes of one-second
file systems show nothing of a second change in the same second."""


def racy_before_ns() -> int:
    """An entry that was last changed before this time shows a change of now."""
    return time.time_ns() - RACY_NS


@dataclass(slots=True)
class Row:
    """Fields as in Entry and stat, beside these.

    row: number of this row. parent: row of the directory (0 for a volume's root). sequence: frame that carried
    its end, UNHELD if none did. is_racy: must be read again. link_group: the inode if the target has several names
    for it, else 0. block_bytes: 0 when hashed whole. is_partial: a large file whose end was not sent. is_pending: a
    directory whose metadata must be sent, or a name that must still be linked; that has the ctime that was listed.
    """

    row: int
    parent: int
    volume: int
    name: bytes
    kind: EntryKind
    inode: int
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    device: int = 0
    inode_flags: int = 0
    xattrs_hash: bytes = b""
    content: bytes = b""
    block_bytes: int = 0
    link_group: int = 0
    sequence: int = UNHELD
    is_racy: bool = False
    is_partial: bool = False
    is_pending: bool = False
    round_number: int = 0

    def is_unchanged(self, state: State) -> bool:
        """Whether the entry is certainly the one that the target holds."""
        return (
            self.sequence != UNHELD
            and not self.is_racy
            and not self.is_partial
            and self.ctime_ns == signed(state.st_ctime_ns)
            and self.mtime_ns == signed(state.st_mtime_ns)
            and self.size == state.st_size
            and self.inode == signed(state.st_ino)
        )

    def is_still(self, state: State) -> bool:
        """Whether an opened file may be sent under this name.

        Not when a name that shared its inode has become another file's since it was listed: the target still has the
        names as one file, and what is written by this name would stand under all of them.
        """
        return not self.link_group or self.inode == signed(state.st_ino)

    def take(self, state: State, *, read_at_ns: int) -> None:
        """Take over what a stat says. read_at_ns: when it was made, by the file system's clock."""
        self.inode = signed(state.st_ino)
        self.mode = state.st_mode & 0o7777
        self.uid, self.gid = state.st_uid, state.st_gid
        self.size = state.st_size
        self.mtime_ns, self.ctime_ns = signed(state.st_mtime_ns), signed(state.st_ctime_ns)
        self.device = state.st_rdev
        self.is_racy = state.st_ctime_ns > read_at_ns - RACY_NS


def root_row(number: int, volume: int) -> Row:
    """The root directory of a volume of which nothing is known."""
    return Row(number, 0, volume, b"", EntryKind.DIRECTORY, 0)


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """Block hashes of a chunk of a large file; none exists for a chunk of zeros in a complete file."""

    row: int
    index: int
    sequence: int
    hashes: bytes
