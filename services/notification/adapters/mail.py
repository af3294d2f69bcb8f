"""Mail over SMTP: plain text, encrypted connection, nothing of a message ever becomes a header by accident."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.notification import MAIL_NOT_SET_UP, MAIL_REFUSED, TIMED_OUT, UNREACHABLE
from contracts.messages.notification import Notification
from services.notification.domain.channel import Channel
from services.notification.domain.notice import one_line
from services.notification.settings import NotificationSettings
from shared.telemetry import log

_LONGEST_REASON: Final = 200


class MailSender:
    """The Sender of mail, through the installation's one server. smtplib works in a thread, with time limits."""

    def __init__(self, settings: NotificationSettings, clock: Callable[[], datetime], *, tls: ssl.SSLContext) -> None:
        self._settings = settings
        self._clock = clock
        self._tls = tls

    async def send(self, account: str, channel: Channel, notification: Notification) -> str:
        """See Sender. All recipients get one mail, whose Message-ID is the delivery's."""
        host = self._settings.smtp_host
        if not host:
            raise MigrationError(MAIL_NOT_SET_UP)
        mail = self._mail(channel, notification)
        try:
            async with asyncio.timeout(self._settings.send_timeout_s + 1):
                refused = await asyncio.to_thread(self._send, mail)
        except TimeoutError as error:
            raise MigrationError(TIMED_OUT, host=host, timeout_s=self._settings.send_timeout_s) from error
        except smtplib.SMTPException as error:
            raise MigrationError(MAIL_REFUSED, host=host, reason=_reason(error)) from error
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise MigrationError(UNREACHABLE, host=host, reason=one_line(reason).lower()) from error
        if refused:
            log("mail refused for some recipients", account=account, channel_id=channel.id, refused=refused)
            return f"refused for {refused} of {len(channel.recipients)} recipients"
        return ""

    def _mail(self, channel: Channel, notification: Notification) -> EmailMessage:
        sender = self._settings.smtp_from
        mail = EmailMessage()
        mail["From"] = f"Server Migration Service <{sender}>"
        mail["To"] = ", ".join(channel.recipients)
        # The model refuses line ends in headers as well; here they have become spaces before.
        mail["Subject"] = one_line(f"[SMS] {notification.subject}")
        mail["Date"] = format_datetime(self._clock())
        mail["Message-ID"] = f"<{notification.delivery_id}@{sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(notification.text + "\n", charset="utf-8")
        return mail

    def _send(self, mail: EmailMessage) -> int:
        settings = self._settings
        with self._connected() as server:
            if settings.smtp_security == "starttls":
                server.starttls(context=self._tls)
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password().get_secret_value())
            return len(server.send_message(mail))

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        host, port, timeout_s = settings.smtp_host, settings.smtp_port, settings.send_timeout_s
        if settings.smtp_security == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=timeout_s, context=self._tls)
        return smtplib.SMTP(host, port, timeout=timeout_s)


def _reason(error: smtplib.SMTPException) -> str:
    """The server's own words, shortened; never the login's, which may repeat what was sent."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the login was refused with {error.smtp_code}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = sorted({str(code) for code, _ in error.recipients.values()})
        return f"all recipients were refused with {', '.join(codes)}"
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode("utf-8", "replace")
        return one_line(f"{error.smtp_code} {words}")[:_LONGEST_REASON]
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it does not offer what is set up (STARTTLS or login)"
    return "the connection was closed"
