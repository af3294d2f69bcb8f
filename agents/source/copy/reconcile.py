"""Brings the catalogue into line with what the target says that it holds, before a session begins."""

from __future__ import annotations

from pathlib import Path

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.catalogue_frames import AFTER_REBOOT, BOOT, IS_OPEN
from agents.source.copy.tally import Tally
from agents.transfer.messages import HelloReply

_END = (1 << 63) - 1


def this_boot() -> int:
    """A number that another boot of this machine will hardly have."""
    return int(Path("/proc/sys/kernel/random/boot_id").read_text()[:8], 16)


class Reconciliation:
    """What was sent but is not held is marked as such; how much that is counts as sent again.

    has_lost: something was, which only a walk finds again.
    """

    def __init__(self, catalogue: Catalogue, tally: Tally) -> None:
        self._catalogue = catalogue
        self._tally = tally
        self._was_killed = bool(catalogue.fact(IS_OPEN))
        self.has_lost = False

    def first_sequence(self, reply: HelloReply) -> int:
        """The first sequence of the session to be begun: above all that any session has used."""
        first = max(self._catalogue.last_sequence(), reply.highest_seen) + 1
        if self._was_killed:
            # It may have sent more than it had written down: entries of which nothing is known here.
            self._catalogue.be_unsure(1 if self._catalogue.fact(BOOT) == this_boot() else AFTER_REBOOT)
        self._catalogue.set_fact(BOOT, this_boot())
        self._catalogue.set_fact(IS_OPEN, 1)
        before = self._catalogue.changes
        lost_bytes = self._catalogue.lose(self._lost_ranges(reply))
        self.has_lost = self._catalogue.changes != before
        # More: frames that a killed source had not yet written down. Less: the target lost what it had called
        # durable. Both are sent again; not so what a target without a journal cannot count.
        unknown_bytes = reply.held_bytes - self._catalogue.held_bytes()
        self._tally.bytes_resent += lost_bytes + (abs(unknown_bytes) if reply.sessions else 0)
        self._catalogue.set_fact("folded_bytes", self._catalogue.fact("folded_bytes") + unknown_bytes)
        self._catalogue.commit()
        return first

    def _lost_ranges(self, reply: HelloReply) -> list[tuple[int, int]]:
        """Sequences that no session holds.

        A target without any session has lost its journal with its temporary volume, not its disks: what it had
        once named durable is on them (disks that were made anew have a new generation, hence a new catalogue).
        """
        if not reply.sessions:
            return [(self._catalogue.durable_sequence() + 1, _END)]
        ranges = []
        start = 0
        for mark in reply.sessions:
            if start < mark.first and start > 0:
                ranges.append((start, mark.first - 1))
            start = mark.held + 1
        return [*ranges, (start, _END)]
