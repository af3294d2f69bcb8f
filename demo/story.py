"""The demonstration, step by step: a live server is migrated with the `sms` command, then everything is proved."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from agents.bundle import build_agent
from agents.install.own_paths import OWN_PATHS
from demo.chaos import Chaos
from demo.command_line import CommandFailedError, Sms
from demo.load_generator import wait_for_first_answer
from demo.machine import ORDER_PORT, SSH_PORT
from demo.proof import (
    JournalProof,
    OrderProof,
    compare_with_source,
    leftovers_inside,
    leftovers_on_host,
    prove_journal,
    prove_orders,
    running_machines,
)
from demo.report import DemoReport
from demo.source_side import HOST_AS_SEEN_BY_GUESTS, STOP_ORDER_SERVICE, SourceSide
from demo.ssh import RemoteCommandError, Ssh
from demo.tree_comparison import Circumstances, TreeComparison

_ADAPTATION_JOURNAL: Final = "/var/lib/sms-adapt"
# Every ext file system has its own, as old as itself; what is in it is compared.
_MADE_BY_MKFS: Final = "/lost+found"
_CUTOVER_TIMEOUT_S: Final = 900.0
_SHUTDOWN_TIMEOUT_S: Final = 120.0


class Story:
    """One run in one data folder. Call the steps in their order; `close` at the end, whatever happened."""

    def __init__(self, data: Path, *, with_chaos: bool) -> None:
        self._data = data
        self._sms = Sms(data)
        self._folder = data / "demo"
        self._with_chaos = with_chaos
        self._started = time.monotonic()
        self._killed: tuple[str, ...] = ()
        self._leftovers: list[str] = []
        self._secrets: dict[str, str] = {}
        self._program = Path()
        self._task_id = ""
        self._server_time_at_stop = 0.0
        self._target_booted_at = 0.0
        self._downtime_s = 0.0
        self._verification: dict[str, Any] = {}
        self._order_port, ssh_port = _free_port(), _free_port()
        self.step_seconds: dict[str, float] = {}
        with self._step("build the source server and the agent, or find them in the cache"):
            self._source = SourceSide(self._folder)
            self._program = build_agent()
        self._target = Ssh(self._source.image, ssh_port)
        print(f"   machines run with {self._source.accelerator} {self._source.why_no_kvm}".rstrip())

    def run(self) -> DemoReport:
        """Everything. Raises what a step raises."""
        with self._step("boot the source server; customers begin to order"):
            self._source.boot()
        with self._step("sms up"):
            status = self._sms.ask(
                "up",
                "--detach",
                "--bus-listen",
                "127.0.0.1:0",
                "--listen",
                "127.0.0.1:0",
                "--advertise",
                HOST_AS_SEEN_BY_GUESTS,
            )
        self._install_agent(status)
        server_id = self._wait_for_server()
        self._create_task(server_id)
        self._copy_and_launch()
        self._cut_over()
        orders, journal = self._look_at_the_target()
        self._verify_and_finish()
        task = self._end_everything()
        return self._report(task, orders, journal, self._compare(task))

    def close(self) -> None:
        """Stop what still runs; logs stay in the data folder."""
        self._target.close()
        with suppress(CommandFailedError):
            self._sms.run("down")
        self._source.machine.kill()

    def _install_agent(self, status: dict[str, Any]) -> None:
        with self._step("install the agent on the source server"):
            self._secrets = self._sms.ask("credential", "create", "--description", "demo")
            self._source.install_agent(
                self._program,
                bus_url=status["bus_url"],
                access_key=self._secrets["access_key"],
                secret_key=self._secrets["secret_key"],
                ca=Path(status["ca_file"]),
            )

    def _wait_for_server(self) -> str:
        with self._step("the server registers and is checked"):
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                ready = [
                    one for one in self._sms.ask("server", "list")["servers"] if one["connected"] and one["checks"]
                ]
                if ready:
                    break
                time.sleep(0.5)
            else:
                raise TimeoutError("no server registered and was checked within 120 s")
            self._sms.run("server", "list")
        if ready[0]["checks"] == "ERROR":
            raise RuntimeError("the server failed its checks")
        return str(ready[0]["id"])

    def _create_task(self, server_id: str) -> None:
        options = (
            f"forward={self._order_port}:{ORDER_PORT}",
            f"forward={self._target.port}:{SSH_PORT}",
            f"health.port={ORDER_PORT}",
            "health.path=/health",
        )
        words = [word for option in options for word in ("--option", option)]
        with self._step("create the task: source, target, options"):
            created = self._sms.ask("task", "create", "--server", server_id, "--type", "file", "--yes", *words)
            self._task_id = created["id"]

    def _copy_and_launch(self) -> None:
        with self._step("migrate while orders go on: copy, point, adaptation, launch"):
            self._sms.run("task", "start", self._task_id, "--yes")
            chaos = Chaos(self._sms, self._task_id)
            if self._with_chaos:
                chaos.start()
            try:
                self._sms.run("task", "watch", self._task_id)
            finally:
                if self._with_chaos:
                    chaos.stop()
            self._killed = tuple(chaos.killed)
        print(f"   {self._source.customers.acknowledged} orders acknowledged so far")

    def _cut_over(self) -> None:
        self._sms.run("task", "cutover-settings", self._task_id, "--before", STOP_ORDER_SERVICE)
        has_failed = threading.Event()
        with self._step("cutover: rounds, stop of the order service, last round, launch"), ThreadPoolExecutor(1) as one:
            answering = one.submit(self._wait_for_the_target, has_failed)
            try:
                self._sms.run("task", "cutover", self._task_id, "--wait")
            except BaseException:
                has_failed.set()
                raise
            self._downtime_s = answering.result() - self._source.customers.last_acknowledged_at
        self._server_time_at_stop = self._source.order_service_stopped_at()
        print(f"   downtime {self._downtime_s:.1f} s")

    def _wait_for_the_target(self, has_failed: threading.Event) -> float:
        """When it first answers with the last order that the source acknowledged."""
        customers = self._source.customers
        customers.wait_until_refused(timeout_s=_CUTOVER_TIMEOUT_S, has_failed=has_failed)
        return wait_for_first_answer(
            self._order_port,
            last_number=customers.last_number,
            timeout_s=_CUTOVER_TIMEOUT_S,
            has_failed=has_failed,
        )

    def _look_at_the_target(self) -> tuple[OrderProof, JournalProof]:
        with self._step("look at the target: orders, journal, leftovers"):
            self._target.wait(timeout_s=120)
            boot_time = self._target.run("awk '/^btime/ { print $2 }' /proc/stat")
            # In whole seconds, and from the clock that the machine read when it was switched on.
            self._target_booted_at = float(boot_time) - 1
            orders = prove_orders(self._target, self._source.book)
            journal = prove_journal(self._target)
            self._leftovers += leftovers_inside(self._target, name="target", access_key=self._secrets["access_key"])
            self._target.close()
        return orders, journal

    def _verify_and_finish(self) -> None:
        with self._step("read the replica back and compare it with the source (sms task verify)"):
            path = self._folder / "verification.json"
            # A difference is reported with everything else, at the end.
            with suppress(CommandFailedError):
                self._sms.run("task", "verify", self._task_id, "--report", str(path))
            self._verification = self._sms.task(self._task_id)["verification"]
        with self._step("finish: the target becomes self-contained, everything temporary goes"):
            self._sms.run("task", "finish", self._task_id, "--wait")

    def _end_everything(self) -> dict[str, Any]:
        with self._step("remove the agent, stop SMS and the source server"):
            task: dict[str, Any] = self._sms.task(self._task_id)
            self._source.uninstall_agent()
            access_key = self._secrets["access_key"]
            self._leftovers += leftovers_inside(self._source.machine.ssh, name="source", access_key=access_key)
            self._shut_the_target_down()
            self._sms.run("down")
            self._source.end()
            named = (*task["target"]["disks"], *task["target"]["replica_disks"])
            self._leftovers += leftovers_on_host(self._data, tuple(Path(disk["path"]) for disk in named))
        return task

    def _shut_the_target_down(self) -> None:
        """In order, so that its file systems can be read without replaying a journal."""
        deadline = time.monotonic() + _SHUTDOWN_TIMEOUT_S
        if running_machines(self._data):
            self._target.wait(timeout_s=_SHUTDOWN_TIMEOUT_S)
            with suppress(RemoteCommandError):
                self._target.run("systemctl poweroff")
        while running_machines(self._data) and time.monotonic() < deadline:
            time.sleep(0.2)
        self._target.close()

    def _compare(self, task: dict[str, Any]) -> TreeComparison:
        with self._step("compare both servers' disks, independently"):
            disks = {disk["name"]: Path(disk["path"]) for disk in task["target"]["disks"]}
            adaptation = task["adaptation"] or {}
            adapted = (*adaptation.get("adapted_paths", ()), *(one["path"] for one in adaptation.get("changes", ())))
            scratch = self._folder / "comparison"
            try:
                return compare_with_source(
                    self._source.machine.overlays,
                    (disks["vda"], disks["vdb"]),
                    scratch,
                    Circumstances(
                        left_out=frozenset(os.fsencode(path) for path in (*OWN_PATHS, _ADAPTATION_JOURNAL)),
                        adapted=frozenset(os.fsencode(path) for path in (*adapted, _MADE_BY_MKFS)),
                        source_changed_after=self._server_time_at_stop,
                        target_changed_after=self._target_booted_at,
                    ),
                )
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

    def _report(
        self, task: dict[str, Any], orders: OrderProof, journal: JournalProof, comparison: TreeComparison
    ) -> DemoReport:
        full, last, found = task["rounds"][0], task["rounds"][-1], self._verification or {}
        report = DemoReport(
            bytes=full["bytes_total"],
            files=full["files_total"],
            copy_seconds=full["seconds"],
            sync_seconds=last["seconds"],
            downtime_seconds=round(self._downtime_s, 2),
            downtime_phases={phase["name"]: phase["seconds"] for phase in task["cutover"]["phases"]},
            total_seconds=round(time.monotonic() - self._started, 1),
            orders_acknowledged=orders.acknowledged,
            orders_lost=orders.lost,
            files_different=max(found.get("different", 1), comparison.different),
            files_missing=max(found.get("missing", 1), comparison.missing),
            files_changed_since=max(found.get("changed_since", 0), comparison.changed_since),
            target_booted=bool(self._target_booted_at),
            leftovers=tuple(self._leftovers),
            accelerator=self._source.accelerator,
            services_killed=self._killed,
            step_seconds={name: round(seconds, 1) for name, seconds in self.step_seconds.items()},
            task_step_seconds=task["step_seconds"],
            bytes_sent=full["bytes_sent"],
            bytes_resent=full["bytes_resent"],
            sync_files_sent=last["files_sent"],
            orders=orders,
            journal=journal,
            comparison=comparison,
        )
        return report.model_copy(update={"is_success": not report.problems()})

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        print(f"-- {name}", flush=True)
        started = time.monotonic()
        yield
        self.step_seconds[name] = time.monotonic() - started
        print(f"   {self.step_seconds[name]:.1f} s", flush=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
