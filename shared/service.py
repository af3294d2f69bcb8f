"""The life of a service process: store, bus, outbox relay, subscriptions, health, and a clean end."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from contracts import subjects
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.messages.reply import HealthReply, HealthRequest
from shared.bus import ServiceBus
from shared.bus.lifeline import until_abandoned
from shared.outbox import OutboxRelay
from shared.settings import ServiceSettings
from shared.store import Collection, Store, StoreUnavailableError, open_store
from shared.telemetry import configure_logging, log
from shared.watchdog import LoopWatchdog

FAILED_EXIT_CODE: Final = 1
_HEALTH_OUTBOX_LIMIT: Final = 1000


@dataclass(frozen=True)
class ServiceContext:
    """What a service's bootstrap gets to wire itself with.

    resources: adapters that must be closed at the end are entered here.
    """

    settings: ServiceSettings
    store: Store
    bus: ServiceBus
    resources: AsyncExitStack
    _background: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = field(default_factory=list)

    def run_in_background(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run work beside the subscriptions, started after them and cancelled at the end. If it raises or
        returns, the process ends, and its supervisor starts it again."""
        self._background.append((name, work))


Wire = Callable[[ServiceContext], Awaitable[None]]


def run_service(settings: ServiceSettings, wire: Wire, *, collections: Sequence[Collection] = ()) -> None:
    """Run until SIGTERM or SIGINT, and exit: 0 then, not 0 when the process must be started again.

    wire: declares the service's subscriptions on context.bus; it runs once, before the first message.
    """
    configure_logging(settings.service_name, settings.log_level)
    sys.exit(asyncio.run(_run_until_signal(settings, wire, collections)))


async def _run_until_signal(settings: ServiceSettings, wire: Wire, collections: Sequence[Collection]) -> int:
    main = asyncio.current_task()
    loop = asyncio.get_running_loop()
    has_signal = False

    def stop() -> None:
        nonlocal has_signal
        if not has_signal and main is not None:
            has_signal = True
            main.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await serve(settings, wire, collections)
    except asyncio.CancelledError:
        log("service stopped")
        return 0
    except MigrationError as error:
        log("service failed", level=logging.CRITICAL, error=error, code=error.code, remedy=error.failure.remedy)
    except Exception as error:  # noqa: BLE001 - the edge of the process
        log("service failed", level=logging.CRITICAL, error=error)
    return FAILED_EXIT_CODE


async def serve(settings: ServiceSettings, wire: Wire, collections: Sequence[Collection] = ()) -> None:
    """Run until cancelled (also from a test's own task); returns or raises when the service cannot go on."""
    async with AsyncExitStack() as resources:
        await resources.enter_async_context(LoopWatchdog(settings.event_loop_stall_limit_s))
        store = await _open_patiently(settings, collections)
        resources.push_async_callback(store.close)
        bus = ServiceBus(settings)
        context = ServiceContext(settings, store, bus, resources)
        resources.push_async_callback(bus.stop)
        await bus.connect()
        _answer_health(context)
        await wire(context)
        await bus.start()
        relay = OutboxRelay(store, bus.jetstream, poll_interval_s=settings.outbox_poll_interval_s)
        log("service started")
        await _run_all(context, relay)


async def _run_all(context: ServiceContext, relay: OutboxRelay) -> None:
    main = asyncio.current_task()
    if main is not None and main.cancelling():
        # The signal came during the start and was swallowed there.
        raise asyncio.CancelledError
    tasks = [
        asyncio.create_task(relay.run(), name="outbox-relay"),
        asyncio.create_task(_wait_closed(context.bus), name="bus-connection"),
        asyncio.create_task(
            until_abandoned(lambda: context.bus.is_connected, context.settings.bus_addresses()), name="bus-lifeline"
        ),
        *(asyncio.create_task(work(), name=name) for name, work in context._background),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            log("background work ended", level=logging.CRITICAL, work=task.get_name())
            task.result()
        raise RuntimeError(f"{', '.join(task.get_name() for task in done)} ended")
    finally:
        await _cancel(tasks)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until it is so: up to Python 3.11 asyncio.wait_for, which the bus client is full of, swallows a
    cancellation that meets a result."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=3)
    await asyncio.gather(*tasks, return_exceptions=True)


async def _wait_closed(bus: ServiceBus) -> None:
    await bus.closed.wait()


async def _open_patiently(settings: ServiceSettings, collections: Sequence[Collection]) -> Store:
    while True:
        try:
            return await open_store(settings.store_url, settings.service_name, collections)
        except StoreUnavailableError as error:
            log("waiting for the store", level=logging.WARNING, error=error)
            await asyncio.sleep(2)


def _answer_health(context: ServiceContext) -> None:
    async def answer(_: HealthRequest, __: Envelope) -> HealthReply:
        name = context.settings.service_name
        try:
            async with asyncio.timeout(3):
                pending = await context.store.pending(_HEALTH_OUTBOX_LIMIT)
        except (StoreUnavailableError, TimeoutError):
            return HealthReply(service=name, is_healthy=False)
        return HealthReply(service=name, is_healthy=True, pending_outbox=len(pending))

    context.bus.on_request(subjects.req(context.settings.service_name, "health"), HealthRequest, answer)
