"""A thread that reads entries and sends those that the target lacks: small ones in batches, large ones by chunks."""

from __future__ import annotations

import errno
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.channel import Channel
from agents.source.copy.read_entry import Reading, read_small, read_special
from agents.source.copy.read_files import read_files
from agents.source.copy.rows import UNHELD, ChunkRow, Row
from agents.source.copy.send_large import LargeFileSender
from agents.source.copy.tally import Tally, shown
from agents.source.copy.work import OpenDirectory, Work
from agents.transfer.compression import AdaptiveCompressor
from agents.transfer.content import hash_xattrs
from agents.transfer.entries import HAS_CONTENT, IN_PLACE, SPARSE, Entry, EntryKind, encode_group
from agents.transfer.frames import HEADER, Kind
from agents.transfer.hashing import CHUNK_BYTES, hash_whole
from agents.transfer.paths import join

# With one more file of a chunk at its end it stays below the limit of a frame.
BATCH_BYTES = 2 << 20
BATCH_ENTRIES = 1024
# More than processors: most of the time that a small file costs on a cold disk is waiting for it.
READERS: Final = 6
_ENTRY_BYTES: Final = 256
# Work is handed over by so many directories or entries: waking a thread for each directory with a changed file took as
# long as finding that file. Each has its directory open until it is done.
_GATHERED: Final = 16
_GATHERED_ENTRIES: Final = 128
_WAITING: Final = 16
# A batch that is not full goes after this time if the target has nothing to do: in a round that finds little, it would
# else get all of it at the end.
_LINGER_S: Final = 0.05
_GONE = (errno.ENOENT, errno.ESTALE, errno.ENOTDIR)
_NO_XATTRS: Final = hash_xattrs(())
_DEVICES: Final = (EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE)


class Output:
    """Where one thread's frames go: compressed, sent on its stream, and noted in the catalogue."""

    def __init__(
        self, stream: int, channel: Channel, catalogue: Catalogue, tally: Tally, compressor: AdaptiveCompressor
    ) -> None:
        self.catalogue = catalogue
        self.tally = tally
        self._stream = stream
        self._channel = channel
        self._compressor = compressor

    @property
    def is_idle(self) -> bool:
        """Whether the target has less to do than one batch."""
        return self._channel.bytes_kept < BATCH_BYTES

    def send(self, kind: Kind, payload: bytes, rows: Sequence[Row], chunks: Sequence[ChunkRow] = ()) -> None:
        """Send a frame; the rows and chunks get its sequence and are recorded."""
        flags, packed = self._compressor.compress(payload)
        sequence = self._channel.send(self._stream, kind, flags, packed)
        if load := self._channel.load():
            self._compressor.adapt(
                load.link_share,
                busy_processors=load.busy_processors,
                own_processors=load.own_processors,
                seconds=load.seconds,
            )
        self.tally.packed(raw=len(payload), wire=len(packed))
        for row in rows:
            if not row.is_partial:
                row.sequence = sequence
        numbered = [ChunkRow(chunk.row, chunk.index, sequence, chunk.hashes) for chunk in chunks]
        self.catalogue.record(rows, numbered, sequence=sequence, wire_bytes=HEADER.size + len(packed))


class _Pause:
    """There is nothing to do at the moment."""


_PAUSE: Final = _Pause()


