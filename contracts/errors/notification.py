"""What notifications are refused for, and why they do not arrive."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

CHANNEL_NOT_FOUND: Final = ErrorCode(
    code="SMS.NOTIFY.CHANNEL_NOT_FOUND",
    cause="There is no notification channel {channel_id}.",
    remedy="List the channels with `sms notification list`.",
    http_status=404,
    exit_code=3,
)
CHANNEL_INVALID: Final = ErrorCode(
    code="SMS.NOTIFY.CHANNEL_INVALID",
    cause="The channel cannot be used: {reason}.",
    remedy="Correct {field} and send the request again.",
    http_status=400,
    exit_code=2,
)
TOO_MANY_CHANNELS: Final = ErrorCode(
    code="SMS.NOTIFY.TOO_MANY_CHANNELS",
    cause="The account has {count} notification channels; {limit} are allowed.",
    remedy="Delete one that is no longer used (`sms notification list`, `sms notification delete CHANNEL`).",
    exit_code=4,
)
ADDRESS_REFUSED: Final = ErrorCode(
    code="SMS.NOTIFY.ADDRESS_REFUSED",
    cause="Notifications may not be sent to {host}: {reason}.",
    remedy="Use a public https address, or have the operator allow this one (SMS_NOTIFICATION_WEBHOOK_ALLOW, "
    "SMS_NOTIFICATION_WEBHOOK_HOSTS).",
    http_status=400,
    exit_code=4,
)
UNREACHABLE: Final = ErrorCode(
    code="SMS.NOTIFY.UNREACHABLE",
    cause="{host} could not be reached: {reason}.",
    remedy="See that the receiver runs and that its name, port and certificate are right; it is tried again.",
    is_resumable=True,
)
TIMED_OUT: Final = ErrorCode(
    code="SMS.NOTIFY.TIMED_OUT",
    cause="{host} did not answer within {timeout_s} s.",
    remedy="Let the receiver answer first and work afterwards; it is tried again.",
    is_resumable=True,
)
NOT_ACCEPTED: Final = ErrorCode(
    code="SMS.NOTIFY.NOT_ACCEPTED",
    cause="{host} answered with status {status}; 200 to 299 count as delivered, and redirects are not followed.",
    remedy="Look at the receiver's log for this delivery; it is tried again.",
    is_resumable=True,
)
MAIL_REFUSED: Final = ErrorCode(
    code="SMS.NOTIFY.MAIL_REFUSED",
    cause="The mail server {host} refused the mail: {reason}.",
    remedy="Check recipients, sender and login (SMS_NOTIFICATION_SMTP_…); it is tried again.",
    is_resumable=True,
)
MAIL_NOT_SET_UP: Final = ErrorCode(
    code="SMS.NOTIFY.MAIL_NOT_SET_UP",
    cause="This installation has no mail server.",
    remedy="Have the operator set SMS_NOTIFICATION_SMTP_HOST and SMS_NOTIFICATION_SMTP_FROM, or use a webhook.",
    exit_code=4,
    is_resumable=True,
)
SECRET_UNREADABLE: Final = ErrorCode(
    code="SMS.NOTIFY.SECRET_UNREADABLE",
    cause="The stored secret of channel {channel_id} cannot be opened: it was sealed with another key file.",
    remedy="Put the key file of notification back, or make a new secret with `sms notification update {channel_id} "
    "--rotate`.",
    http_status=500,
)
