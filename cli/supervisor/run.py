"""Runs a plan: the bus server first, then everything else, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import time
from collections.abc import Callable, Sequence

from agents.host.shutdown import end_targets
from cli.health import HealthClient, connect
from cli.installation import DataFolder, SupervisorState
from cli.supervisor.child import Child, ChildSpec
from cli.supervisor.log_file import RotatingLog, last_lines
from cli.supervisor.plan import Plan
from contracts.errors.cli import NOT_HEALTHY

HEALTHY_WITHIN_S = 60.0
_POLL_S = 0.1
# A program that ends at each start will not become healthy by waiting for the whole minute.
_HOPELESS_AFTER_RESTARTS = 6
# The host agent hears the provisioner only, so it cannot be asked: what lives this long has started.
_SETTLED_AFTER_S = 1.0


class Supervisor:
    """Keeps the processes of one plan alive and writes their states into the state file."""

    def __init__(self, folder: DataFolder, plan: Plan, *, changed: Callable[[SupervisorState], None]) -> None:
        self._folder = folder
        self._plan = plan
        self._changed = changed
        self._is_complete = False
        self._problem = ""
        host_agent = (plan.host_agent,) if plan.host_agent else ()
        self._bus_server = self._child(plan.bus_server)
        self._services = [self._child(spec) for spec in plan.services]
        self._unasked = [self._child(spec) for spec in host_agent]
        self._is_stopping = asyncio.Event()

    async def run(self) -> None:
        """Start everything, then wait for SIGTERM or SIGINT, then stop everything.

        A part that is not healthy in time is reported in the state file and is tried again all the same.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._is_stopping.set)
        self._save()
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self._is_stopping.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await stopping
        finally:
            starting.cancel()
            stopping.cancel()
            await self._stop()

    async def _stop(self) -> None:
        """The host agent first, since it would start helpers again; then what it has started, helpers with their
        time to write out what they have received; the bus last, so that everybody can say a last word."""
        await asyncio.gather(*(child.stop() for child in self._unasked))
        if self._unasked:
            await asyncio.to_thread(end_targets, self._folder.path, power_down_s=self._plan.power_down_s)
        await asyncio.gather(*(child.stop() for child in self._services))
        await self._bus_server.stop()

    async def _start(self) -> None:
        started_at = time.monotonic()
        self._bus_server.start()
        try:
            async with asyncio.timeout(HEALTHY_WITHIN_S):
                await self._wait_for_bus()
                for child in (*self._services, *self._unasked):
                    child.start()
                await self._wait_for_all(gives_up=True)
        except TimeoutError:
            self._report_unhealthy(time.monotonic() - started_at)
            # In the foreground the user may mend the cause meanwhile: every part is still tried again.
            await self._wait_for_bus()
            await self._wait_for_all(gives_up=False)
            self._problem = ""
        self._is_complete = True
        self._save()

    async def _wait_for_all(self, *, gives_up: bool) -> None:
        async with connect(self._folder) as client:
            waiting = [
                *(self._wait_for_service(client, child, gives_up=gives_up) for child in self._services),
                *(self._wait_until_settled(child) for child in self._unasked),
            ]
            tasks = [asyncio.create_task(work) for work in waiting]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()

    async def _wait_for_bus(self) -> None:
        """Nothing is said before TLS; then the server speaks first."""
        trusted = ssl.create_default_context(cafile=self._folder.installation().ca_file)
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    reader, writer = await asyncio.open_connection(*self._plan.bus_address, ssl=trusted)
                    greeting = await reader.readline()
                    writer.close()
                    if greeting.startswith(b"INFO "):
                        break
            await asyncio.sleep(_POLL_S)
        self._bus_server.mark_running()

    async def _wait_for_service(self, client: HealthClient, child: Child, *, gives_up: bool) -> None:
        while not await client.is_healthy(child.spec.name):
            if gives_up and child.view().restarts > _HOPELESS_AFTER_RESTARTS:
                raise TimeoutError(child.spec.name)
            await asyncio.sleep(_POLL_S)
        child.mark_running()

    async def _wait_until_settled(self, child: Child) -> None:
        await asyncio.sleep(_SETTLED_AFTER_S)
        while child.view().pid is None:  # noqa: ASYNC110 - set by a restart, which nobody announces
            await asyncio.sleep(_POLL_S)
        child.mark_running()

    def _report_unhealthy(self, seconds: float) -> None:
        names = [child.spec.name for child in self._children() if child.view().state != "running"]
        first = self._folder.log_file(names[0]) if names else self._folder.logs
        failure = NOT_HEALTHY.failure(
            seconds=f"{seconds:.0f}", names=", ".join(names), log_file=first, log_tail=last_lines(first) or "(empty)"
        )
        self._problem = failure.model_dump_json()
        self._save()

    def _child(self, spec: ChildSpec) -> Child:
        return Child(spec, RotatingLog(self._folder.log_file(spec.name)), changed=self._save)

    def _children(self) -> Sequence[Child]:
        return (self._bus_server, *self._services, *self._unasked)

    def _save(self) -> None:
        state = SupervisorState(
            pid=os.getpid(),
            is_complete=self._is_complete,
            problem=self._problem,
            processes=tuple(child.view() for child in self._children()),
        )
        self._folder.save_state(state)
        self._changed(state)
