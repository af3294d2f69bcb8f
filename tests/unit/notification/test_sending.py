"""The two senders against real servers on loopback; names are resolved as each test says."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.errors import MigrationError
from services.notification.adapters.mail import MailSender
from services.notification.adapters.seals import SecretSeal
from services.notification.adapters.webhook import WebhookSender, trust
from services.notification.domain.address import AddressPolicy
from services.notification.domain.channel import Channel
from services.notification.domain.notice import Notice, notification
from services.notification.settings import NotificationSettings
from tests.receivers import Authority, MailReceiver, WebhookReceiver

SECRET = "s3cret-of-the-channel"  # noqa: S105 - of this test only
NOTICE = Notice(
    key="k", topic="finished", occurred_at=datetime.now(UTC), task_id="t1", server_id="s1", server_name="web-1"
)
TOLD = notification(NOTICE, account="acme", channel_id="c1")


class Names:
    """A Resolver whose answers change: one list of addresses after the other, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        if not self._answers[0]:
            raise socket.gaierror(-2, "Name or service not known")
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def receiver(authority: Authority) -> Iterator[WebhookReceiver]:
    server = WebhookReceiver(authority)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mail_server(authority: Authority) -> Iterator[MailReceiver]:
    server = MailReceiver(authority)
    server.start()
    yield server
    server.stop()


class Bench:
    """A sender that may reach loopback, and a channel to a URL."""

    def __init__(self, folder: Path, authority: Authority, *, timeout_s: float = 3) -> None:
        self._seal = SecretSeal(folder / "seal")
        self._authority = authority
        self._timeout_s = timeout_s
        self.names = Names(["127.0.0.1"])
        self.allow: tuple[str, ...] = ("127.0.0.0/8",)

    async def send(self, url: str) -> str:
        policy = AddressPolicy.of(networks=self.allow, hosts=(), allows_http=False)
        sender = WebhookSender(
            policy,
            self.names,
            self._seal,
            lambda: datetime.now(UTC),
            timeout_s=self._timeout_s,
            tls=trust(self._authority.ca_file),
        )
        sealed = self._seal.seal(SECRET, account="acme", channel_id="c1")
        channel = Channel(
            id="c1", name="c", kind="webhook", url=url, created_at=datetime.now(UTC), sealed_secret=sealed
        )
        return await sender.send("acme", channel, TOLD)

    async def refused(self, url: str) -> MigrationError:
        with pytest.raises(MigrationError) as refused:
            await self.send(url)
        assert SECRET not in str(refused.value)
        assert "/hook" not in str(refused.value), "the path of a webhook may be its password"
        return refused.value


@pytest.fixture
def bench(tmp_path: Path, authority: Authority) -> Bench:
    return Bench(tmp_path, authority)


async def test_a_webhook_is_signed_and_sent_to_the_address_that_was_checked(
    bench: Bench, receiver: WebhookReceiver
) -> None:
    await bench.send(receiver.url("hooks.test", "/hook?key=1"))
    got = receiver.received[0]
    assert got.is_signed_with(SECRET)
    assert not got.is_signed_with("another")
    assert got.notification == TOLD
    assert got.headers["host"] == f"hooks.test:{receiver.port}"
    assert got.headers["x-sms-delivery-id"] == TOLD.delivery_id
    assert got.path == "/hook?key=1"
    assert receiver.asked_names == ["hooks.test"]
    assert bench.names.asked == 1, "resolved once"


async def test_a_name_that_points_elsewhere_a_moment_later_gains_nothing(
    bench: Bench, receiver: WebhookReceiver
) -> None:
    # First a public address, which nobody serves here, then loopback: a second look-up would reach the receiver.
    bench.names = Names(["192.0.2.1", "127.0.0.1"], ["127.0.0.1"])
    error = await bench.refused(receiver.url("hooks.test"))
    assert error.code == "SMS.NOTIFY.ADDRESS_REFUSED"
    bench.allow = ()
    bench.names = Names(["127.0.0.1"])
    assert (await bench.refused(receiver.url("hooks.test"))).code == "SMS.NOTIFY.ADDRESS_REFUSED"
    assert receiver.received == []


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "0.0.0.0"])  # noqa: S104 - refused
async def test_a_name_with_one_private_address_among_its_addresses_is_refused(
    bench: Bench, receiver: WebhookReceiver, address: str
) -> None:
    bench.allow = ()
    bench.names = Names(["8.8.8.8", address])
    assert (await bench.refused(receiver.url("hooks.test"))).code == "SMS.NOTIFY.ADDRESS_REFUSED"
    assert receiver.received == []