class SenderPool:
    """The threads that read and send. put blocks while there is enough to do; drain waits until all is sent."""

    def __init__(self, channel: Channel, catalogue: Catalogue, tally: Tally, mount_points: Mapping[int, str]) -> None:
        self._queue: queue.Queue[list[Work] | threading.Barrier | None] = queue.Queue(maxsize=_WAITING)
        self._gathered: list[Work] = []
        self._gathered_entries = 0
        self._error: Exception | None = None
        self._is_closed = False
        self._unreadable: list[Row] = []
        streams = channel.worker_streams
        compressor = AdaptiveCompressor()
        outputs = [
            Output(streams[number % len(streams)], channel, catalogue, tally, compressor) for number in range(READERS)
        ]
        self._senders = [_Sender(output, mount_points, self._unreadable) for output in outputs]
        self._threads = [
            threading.Thread(target=self._run, args=(sender,), name="sender", daemon=True) for sender in self._senders
        ]
        for thread in self._threads:
            thread.start()

    def put(self, work: Work) -> None:
        """Hand over work; its directory is released when it is done. Raises what a thread failed with."""
        self._check()
        work.directory.hold()
        self._gathered.append(work)
        self._gathered_entries += len(work.items)
        if work.is_large or self._gathered_entries >= _GATHERED_ENTRIES or len(self._gathered) >= _GATHERED:
            self._hand_over()

    def take_unreadable(self) -> list[Row]:
        """Large files of which only a part could be read, since the last call; call after drain."""
        taken = list(self._unreadable)
        self._unreadable.clear()
        return taken

    def drain(self) -> None:
        """Wait until everything handed over has been sent. Raises what a thread failed with."""
        self._hand_over()
        # Each thread takes one mark, flushes, and waits until all have.
        everyone = threading.Barrier(len(self._threads) + 1)
        for _ in self._threads:
            self._queue.put(everyone)
        everyone.wait()
        self._check()

    def close(self) -> None:
        """End the threads; what is still waiting is dropped."""
        self._is_closed = True
        self._queue_end()
        for thread in self._threads:
            thread.join()

    def _hand_over(self) -> None:
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered, self._gathered_entries = [], 0

    def _queue_end(self) -> None:
        _release(self._gathered)
        while True:
            try:
                _release(self._queue.get_nowait())
            except queue.Empty:
                break
        for _ in self._threads:
            self._queue.put(None)

    def _check(self) -> None:
        if self._error:
            raise self._error

    def _run(self, sender: _Sender) -> None:
        while (work := self._next(sender)) is not None:
            try:
                if self._error is None and not self._is_closed:
                    self._do(sender, work)
            except Exception as error:  # noqa: BLE001 - edge of a thread: the leading thread raises it
                self._error = self._error or error
            finally:
                _release(work)
                if isinstance(work, threading.Barrier):
                    work.wait()

    def _do(self, sender: _Sender, work: list[Work] | threading.Barrier | _Pause) -> None:
        if isinstance(work, list):
            for each in work:
                sender.do(each)
        else:
            sender.flush()

    def _next(self, sender: _Sender) -> list[Work] | threading.Barrier | _Pause | None:
        try:
            return self._queue.get(timeout=_LINGER_S if sender.has_batch else None)
        except queue.Empty:
            return _PAUSE


def _release(work: object) -> None:
    for each in work if isinstance(work, list) else ():
        each.directory.release()


