"""Notification channels over HTTPS and by the command line, with a real receiver on loopback."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.test_command_line import CommandLine, sms
from tests.receivers import WebhookReceiver

__all__ = ["sms"]
# Tasks of other tests in the same account fail and stall; none of them finishes or lags for an hour.
NEW_HOOK = {"name": "hook", "kind": "webhook", "topics": ["finished"]}
RARE = ("--topic", "finished", "--lag-above", "3600")


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    server = WebhookReceiver(None)
    server.start()
    yield server
    server.stop()


def test_the_life_of_a_channel(signed: httpx.Client, receiver: WebhookReceiver) -> None:
    made = signed.post("/v3/notifications", json=NEW_HOOK | {"url": receiver.url()})
    assert made.status_code == 201
    channel, secret = made.json()["channel"], made.json()["secret"]
    path = f"/v3/notifications/{channel['id']}"

    def send_test() -> Any:
        # Two requests within a second have one signature, and would get one answer.
        return signed.post(f"{path}/test", headers={"X-Sms-Idempotency-Key": uuid.uuid4().hex}).json()

    tested = send_test()
    assert tested["is_delivered"] is True
    assert receiver.received[0].is_signed_with(secret)
    rotated = signed.put(path, json={"rotate_secret": True, "topics": ["lag"]}).json()
    send_test()
    assert receiver.received[1].is_signed_with(rotated["secret"])
    receiver.answers = [500]
    failed = send_test()
    assert failed["failure"]["code"] == "SMS.NOTIFY.NOT_ACCEPTED"
    shown = signed.get(path).json()
    assert [one["state"] for one in shown["deliveries"]] == ["failed", "delivered", "delivered"]
    assert shown["channel"]["topics"] == ["lag"]
    assert channel["id"] in {one["id"] for one in signed.get("/v3/notifications").json()["channels"]}
    assert signed.delete(path).status_code == 200
    assert signed.get(path).json()["error_code"] == "SMS.NOTIFY.CHANNEL_NOT_FOUND"


def test_a_secret_is_in_the_answer_that_made_it_and_in_no_other(
    signed: httpx.Client, receiver: WebhookReceiver
) -> None:
    body = {"name": "once", "kind": "webhook", "url": receiver.url(path="/hook/of-great-secrecy")}
    key = {"X-Sms-Idempotency-Key": uuid.uuid4().hex}
    made = signed.post("/v3/notifications", json=body, headers=key).json()
    again = signed.post("/v3/notifications", json=body, headers=key)
    path = f"/v3/notifications/{made['channel']['id']}"
    others = [again.text, signed.get(path).text, signed.get("/v3/notifications").text, signed.get("/v3/audit").text]
    signed.delete(path)
    assert made["secret"]
    for answer in others:
        assert made["secret"] not in answer
        assert "of-great-secrecy" not in answer


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"url": "https://10.0.0.1/x"}, 400, "SMS.NOTIFY.ADDRESS_REFUSED"),
        ({"url": "https://2130706433/x"}, 400, "SMS.NOTIFY.ADDRESS_REFUSED"),
        ({"url": "https://[::ffff:10.0.0.1]/x"}, 400, "SMS.NOTIFY.ADDRESS_REFUSED"),
        ({"kind": "email", "url": ""}, 400, "SMS.NOTIFY.CHANNEL_INVALID"),
        ({"kind": "pager"}, 400, "SMS.API.INVALID_REQUEST"),
        ({"topics": ["weather"]}, 400, "SMS.API.INVALID_REQUEST"),
        ({"stalled_after_s": -1}, 400, "SMS.API.INVALID_REQUEST"),
        ({"name": ""}, 400, "SMS.API.INVALID_REQUEST"),
    ],
)
def test_a_channel_that_cannot_be_is_refused(
    signed: httpx.Client, wrong: dict[str, Any], status: int, code: str
) -> None:
    body = {"name": "hook", "kind": "webhook", "url": "https://hooks.example.org/x"} | wrong
    refused = signed.post("/v3/notifications", json=body)
    assert (refused.status_code, refused.json()["error_code"]) == (status, code)


def test_the_command_line_tests_a_channel_and_says_why_it_fails(sms: CommandLine, receiver: WebhookReceiver) -> None:
    made = sms.json("notification", "create", "--name", "cli", "--webhook", receiver.url(), *RARE)
    channel = made["id"]
    assert made["secret"]
    assert made["lag_above_s"] == 3600
    status, shown, _ = sms.run("notification", "test", channel)
    assert (status, "delivered" in shown) == (0, True)
    assert receiver.received[0].is_signed_with(made["secret"])
    receiver.stop()
    status, _, said = sms.run("notification", "test", channel)
    assert status == 1
    assert "SMS.NOTIFY.UNREACHABLE" in said
    assert "connection refused" in said
    shown = sms.json("notification", "show", channel)
    assert [one["state"] for one in shown["deliveries"]] == ["failed", "delivered"]
    assert "secret" not in sms.json("notification", "update", channel, "--disable", "--topic", "failed")
    [listed] = [one for one in sms.json("notification", "list")["channels"] if one["id"] == channel]
    assert (listed["is_enabled"], listed["topics"]) == (False, ["failed"])
    assert sms.run("notification", "show", channel)[0] == 0
    assert sms.json("notification", "delete", channel)["deleted"] is True
    assert sms.run("notification", "test", channel)[0] == 3
    assert sms.run("notification", "create", "--name", "x")[0] == 2