async def test_a_mapped_address_of_an_allowed_network_is_reached_as_what_it_is(
    bench: Bench, receiver: WebhookReceiver
) -> None:
    bench.names = Names(["::ffff:127.0.0.1"])
    await bench.send(receiver.url("hooks.test"))
    assert len(receiver.received) == 1


async def test_a_redirect_is_not_followed(bench: Bench, receiver: WebhookReceiver) -> None:
    receiver.answers, receiver.location = [307], receiver.url("hooks.test", "/inside")
    error = await bench.refused(receiver.url("hooks.test"))
    assert (error.code, error.failure.parameters["status"]) == ("SMS.NOTIFY.NOT_ACCEPTED", "307")
    assert [got.path for got in receiver.received] == ["/hook"]


async def test_a_receiver_under_another_name_than_its_certificates_gets_nothing(
    bench: Bench, receiver: WebhookReceiver
) -> None:
    error = await bench.refused(receiver.url("other.test"))
    assert error.code == "SMS.NOTIFY.UNREACHABLE"
    assert "certificate" in error.failure.cause
    assert receiver.received == []


async def test_a_receiver_of_an_unknown_authority_gets_nothing(tmp_path: Path, receiver: WebhookReceiver) -> None:
    other = tmp_path / "other"
    other.mkdir()
    error = await Bench(tmp_path, Authority(other)).refused(receiver.url("hooks.test"))
    assert "certificate" in error.failure.cause
    assert receiver.received == []


async def test_a_slow_receiver_is_given_up_in_time(
    tmp_path: Path, authority: Authority, receiver: WebhookReceiver
) -> None:
    receiver.delay_s = 3
    began = time.monotonic()
    error = await Bench(tmp_path, authority, timeout_s=0.5).refused(receiver.url("hooks.test"))
    assert error.code == "SMS.NOTIFY.TIMED_OUT"
    assert time.monotonic() - began < 2


async def test_an_answer_without_an_end_is_not_read_to_its_end(bench: Bench, receiver: WebhookReceiver) -> None:
    receiver.endless = True
    receiver.answers = [200]
    async with asyncio.timeout(2):
        await bench.send(receiver.url("hooks.test"))


async def test_a_receiver_that_is_away_and_a_name_that_is_unknown_are_told_apart(
    bench: Bench, receiver: WebhookReceiver
) -> None:
    receiver.stop()
    away = await bench.refused(receiver.url("hooks.test"))
    assert "connection refused" in away.failure.cause
    assert "127.0.0.1" not in away.failure.cause
    bench.names = Names([])
    unknown = await bench.refused(receiver.url("hooks.test"))
    assert "name or service not known" in unknown.failure.cause


async def test_a_status_of_failure_is_no_delivery(bench: Bench, receiver: WebhookReceiver) -> None:
    receiver.answers = [500]
    assert (await bench.refused(receiver.url("hooks.test"))).code == "SMS.NOTIFY.NOT_ACCEPTED"


def mail_settings(folder: Path, server: MailReceiver, **changed: object) -> NotificationSettings:
    password = folder / "smtp-password"
    password.write_text(MailReceiver.PASSWORD + "\n")
    values: dict[str, object] = {
        "smtp_host": "localhost",
        "smtp_port": server.port,
        "smtp_from": "sms@example.org",
        "smtp_user": MailReceiver.USER,
        "smtp_password_file": password,
        "send_timeout_s": 3,
    }
    return NotificationSettings.model_validate(values | changed)


async def mail(folder: Path, server: MailReceiver, authority: Authority, *recipients: str, **changed: object) -> str:
    sender = MailSender(
        mail_settings(folder, server, **changed), lambda: datetime.now(UTC), tls=trust(authority.ca_file)
    )
    channel = Channel(id="c1", name="c", kind="email", recipients=recipients, created_at=datetime.now(UTC))
    return await sender.send("acme", channel, TOLD)