class _Sender:
    """What one thread does."""

    def __init__(self, output: Output, mount_points: Mapping[int, str], unreadable: list[Row]) -> None:
        self._output = output
        self._tally = output.tally
        self._mount_points = mount_points
        self._unreadable = unreadable
        self._large = LargeFileSender(output)
        self._parts: list[bytes | memoryview] = []
        self._rows: list[Row] = []
        self._size = 0
        self._files: dict[int, tuple[int, int]] = {}
        self._began_at = 0.0

    @property
    def has_batch(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._rows)

    def do(self, work: Work) -> None:
        """Read and send; small entries may stay in the batch that is being filled."""
        group: list[Entry] = []
        if not self._rows:
            self._began_at = time.monotonic()
        read_at_ns = time.time_ns()
        readings = {} if work.is_large else _read_together(work)
        for row in work.items:
            before = self._size
            if entry := self._take(work, row, readings.get(row.name), read_at_ns=read_at_ns):
                group.append(entry)
                self._rows.append(row)
                self._size = before + len(entry.data) + _ENTRY_BYTES
                if entry.xattrs:
                    self._size += sum(len(name) + len(value) for name, value in entry.xattrs)
            if self._size >= BATCH_BYTES or len(self._rows) >= BATCH_ENTRIES:
                self._add_group(work.directory, group)
                group = []
                self.flush()
        self._add_group(work.directory, group)
        if self._rows and self._output.is_idle and time.monotonic() > self._began_at + _LINGER_S:
            self.flush()

    def flush(self) -> None:
        """Send the batch as it is."""
        if not self._rows:
            return
        payload, rows = b"".join(self._parts), self._rows
        self._parts, self._rows, self._size = [], [], 0
        self._output.send(Kind.BATCH, payload, rows)
        for volume, (files, size) in self._files.items():
            self._tally.sent(volume, files=files, size=size)
            self._tally.done(volume, files=files, size=size)
        self._files = {}

    def _add_group(self, directory: OpenDirectory, group: list[Entry]) -> None:
        if group:
            self._parts += encode_group(directory.volume, directory.path, group)
            files, size = self._files.get(directory.volume, (0, 0))
            size += sum(entry.size for entry in group)
            self._files[directory.volume] = (files + len(group), size)

    def _take(self, work: Work, row: Row, reading: Reading | None, *, read_at_ns: int) -> Entry | None:
        """The entry to be sent; None if there is nothing to send (any more) or it was sent as a large file."""
        directory = work.directory
        try:
            if reading is None and not work.is_large:
                read_at_ns = time.time_ns()
                reading = self._read(directory, row)
            if reading is not None:
                return self._compare(directory, row, reading, read_at_ns)
            if not work.is_large and row.kind is not EntryKind.REGULAR:
                self._tally.vanish()
                return None
            is_changing = self._large.send(directory, row)
            if is_changing:
                self._tally.change_while_read(self._shown(directory, row))
        except OSError as error:
            self._fail(directory, row, error)
        return None

    def _read(self, directory: OpenDirectory, row: Row) -> Reading | None:
        if row.kind is EntryKind.REGULAR:
            return read_small(directory.descriptor, row.name)
        return read_special(directory.descriptor, row.name)

    def _compare(self, directory: OpenDirectory, row: Row, reading: Reading, read_at_ns: int) -> Entry | None:
        entry = reading.entry
        if entry.kind is not row.kind or not row.is_still(reading.state):
            self._tally.vanish()
            return None
        content = hash_whole(entry.data)
        xattrs_hash = hash_xattrs(entry.xattrs) if entry.xattrs else _NO_XATTRS
        is_held = row.sequence != UNHELD
        has_content = not (is_held and row.content == content and _is_same_file(row, reading))
        has_metadata = has_content or _metadata(row) != (
            entry.mode,
            entry.uid,
            entry.gid,
            entry.mtime_ns,
            entry.inode_flags,
            xattrs_hash,
        )
        entry.row = row.row
        if has_content:
            entry.flags = _content_flags(row, reading, is_held=is_held)
            if row.block_bytes:
                self._output.catalogue.forget_large(row.row)
        else:
            entry.data = b""
        row.take(reading.state, read_at_ns=read_at_ns)
        row.content, row.xattrs_hash, row.inode_flags = content, xattrs_hash, entry.inode_flags
        row.size, row.block_bytes, row.is_partial = _size(reading), 0, False
        if reading.is_changing:
            row.is_racy = True
            self._tally.change_while_read(self._shown(directory, row))
        if has_metadata:
            return entry
        self._output.catalogue.put((row,))
        self._tally.done(directory.volume, files=1, size=entry.size)
        return None

    def _fail(self, directory: OpenDirectory, row: Row, error: OSError) -> None:
        if error.errno in _GONE:
            self._tally.vanish()
            return
        self._tally.skip(self._shown(directory, row), "read_error", error.strerror or str(error))
        # Part of a file must not be taken for all of it; an older version that is whole may stay.
        if row.is_partial:
            self._unreadable.append(row)

    def _shown(self, directory: OpenDirectory, row: Row) -> str:
        return shown(self._mount_points[directory.volume], join(directory.path, row.name))


def _read_together(work: Work) -> dict[bytes, Reading | None]:
    rows = [row for row in work.items if row.kind is EntryKind.REGULAR]
    names = [row.name for row in rows]
    readings = read_files(work.directory.descriptor, names, sum(min(row.size, CHUNK_BYTES) for row in rows))
    return dict(zip(names, readings, strict=True))


def _size(reading: Reading) -> int:
    """The size that the catalogue compares with a later stat: a symlink's is the length of its target."""
    return reading.entry.size if reading.entry.kind is EntryKind.REGULAR else reading.state.st_size


def _is_same_file(row: Row, reading: Reading) -> bool:
    """Whether what the contents' hash does not cover is as in the row."""
    if reading.entry.kind in _DEVICES and row.device != reading.entry.device:
        return False
    return row.block_bytes == 0 and row.size == _size(reading)


def _metadata(row: Row) -> tuple[int, int, int, int, int, bytes]:
    return (row.mode, row.uid, row.gid, row.mtime_ns, row.inode_flags, row.xattrs_hash)


def _content_flags(row: Row, reading: Reading, *, is_held: bool) -> int:
    flags = HAS_CONTENT
    if reading.entry.kind is EntryKind.REGULAR:
        if row.link_group and is_held:
            flags |= IN_PLACE
        if reading.state.st_blocks * 512 < reading.entry.size:
            flags |= SPARSE
    return flags
