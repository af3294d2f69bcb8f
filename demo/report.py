"""What the demonstration reports: as JSON for programs, as a table for a person."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from contracts.base import Model
from demo.proof import JournalProof, OrderProof
from demo.tree_comparison import TreeComparison

_MIB = 1 << 20


class DemoReport(Model):
    """``demo-report.json``. Seconds are wall-clock time; bytes and files are those of the full copy.

    downtime_seconds: from the last order that the source acknowledged to the first answer of the target, which knows
    it; downtime_phases: what the service says of it. files_different, files_missing, files_changed_since: of the
    read-back verification and of the independent comparison, whichever is larger. is_success: everything holds that is
    promised.
    """

    bytes: int
    files: int
    copy_seconds: float
    sync_seconds: float
    downtime_seconds: float
    downtime_phases: dict[str, float]
    total_seconds: float
    orders_acknowledged: int
    orders_lost: int
    files_different: int
    files_missing: int
    files_changed_since: int
    target_booted: bool
    leftovers: tuple[str, ...]
    accelerator: str
    services_killed: tuple[str, ...] = ()
    step_seconds: dict[str, float]
    task_step_seconds: dict[str, float]
    bytes_sent: int
    bytes_resent: int
    sync_files_sent: int
    orders: OrderProof
    journal: JournalProof
    comparison: TreeComparison
    is_success: bool = False

    def problems(self) -> tuple[str, ...]:
        """Why it is no success; empty when it is one."""
        promises = {
            f"{self.orders_lost} acknowledged orders are lost": self.orders_lost,
            "no order was acknowledged": not self.orders_acknowledged,
            f"the target's database says: {self.orders.database_check}": self.orders.database_check != "ok",
            f"{self.files_different} files differ": self.files_different,
            f"{self.files_missing} files are missing": self.files_missing,
            f"{self.comparison.extra} files are on the target only": self.comparison.extra,
            "the target did not boot": not self.target_booted,
            f"the target's journal has {len(self.journal.errors)} storage errors": self.journal.errors,
            f"failed units on the target: {', '.join(self.journal.failed_units)}": self.journal.failed_units,
            f"{len(self.leftovers)} things are left over": self.leftovers,
        }
        return tuple(text for text, is_broken in promises.items() if is_broken)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def show(self) -> None:
        """Print it for a person."""
        console = Console(highlight=False, soft_wrap=True)
        table = Table(box=None, pad_edge=False, show_header=False)
        rate = self.bytes / _MIB / self.copy_seconds if self.copy_seconds else 0.0
        rows = {
            "copy": f"{self.bytes / _MIB:.0f} MiB in {self.files} files, {self.copy_seconds:.1f} s: {rate:.1f} MiB/s",
            "on the wire": f"{self.bytes_sent / _MIB:.0f} MiB, {self.bytes_resent / _MIB:.1f} MiB of it sent again",
            "last sync round": f"{self.sync_seconds:.1f} s, {self.sync_files_sent} files",
            "downtime": f"{self.downtime_seconds:.1f} s from the source's last order to the target's first answer: "
            + ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.downtime_phases.items()),
            "orders": f"{self.orders_acknowledged} acknowledged, {self.orders_lost} lost",
            "files": f"{self.files_different} different, {self.files_missing} missing, "
            f"{self.files_changed_since} changed since, {self.comparison.adapted} adapted",
            "compared": f"{self.comparison.entries} entries, {self.comparison.bytes_compared / _MIB:.0f} MiB equal",
            "target": f"{'booted' if self.target_booted else 'not booted'}, "
            f"{len(self.journal.errors)} storage errors in its journal",
            "left over": "nothing" if not self.leftovers else f"{len(self.leftovers)} things",
            "killed on the way": ", ".join(self.services_killed) or "nothing",
            "in all": f"{self.total_seconds:.0f} s ({self.accelerator})",
        }
        for name, text in rows.items():
            table.add_row(name, text)
        console.print()
        console.print(table, markup=False)
        for name, seconds in self.step_seconds.items():
            console.print(f"   {seconds:7.1f} s  {name}", markup=False)
        self._show_details(console)

    def _show_details(self, console: Console) -> None:
        paths = (
            *(f"different: {path}" for path in self.comparison.different_paths[:20]),
            *(f"missing: {path}" for path in self.comparison.missing_paths[:20]),
            *(f"on the target only: {path}" for path in self.comparison.extra_paths[:20]),
            *(f"left over: {text}" for text in self.leftovers[:20]),
            *(f"journal: {text}" for text in self.journal.errors[:20]),
        )
        for text in paths:
            console.print(f"   {text}", markup=False)
        if problems := self.problems():
            console.print("\nNOT PROVED: " + "; ".join(problems), markup=False)
        else:
            console.print("\nEverything arrived: no order lost, no file different, nothing left over.", markup=False)
