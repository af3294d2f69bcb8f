"""Applies frames of one connection to the volumes. Everything in a frame is taken for hostile until checked."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence

from agents.target.receive.change_tree import apply_operation
from agents.target.receive.verify import Verifier
from agents.target.receive.volume import Volume
from agents.target.receive.write_chunks import ChunkWriter
from agents.target.receive.write_entries import write_directories, write_entries
from agents.transfer.chunks import chunk_volume
from agents.transfer.compression import BoundedDecompressor
from agents.transfer.entries import Entry, decode_groups
from agents.transfer.frames import Frame, Kind, Payload, protocol_error
from agents.transfer.structure import decode_operations
from contracts.errors.code import MigrationError
from contracts.errors.transfer import TARGET_EIO, TARGET_ENOSPC, TARGET_REFUSED

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Applier:
    """Applies the frames of one connection, in the order in which they come; used by one thread.

    volumes: by index. After each frame, lost holds rows whose files were not where the source believed them,
    and results the payloads of verification results; the caller takes them.
    """

    def __init__(self, volumes: Mapping[int, Volume], verifier: Verifier) -> None:
        self._volumes = volumes
        self._verifier = verifier
        self._chunks = ChunkWriter()
        self._decompressor = BoundedDecompressor()
        self.lost: list[int] = []
        self.results: list[bytes] = []
        self._handlers = {
            Kind.BATCH: self._batch,
            Kind.CHUNK: self._chunk,
            Kind.STRUCTURE: self._structure,
            Kind.DIRECTORIES: self._directories,
            Kind.END_ROUND: self._end_round,
            Kind.VERIFY_BATCH: self._verify,
        }

    def close(self) -> None:
        """Give up what is open."""
        self._chunks.close()

    def apply(self, frame: Frame) -> None:
        """Apply one frame. Raises MigrationError: SMS.TARGET.ENOSPC, .EIO or .REFUSED, SMS.TRANSFER.PROTOCOL."""
        handler = self._handlers.get(frame.kind)
        if handler is None:
            raise protocol_error(f"{frame.kind.name} on a data connection")
        volume = -1
        try:
            payload = self._decompressor.unpack(frame)
            volume = chunk_volume(payload)
            handler(payload)
        except OSError as error:
            raise self._failure(error, volume, len(frame.payload)) from error

    def _volume(self, index: int) -> Volume:
        if index not in self._volumes:
            raise protocol_error(f"volume {index}, which is not in the plan")
        return self._volumes[index]

    def _writable(self, index: int, path: bytes, entries: Sequence[Entry]) -> Volume:
        volume = self._volume(index)
        for place in (path,) if path else (entry.name for entry in entries):
            volume.check_not_reserved(place)
        return volume

    def _batch(self, payload: Payload) -> None:
        for index, path, entries in decode_groups(payload):
            volume = self._writable(index, path, entries)
            with volume.directory(path) as directory:
                self.lost += write_entries(volume, directory, entries)

    def _chunk(self, payload: Payload) -> None:
        self.lost += self._chunks.write(self._volume(chunk_volume(payload)), payload)

    def _structure(self, payload: Payload) -> None:
        self._chunks.close()
        for operation in decode_operations(payload):
            volume = self._volume(operation.volume)
            for path in (operation.path, operation.new_path):
                volume.check_not_reserved(path)
            if not apply_operation(volume, operation):
                self.lost.append(operation.row)

    def _directories(self, payload: Payload) -> None:
        self._chunks.close()
        for index, path, entries in decode_groups(payload):
            volume = self._writable(index, path, entries)
            with volume.directory(path) as parent:
                write_directories(volume, parent, entries)

    def _end_round(self, payload: Payload) -> None:
        self._chunks.close()
        self._volume(chunk_volume(payload)).remove_staging()
        self._verifier.begin_round()

    def _verify(self, payload: Payload) -> None:
        self.results.append(self._verifier.compare(self._volume, bytes(payload)))

    def _failure(self, error: OSError, volume: int, needed_bytes: int) -> MigrationError:
        if error.errno in _FULL and volume in self._volumes:
            space = os.fstatvfs(self._volumes[volume].root)
            return MigrationError(
                TARGET_ENOSPC,
                volume=volume,
                free_bytes=space.f_bavail * space.f_frsize,
                free_inodes=space.f_favail,
                needed_bytes=needed_bytes,
            )
        reason = error.strerror or str(error)
        if error.errno in (errno.EIO, errno.EROFS, errno.EUCLEAN):
            return MigrationError(TARGET_EIO, volume=volume, path=str(error.filename or "/"), reason=reason)
        return MigrationError(TARGET_REFUSED, volume=volume, reason=f"{reason} ({error.filename!r})")
