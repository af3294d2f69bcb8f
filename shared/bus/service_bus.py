"""The one bus connection of a service: its subscriptions, requests and the supervision of the connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from faststream.nats import NatsBroker
from faststream.nats.broker.broker import UNRECOVERABLE_CONNECT_ERRORS
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.platform import BUS_UNAVAILABLE
from shared.bus.answering import RequestReceiver
from shared.bus.asking import Asker
from shared.bus.batches import BatchSubscription
from shared.bus.closing import cancelled, close_client
from shared.bus.connection import Subscription, make_broker, subscribe_durable
from shared.bus.consumers import consumer_config, durable_name, ensure_consumer
from shared.bus.core import CoreSubscription, Receive
from shared.bus.durable import DurableReceiver
from shared.bus.patience import connected_at_last
from shared.bus.reading import (
    M,
    UnknownTypeError,
    UnreadableMessageError,
    by_type,
    read_envelope,
    read_message,
)
from shared.settings import ServiceSettings
from shared.streams import ensure_streams, stream_of
from shared.telemetry import bound, log

Handler = Callable[[M, Envelope], Awaitable[None]]
RequestHandler = Callable[[M, Envelope], Awaitable[Message]]
BatchHandler = Callable[[Sequence[tuple[bytes, Envelope]]], Awaitable[None]]


class ServiceBus:
    """Declare subscriptions first, then `start`; handlers get (message, envelope).

    envelope.subject is the subject that a message came on. Handlers of stream messages may run more than once
    for one message, so they pass ``applied=envelope.id`` to the store. They return when the effect is durable;
    raising means "again, later"; AlreadyAppliedError means done. A handler of requests returns the reply or
    raises MigrationError.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._asker = Asker(settings, self._client)
        self._broker: NatsBroker | None = None
        self._durables: dict[str, tuple[str, str]] = {}
        self._declared: list[Callable[[NatsBroker], Subscription]] = []
        self._core: list[CoreSubscription] = []
        self._batches: list[BatchSubscription] = []
        self._receiving: list[asyncio.Task[None]] = []
        self._is_stopping = False
        self._lost = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None
        self.subscriptions: list[Subscription] = []
        self.closed = asyncio.Event()

    @property
    def jetstream(self) -> JetStreamContext:
        """For the outbox relay. Raises SMS.BUS.UNAVAILABLE before `connect`."""
        return self._client().jetstream()

    @property
    def is_connected(self) -> bool:
        """Whether the bus can be spoken to now."""
        return self._broker is not None and self._client().is_connected

    def on_event(
        self,
        subject_filter: str,
        models: type[M] | tuple[type[M], ...],
        handler: Handler[M],
        *,
        durable: str = "",
        workers: int = 1,
    ) -> None:
        """Every message of a stream that matches the filter, at least once. Types that are not among models are
        acknowledged unseen: a newer service may say more than this one knows. workers: how many at a time; with
        1 they come in order except for those that are tried again."""
        wanted = by_type(models)

        async def handle(raw: Msg) -> None:
            try:
                message, envelope = read_message(raw, wanted)
            except UnknownTypeError as error:
                log("event passed over", level=logging.DEBUG, error=error, subject=raw.subject)
                return
            with bound(task_id=getattr(message, "task_id", "")):
                await handler(message, envelope)

        self._declare_durable(subject_filter, handle, durable, workers)

    def on_command(
        self,
        subject_filter: str,
        models: type[M] | tuple[type[M], ...],
        handler: Handler[M],
        *,
        durable: str = "",
        workers: int = 1,
    ) -> None:
        """As `on_event`, but a command of an unknown type goes to the dead letters: it must not be dropped."""
        wanted = by_type(models)

        async def handle(raw: Msg) -> None:
            message, envelope = read_message(raw, wanted)
            with bound(task_id=getattr(message, "task_id", "")):
                await handler(message, envelope)

        self._declare_durable(subject_filter, handle, durable, workers)

    def on_batches(self, subject_filter: str, handler: BatchHandler) -> None:
        """Messages of every type as their JSON bytes, in order, several at a time, for a subscriber that keeps and
        does not interpret. When it raises, it gets each of them alone, as a handler of `on_event` does."""

        async def handle(batch: Sequence[Msg]) -> None:
            await handler([(raw.data, read_envelope(raw)) for raw in batch])

        async def handle_one(raw: Msg) -> None:
            await handle([raw])

        name = self._new_durable(subject_filter, "")
        self._batches.append(
            BatchSubscription(
                stream=stream_of(subject_filter),
                config=consumer_config(self._settings, name, subject_filter),
                handle=handle,
                single=self._receiver(handle_one),
                client=self._client,
            )
        )

    def on_request(
        self,
        subject: str,
        models: type[M] | tuple[type[M], ...],
        handler: RequestHandler[M],
        *,
        workers: int = 16,
    ) -> None:
        """Answer core requests; replicas of the service share them. A MigrationError, and any other exception as
        SMS.SERVICE.INTERNAL, is answered as Refused."""
        receiver = RequestReceiver(
            service=self._settings.service_name, client=self._client, models=models, handler=handler
        )
        self._declare_core(subject, receiver.receive, queue=self._settings.service_name, workers=workers)

    def on_core(
        self,
        subject: str,
        models: type[M] | tuple[type[M], ...],
        handler: Handler[M],
        *,
        is_shared: bool = True,
        workers: int = 4,
    ) -> None:
        """Messages that nobody keeps (heartbeats, progress). is_shared: one replica gets each, not all of them.
        A message that cannot be read or handled is logged and gone."""
        wanted = by_type(models)

        async def receive(raw: Msg) -> None:
            try:
                message, envelope = read_message(raw, wanted)
                await handler(message, envelope)
            except UnreadableMessageError as error:
                log("message unreadable", level=logging.WARNING, error=error, subject=raw.subject)
            except Exception as error:  # noqa: BLE001 - the edge of a subscription
                log("message failed", level=logging.ERROR, error=error, subject=raw.subject)

        queue = self._settings.service_name if is_shared else ""
        self._declare_core(subject, receive, queue=queue, workers=workers)

    async def request(
        self,
        subject: str,
        message: Message,
        reply_model: type[M] | tuple[type[M], ...],
        timeout_s: float | None = None,
        *,
        account: str = "",
        cause: Envelope | None = None,
        actor: str = "",
    ) -> M:
        """Ask and wait for the reply. account, actor and correlation come from cause where they are not given.

        Raises MigrationError: the other side's failure, SMS.SERVICE.UNAVAILABLE when nobody answers within
        timeout_s, SMS.BUS.UNAVAILABLE at once while the bus is away.
        """
        return await self._asker.request(
            subject, message, reply_model, account=account, timeout_s=timeout_s, cause=cause, actor=actor
        )

    async def answer_from_now(
        self, subject: str, models: type[M] | tuple[type[M], ...], handler: RequestHandler[M]
    ) -> Callable[[], Awaitable[None]]:
        """As `on_request`, for a subject that becomes known while the service runs; the returned function ends it.

        Raises SMS.BUS.UNAVAILABLE before `connect`. A reconnection keeps it.
        """
        receiver = RequestReceiver(
            service=self._settings.service_name, client=self._client, models=models, handler=handler
        )
        subscription = await self._client().subscribe(subject, queue=self._settings.service_name, cb=receiver.receive)

        async def end() -> None:
            with suppress(NatsError, OSError):
                await subscription.unsubscribe()

        return end

    async def publish_core(
        self,
        subject: str,
        message: Message,
        *,
        account: str = "",
        cause: Envelope | None = None,
        actor: str = "",
        message_id: str = "",
    ) -> None:
        """Say something that may be lost. What must arrive goes through the outbox. message_id: for statuses of
        agents, whose ids begin with the agent's. Raises SMS.BUS.UNAVAILABLE."""
        await self._asker.publish_core(
            subject, message, account=account, cause=cause, actor=actor, message_id=message_id
        )

    async def connect(self) -> None:
        """Connect, trying for ever, and see to the streams."""

        async def connect() -> None:
            self._broker = make_broker(
                self._settings,
                on_error=self._on_error,
                on_disconnected=self._on_disconnected,
                on_reconnected=self._on_reconnected,
                on_closed=self._on_closed,
            )
            await self._broker.connect()

        await connected_at_last(connect)
        log("bus connected", bus_url=self._settings.bus_url)
        await ensure_streams(self.jetstream, max_bytes=self._settings.stream_max_bytes)

    async def start(self) -> None:
        """Begin to receive. Raises SMS.BUS.CONSUMER_DIFFERS."""
        if self._broker is None:
            await self.connect()
        if self._broker is None:  # pragma: no cover - connect sets it
            raise MigrationError(BUS_UNAVAILABLE, bus_url=self._settings.bus_url)
        for declare in self._declared:
            self.subscriptions.append(declare(self._broker))
        await self._ensure_consumers()
        await self._broker.start()
        for subscription in self._core:
            await subscription.start(self._client())
        # Whoever has waited for the start may ask at once: the bus has taken the subscriptions. One that is away takes
        # them when it is back. Twice, since the client's ping overtakes what it has not written yet.
        with suppress(NatsError, TimeoutError):
            await self._client().flush()
            await self._client().flush()
        for batches in self._batches:
            receiving = asyncio.create_task(batches.run(), name=f"batches-{batches.config.durable_name}")
            receiving.add_done_callback(self._on_receiving_ended)
            self._receiving.append(receiving)

    async def stop(self) -> None:
        """Finish what is being handled, then close the connection; stop_timeout_s at most, and no longer than the bus
        is there: what is being handled without it could not be acknowledged."""
        self._is_stopping = True
        if self._renewing is not None:
            self._renewing.cancel()
        client = self._client() if self._broker is not None else None
        leaving = asyncio.create_task(self._leave(), name="bus-leave")
        lost = asyncio.create_task(self._lost.wait(), name="bus-lost")
        await asyncio.wait({leaving, lost}, timeout=self._settings.stop_timeout_s, return_when=asyncio.FIRST_COMPLETED)
        lost.cancel()
        await cancelled(leaving)
        if self._broker is not None and client is not None:
            # The framework's loops that fetch would otherwise go on with a closed client for ever, without a pause in
            # which anything else of this process could run.
            for subscriber in self._broker.subscribers:
                subscriber.running = False
            await close_client(client)

    async def _leave(self) -> None:
        for receiving in self._receiving:
            receiving.cancel()
        await asyncio.gather(*self._receiving, return_exceptions=True)
        await asyncio.gather(*(each.stop() for each in self._core))
        if self._broker is not None:
            try:
                await self._broker.stop()
            except (NatsError, OSError) as error:
                log("bus not closed cleanly", level=logging.WARNING, error=error)

    def _declare_durable(
        self, subject_filter: str, handle: Callable[[Msg], Awaitable[None]], durable: str, workers: int
    ) -> None:
        name = self._new_durable(subject_filter, durable)
        receiver = self._receiver(handle)

        def declare(broker: NatsBroker) -> Subscription:
            return subscribe_durable(
                broker,
                stream_of(subject_filter),
                consumer_config(self._settings, name, subject_filter),
                receiver.receive,
                inbox_prefix=self._settings.inbox_prefix,
                workers=workers,
            )

        self._declared.append(declare)

    def _receiver(self, handle: Callable[[Msg], Awaitable[None]]) -> DurableReceiver:
        return DurableReceiver(settings=self._settings, jetstream=lambda: self.jetstream, handle=handle)

    def _new_durable(self, subject_filter: str, durable: str) -> str:
        name = durable or durable_name(self._settings.service_name, subject_filter)
        if name in self._durables:
            raise ValueError(f"two subscriptions share the durable name {name}")
        self._durables[name] = (stream_of(subject_filter), subject_filter)
        return name

    def _declare_core(self, subject: str, receive: Receive, *, queue: str, workers: int) -> None:
        self._core.append(CoreSubscription(subject=subject, queue=queue, receive=receive, workers=workers))

    async def _ensure_consumers(self) -> None:
        for name, (stream, subject_filter) in self._durables.items():
            await ensure_consumer(self.jetstream, stream, consumer_config(self._settings, name, subject_filter))

    def _client(self) -> Client:
        if self._broker is None:
            raise MigrationError(BUS_UNAVAILABLE, bus_url=self._settings.bus_url)
        client: Client = self._broker.config.connection_state.connection
        return client

    def _on_receiving_ended(self, receiving: asyncio.Task[None]) -> None:
        if not receiving.cancelled():
            log("receiving ended", level=logging.CRITICAL, work=receiving.get_name(), error=receiving.exception())
            self.closed.set()

    async def _on_error(self, error: Exception) -> None:
        # The framework raises these out of the client's reconnection, which ends for good without a word: the
        # connection then stays "reconnecting" for ever (tests/bus/test_process.py). A new process tries again.
        if str(error).removeprefix("nats: ").strip("'").lower() in UNRECOVERABLE_CONNECT_ERRORS:
            log("bus refuses the connection", level=logging.CRITICAL, error=error, bus_url=self._settings.bus_url)
            self.closed.set()

    async def _on_disconnected(self) -> None:
        self._lost.set()
        if not self._is_stopping:
            log("bus disconnected", level=logging.WARNING, bus_url=self._settings.bus_url)

    async def _on_reconnected(self) -> None:
        self._lost.clear()
        log("bus reconnected", bus_url=self._settings.bus_url)
        self._renewing = asyncio.create_task(self._renew(), name="bus-renew")

    async def _renew(self) -> None:
        """A bus that came back without its store has neither streams nor consumers: make them again."""
        try:
            await ensure_streams(self.jetstream, max_bytes=self._settings.stream_max_bytes)
            await self._ensure_consumers()
        except MigrationError as error:
            log("bus came back different", level=logging.CRITICAL, error=error)
            self.closed.set()
        except (NatsError, TimeoutError, OSError) as error:
            log("bus not renewed", level=logging.WARNING, error=error)

    async def _on_closed(self) -> None:
        if not self._is_stopping:
            log("bus connection closed for good", level=logging.CRITICAL, bus_url=self._settings.bus_url)
        self.closed.set()