async def test_a_mail_is_plain_text_under_the_deliverys_id(
    tmp_path: Path, mail_server: MailReceiver, authority: Authority
) -> None:
    assert await mail(tmp_path, mail_server, authority, "ann@example.org", "bob@example.org") == ""
    got = mail_server.received[0]
    assert mail_server.recipients == [["ann@example.org", "bob@example.org"]]
    assert got["Subject"] == "[SMS] web-1: the migration has finished"
    assert got["Message-ID"] == f"<{TOLD.delivery_id}@example.org>"
    assert got.get_content_type() == "text/plain"
    assert got.get_content().split() == TOLD.text.split()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
async def test_a_mail_server_that_speaks_tls_at_once_gets_its_mail(tmp_path: Path, authority: Authority) -> None:
    server = MailReceiver(authority, speaks_tls_at_once=True)
    server.start()
    try:
        assert await mail(tmp_path, server, authority, "ann@example.org", smtp_security="tls") == ""
    finally:
        server.stop()
    assert server.recipients == [["ann@example.org"]]


async def test_one_refused_recipient_of_two_is_noted_and_all_refused_is_a_failure(
    tmp_path: Path, mail_server: MailReceiver, authority: Authority
) -> None:
    mail_server.refused = {"bob@example.org"}
    assert "1 of 2" in await mail(tmp_path, mail_server, authority, "ann@example.org", "bob@example.org")
    with pytest.raises(MigrationError) as refused:
        await mail(tmp_path, mail_server, authority, "bob@example.org")
    assert refused.value.code == "SMS.NOTIFY.MAIL_REFUSED"
    assert "550" in refused.value.failure.cause


async def test_a_wrong_password_is_not_repeated_in_the_cause(
    tmp_path: Path, mail_server: MailReceiver, authority: Authority
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("battery staple")
    with pytest.raises(MigrationError) as refused:
        await mail(tmp_path, mail_server, authority, "ann@example.org", smtp_password_file=wrong)
    assert "535" in refused.value.failure.cause
    assert "battery" not in str(refused.value)


async def test_a_mail_server_with_a_foreign_certificate_gets_neither_login_nor_mail(
    tmp_path: Path, mail_server: MailReceiver
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(MigrationError) as refused:
        await mail(tmp_path, mail_server, Authority(other), "ann@example.org")
    assert refused.value.code == "SMS.NOTIFY.UNREACHABLE"
    assert mail_server.received == []


async def test_a_mail_server_that_is_away_is_unreachable(
    tmp_path: Path, mail_server: MailReceiver, authority: Authority
) -> None:
    mail_server.stop()
    with pytest.raises(MigrationError) as refused:
        await mail(tmp_path, mail_server, authority, "ann@example.org")
    assert refused.value.code == "SMS.NOTIFY.UNREACHABLE"


async def test_without_a_mail_server_a_mail_says_so(
    tmp_path: Path, mail_server: MailReceiver, authority: Authority
) -> None:
    with pytest.raises(MigrationError) as refused:
        await mail(tmp_path, mail_server, authority, "ann@example.org", smtp_host="")
    assert refused.value.code == "SMS.NOTIFY.MAIL_NOT_SET_UP"


def test_a_login_without_encryption_is_refused_at_the_start(tmp_path: Path, mail_server: MailReceiver) -> None:
    with pytest.raises(ValueError, match="in the clear"):
        mail_settings(tmp_path, mail_server, smtp_security="none")


@pytest.mark.parametrize("sender", ["a b@example.org", "x@example.org\r\nBcc: y@example.org", "a@b, c@d", "<a@b>"])
def test_a_sender_that_is_no_address_is_refused_at_the_start(
    tmp_path: Path, mail_server: MailReceiver, sender: str
) -> None:
    with pytest.raises(ValueError, match="mail address"):
        mail_settings(tmp_path, mail_server, smtp_from=sender)


def test_a_secret_that_was_moved_to_another_channel_cannot_be_used(tmp_path: Path) -> None:
    seal = SecretSeal(tmp_path / "seal")
    sealed = seal.seal(SECRET, account="acme", channel_id="c1")
    assert seal.open(sealed, account="acme", channel_id="c1") == SECRET
    with pytest.raises(MigrationError) as refused:
        seal.open(sealed, account="acme", channel_id="c2")
    assert refused.value.code == "SMS.NOTIFY.SECRET_UNREADABLE"
