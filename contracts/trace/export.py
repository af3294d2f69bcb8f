"""A trace as JSON lines, and the check of such a file without any service.

First ``export`` (format, account, public key, and the checkpoint that all of it is under), then every ``checkpoint``,
then every ``record``, last ``end`` with their numbers. Each line is canonical, so that no byte can be changed unseen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from contracts.base import Model
from contracts.messages.audit import AuditRecord, TraceVerified
from contracts.messages.checkpoint import Checkpoint
from contracts.trace.chain import canonical_json
from contracts.trace.check import TraceCheck
from contracts.trace.checkpoint import read_public_key

FORMAT: Final = 1
# A record is at most one bus message; canonical JSON of it is not much longer.
MAX_LINE_BYTES: Final = 8 << 20


class ExportHead(Model):
    """The first line. checkpoint: the last one, which covers every record of the export."""

    format: int
    account: str
    public_key: str
    checkpoint: Checkpoint


class ExportEnd(Model):
    """The last line: how many lines of each kind came before it."""

    checkpoints: int
    records: int


class _Line(Model):
    export: ExportHead | None = None
    checkpoint: Checkpoint | None = None
    record: AuditRecord | None = None
    end: ExportEnd | None = None


def head_line(head: ExportHead) -> str:
    """Without line feed, as the others."""
    return canonical_json(_Line(export=head))


def checkpoint_line(checkpoint: Checkpoint) -> str:
    """See head_line."""
    return canonical_json(_Line(checkpoint=checkpoint))


def record_line(record: AuditRecord) -> str:
    """See head_line."""
    return canonical_json(_Line(record=record))


def end_line(end: ExportEnd) -> str:
    """See head_line."""
    return canonical_json(_Line(end=end))


def check_export(
    lines: Iterable[bytes], *, public_key: Ed25519PublicKey | None = None, kept: Checkpoint | None = None
) -> TraceVerified:
    """Find any edit, removal, addition or reordering in an export. lines: with their line feeds.

    public_key: the one that the installation is known to sign with; without it the file's own is taken, and whoever
    made up the whole file is not found: compare the verdict's public_key. kept: a checkpoint that was noted elsewhere;
    an export that ends before it, or tells another story, is refused.
    """
    check = _ExportCheck(public_key, kept)
    for line in lines:
        if reason := check.add(line):
            return check.broken(reason)
    return check.result()


class _ExportCheck:
    """Line by line, so that an export need not fit into memory."""

    def __init__(self, public_key: Ed25519PublicKey | None, kept: Checkpoint | None) -> None:
        self._public_key = public_key
        self._kept = kept
        self._head: ExportHead | None = None
        self._trace: TraceCheck | None = None
        self._last: Checkpoint | None = None
        self._records = 0
        self._has_ended = False

    def add(self, raw: bytes) -> str:
        """The next line; returns what is wrong with it or before it, "" when nothing is."""
        try:
            line = _Line.model_validate_json(raw)
        except ValidationError:
            return "a line cannot be read"
        if self._has_ended:
            return "there are lines behind the end"
        # Spelled otherwise, with another field or without its line feed, it is not what was exported.
        if raw != canonical_json(line).encode("utf-8", "surrogatepass") + b"\n":
            return "a line was changed"
        if self._head is None or self._trace is None:
            return self._begin(line)
        return self._go_on(line, self._head, self._trace)

    def broken(self, reason: str) -> TraceVerified:
        """The verdict after a line that was refused."""
        if self._trace is None:
            return TraceVerified(is_intact=False, records=0, broken_at=1, reason=reason)
        self._trace.unreadable(reason)
        return self._trace.result(sequence=self._records, record_hash="")

    def result(self) -> TraceVerified:
        """The verdict after the last line."""
        if not self._has_ended or self._head is None or self._trace is None:
            return self.broken("the export has no end")
        checkpoint = self._head.checkpoint
        return self._trace.result(sequence=checkpoint.tree_size, record_hash=checkpoint.record_hash)

    def _begin(self, line: _Line) -> str:
        head = line.export
        if head is None or canonical_json(line) != head_line(head):
            return "the file does not begin as an export does"
        if head.format != FORMAT:
            return f"the export has format {head.format}; this program reads {FORMAT}"
        try:
            own_key = read_public_key(head.public_key)
        except ValueError:
            return "the export names no public key"
        if self._public_key is not None and own_key.public_bytes_raw() != self._public_key.public_bytes_raw():
            return "the export is signed by another key than the one that was given"
        if head.public_key != own_key.public_bytes_raw().hex() or head.account != head.checkpoint.account:
            return "the first line was changed"
        self._head, self._trace = head, TraceCheck(head.account, own_key)
        return ""

    def _go_on(self, line: _Line, head: ExportHead, trace: TraceCheck) -> str:
        if line == _Line(checkpoint=line.checkpoint) and line.checkpoint is not None:
            if self._records:
                return "a checkpoint stands among the records"
            return self._add_checkpoint(line.checkpoint, head, trace)
        if line == _Line(record=line.record) and line.record is not None:
            self._records += 1
            trace.add(line.record)
            return ""
        if line == _Line(end=line.end) and line.end is not None:
            self._has_ended = True
            return self._end(line.end, head, trace)
        return "a line is of no known kind"

    def _add_checkpoint(self, checkpoint: Checkpoint, head: ExportHead, trace: TraceCheck) -> str:
        if self._last == head.checkpoint:
            return "there are checkpoints behind the one that the export is under"
        if self._kept is not None and checkpoint.number == self._kept.number and checkpoint != self._kept:
            return f"checkpoint {checkpoint.number} is not the one that was kept"
        trace.add_checkpoint(checkpoint)
        self._last = checkpoint
        return ""

    def _end(self, end: ExportEnd, head: ExportHead, trace: TraceCheck) -> str:
        if self._last != head.checkpoint:
            return "the checkpoint that the export is under is missing"
        if self._kept is not None and self._kept.number > head.checkpoint.number:
            return f"the export ends before checkpoint {self._kept.number}, which was kept"
        if (end.checkpoints, end.records) != (head.checkpoint.number, head.checkpoint.tree_size):
            return "the last line was changed"
        if self._records != end.records:
            return f"the export has {self._records} records of {end.records}"
        return ""
