"""The only place that builds notification's adapters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from contracts.messages.notification import ChannelKind
from services.notification.adapters import records
from services.notification.adapters.mail import MailSender
from services.notification.adapters.seals import SecretSeal
from services.notification.adapters.webhook import SystemResolver, WebhookSender, trust
from services.notification.channel_handlers import ChannelHandlers
from services.notification.delivering import Queue
from services.notification.domain.address import AddressPolicy
from services.notification.domain.ports import Sender
from services.notification.domain.progress import Movement
from services.notification.handlers import Handlers, Outbound
from services.notification.settings import NotificationSettings
from services.notification.subscriptions import subscribe
from services.notification.watching import Watcher
from shared.service import ServiceContext

COLLECTIONS: Final = records.COLLECTIONS


def _now() -> datetime:
    return datetime.now(UTC)


async def wire(context: ServiceContext) -> None:
    """Build the parts, declare the subscriptions, start queue and watch."""
    settings = context.settings if isinstance(context.settings, NotificationSettings) else NotificationSettings()
    seal = SecretSeal(settings.seal_key_file)
    policy = AddressPolicy.of(
        networks=settings.webhook_allow, hosts=settings.webhook_hosts, allows_http=settings.webhook_allow_http
    )
    tls = trust(settings.ca_file)
    senders: dict[ChannelKind, Sender] = {
        "webhook": WebhookSender(policy, SystemResolver(), seal, _now, timeout_s=settings.send_timeout_s, tls=tls),
        "email": MailSender(settings, _now, tls=tls),
    }
    channels, watches = records.ChannelRecords(context.store), records.WatchRecords(context.store)
    deliveries = records.DeliveryRecords(context.store)
    queue = Queue(channels, deliveries, senders, _now, settings)
    movement = Movement()
    outbound = Outbound(deliveries, _now, pending_quota=settings.pending_quota)
    watcher = Watcher(channels, watches, movement, outbound, _now, queue.wake)
    requests = ChannelHandlers(channels, deliveries, senders, policy, seal, _now, channel_quota=settings.channel_quota)
    subscribe(context.bus, Handlers(channels, watches, movement, outbound, queue.wake), requests)
    context.run_in_background("delivery-queue", queue.run)
    context.run_in_background("task-watch", lambda: watcher.run(interval_s=settings.watch_interval_s))
