"""A bus with a user, a task service that says things, and real receivers."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from contracts.base import Message
from contracts.messages.notification import ChannelDetails, ChannelSecret, CreateChannel, ShowChannel
from contracts.messages.task import Phase, TaskChanged
from contracts.subjects import evt, req
from services.notification.settings import NotificationSettings
from shared.service import ServiceContext
from shared.store import Collection, OutgoingMessage, Record
from tests.bus.conftest import Bench
from tests.receivers import Authority, MailReceiver, WebhookReceiver

SAID = Collection(name="said")


class World:
    """A bus with a user, a task service that says things, and both receivers."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.authority = Authority(folder)
        self.hook = WebhookReceiver(self.authority)
        self.mail = MailReceiver(self.authority)
        self.seal_key_file = folder / "notification.seal"
        self.password_file = folder / "smtp-password"
        self.password_file.write_text(MailReceiver.PASSWORD)
        self.context: ServiceContext

    def settings(self, **changed: object) -> NotificationSettings:
        values = self.bench.settings("notification").model_dump() | {
            "seal_key_file": self.seal_key_file,
            "webhook_allow": ("127.0.0.0/8",),
            "ca_file": self.authority.ca_file,
            "smtp_host": "localhost",
            "smtp_port": self.mail.port,
            "smtp_from": "sms@example.org",
            "smtp_user": MailReceiver.USER,
            "smtp_password_file": self.password_file,
            "send_timeout_s": 2,
            "retry_delays_s": (0.3,) * 60,
            "queue_interval_s": 0.1,
            "watch_interval_s": 0.1,
        }
        return NotificationSettings.model_validate(values | changed)

    async def ask(self, verb: str, message: Message, reply: type[Any], *, account: str = "acme") -> Any:
        return await self.context.bus.request(req("notification", verb), message, reply, account=account)

    async def channel(self, **fields: object) -> ChannelSecret:
        values = {"idempotency_key": uuid.uuid4().hex, "name": "hook", "kind": "webhook", "url": self.hook.url()}
        return await self.ask("create", CreateChannel.model_validate(values | fields), ChannelSecret)

    async def deliveries(self, channel_id: str) -> ChannelDetails:
        return await self.ask("show", ShowChannel(channel_id=channel_id), ChannelDetails)

    async def changed(self, version: int, before: Phase, to: Phase, step: str = "", **more: Any) -> None:
        event = TaskChanged(
            task_id=more.pop("task_id", "t1"),
            server_id="s1",
            server_name="web-1",
            version=version,
            event="e",
            from_phase=before,
            to_phase=to,
            step=step,
            failure=more.pop("failure", None),
        )
        subject = evt("acme", "task", event.task_id, "changed")
        message = OutgoingMessage.of(subject, event, source="task", account="acme", **more)
        said = Record(collection="said", account="acme", id=uuid.uuid4().hex, data={})
        await self.context.store.save(said, expected_version=0, outbox=[message])

    def topics(self) -> list[tuple[str, bool]]:
        told = [got.notification for got in self.hook.received]
        return [(one.topic, one.is_over) for one in told if not one.is_test]
