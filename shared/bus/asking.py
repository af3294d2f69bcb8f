"""Requests to others, and core messages that nobody keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.platform import BUS_UNAVAILABLE, REQUEST_INVALID, SERVICE_UNAVAILABLE
from contracts.messages.reply import Refused
from shared.bus.reading import M, UnreadableMessageError, by_type, read_message
from shared.settings import ServiceSettings


class Asker:
    """Publishes on the service's own connection."""

    def __init__(self, settings: ServiceSettings, client: Callable[[], Client]) -> None:
        self._settings = settings
        self._client = client

    async def request(
        self,
        subject: str,
        message: Message,
        reply_model: type[M] | tuple[type[M], ...],
        *,
        account: str,
        timeout_s: float | None,
        cause: Envelope | None,
        actor: str,
    ) -> M:
        """See ServiceBus.request."""
        client = self._connected()
        timeout_s = timeout_s or self._settings.request_timeout_s
        headers = self._envelope(message, account, cause, actor).headers()
        try:
            raw = await client.request(subject, message.model_dump_json().encode(), timeout=timeout_s, headers=headers)
        except (NoRespondersError, NatsTimeoutError, TimeoutError) as error:
            raise MigrationError(SERVICE_UNAVAILABLE, subject=subject, timeout_s=timeout_s) from error
        except (NatsError, OSError) as error:
            raise MigrationError(BUS_UNAVAILABLE, bus_url=self._settings.bus_url) from error
        wanted = reply_model if isinstance(reply_model, tuple) else (reply_model,)
        models: dict[tuple[str, int], type[Message]] = {**by_type(wanted), (Refused.TYPE, Refused.VERSION): Refused}
        try:
            reply, _ = read_message(raw, models)
        except UnreadableMessageError as error:
            raise MigrationError(REQUEST_INVALID, subject=subject, reason=f"its reply: {error}") from error
        if isinstance(reply, wanted):
            return reply
        if isinstance(reply, Refused):
            raise MigrationError(reply.failure)
        raise MigrationError(REQUEST_INVALID, subject=subject, reason=f"its reply is a {type(reply).__name__}")

    async def publish_core(
        self, subject: str, message: Message, *, account: str, cause: Envelope | None, actor: str, message_id: str = ""
    ) -> None:
        """See ServiceBus.publish_core."""
        client = self._connected()
        envelope = self._envelope(message, account, cause, actor)
        headers = (replace(envelope, id=message_id) if message_id else envelope).headers()
        try:
            await client.publish(subject, message.model_dump_json().encode(), headers=headers)
        except (NatsError, OSError) as error:
            raise MigrationError(BUS_UNAVAILABLE, bus_url=self._settings.bus_url) from error

    def _connected(self) -> Client:
        client = self._client()
        # While it reconnects, the client would keep the message in memory and the caller would wait in vain.
        if not client.is_connected:
            raise MigrationError(BUS_UNAVAILABLE, bus_url=self._settings.bus_url)
        return client

    def _envelope(self, message: Message, account: str, cause: Envelope | None, actor: str) -> Envelope:
        return Envelope.of(
            message,
            source=f"/services/{self._settings.service_name}",
            account=account or (cause.account if cause else ""),
            actor=actor or (cause.actor if cause else ""),
            correlation_id=(cause.correlation_id or cause.id) if cause else "",
            causation_id=cause.id if cause else "",
        )
