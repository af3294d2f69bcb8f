"""Cost, prices and balance over HTTPS, and as the command line shows them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.messages.task import TaskCreated
from contracts.subjects import evt
from shared.store import OutgoingMessage
from tests.api.bench import ACCOUNT, ApiBench
from tests.api.test_command_line import CommandLine, sms

__all__ = ["sms"]

PRICES = {
    "currency": "EUR",
    "volume_gb_hour": "0.001",
    "traffic_gb": "0.5",
    "traffic_mode": "pay_per_use",
    "minimum_balance": "50",
}


def eventually(work: Callable[[], Any]) -> Any:
    """What work returns, once it is true."""
    deadline = time.monotonic() + 10
    while not (found := work()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.fixture
def http(api: ApiBench, signed: httpx.Client) -> Any:
    yield signed
    # With a key: the next test may delete in the same second, and would be told what was answered here.
    signed.delete("/v3/prices", headers={"X-Sms-Idempotency-Key": uuid.uuid4().hex})
    signed.delete("/v3/balance", headers={"X-Sms-Idempotency-Key": uuid.uuid4().hex})


def a_task(api: ApiBench, *, project_id: str = "") -> str:
    """A task that metering has heard of."""
    task_id = uuid.uuid4().hex
    event = TaskCreated(task_id=task_id, server_id="s1", source_used_bytes=300 * 10**9, project_id=project_id)
    message = OutgoingMessage.of(evt(ACCOUNT, "task", task_id, "created"), event, source="task", account=ACCOUNT)

    async def say() -> None:
        stream = api.contexts["task"].bus.jetstream
        await stream.publish(message.subject, message.payload.encode(), headers=dict(message.headers))

    api.run(say())
    return task_id


def test_the_cost_of_a_task_and_of_the_account_by_project(api: ApiBench, http: httpx.Client) -> None:
    project_id = uuid.uuid4().hex
    tasks = {a_task(api, project_id=project_id) for _ in range(3)}
    listed = eventually(
        lambda: (found := http.get("/v3/cost", params={"project_id": project_id}).json())["count"] == 3 and found
    )
    page = http.get("/v3/cost", params={"project_id": project_id, "limit": 2, "offset": 2}).json()
    shown = http.get(f"/v3/tasks/{sorted(tasks)[0]}/cost").json()
    assert {one["task_id"] for one in listed["tasks"]} == tasks
    assert [one["task_id"] for one in page["tasks"]] == sorted(tasks)[2:]
    assert listed["projects"] == [
        {"project_id": project_id, "currency": "CNY", "amount": "0", "tasks": 3, "running_tasks": 3}
    ]
    assert (shown["currency"], shown["amount"], shown["is_final"]) == ("CNY", "0", False)
    assert [item["what"] for item in shown["items"]] == ["volume", "snapshot", "traffic"]


def test_a_task_that_does_not_exist_costs_nothing_that_could_be_shown(http: httpx.Client) -> None:
    refused = http.get("/v3/tasks/nothing/cost")
    assert (refused.status_code, refused.json()["error_code"]) == (404, "SMS.COST.NOT_FOUND")


def test_an_estimate_of_a_size_and_of_a_server(api: ApiBench, http: httpx.Client) -> None:
    by_size = http.get(
        "/v3/cost/estimate",
        params={"used_bytes": 300 * 10**9, "duration_s": 36_000, "traffic_mode": "pay_per_use"},
    ).json()
    assert by_size["amount"] == "240.196", "both examples of the overview in one"
    server_id = api.register_server("cost-1")
    answer = eventually(
        lambda: (got := http.get("/v3/cost/estimate", params={"server_id": server_id})).status_code == 200 and got
    )
    assert answer.json()["used_bytes"] > 0
    assert http.get("/v3/cost/estimate", params={"server_id": "nothing"}).status_code == 404
    nothing = http.get("/v3/cost/estimate")
    assert (nothing.status_code, nothing.json()["error_code"]) == (400, "SMS.COST.NO_USED_SIZE")


def test_prices_of_an_account_are_set_and_given_up(http: httpx.Client) -> None:
    assert http.get("/v3/prices").json()["is_own"] is False
    own = http.put("/v3/prices", json=PRICES).json()
    assert (own["is_own"], own["prices"]["currency"], own["prices"]["traffic_gb"]) == (True, "EUR", "0.5")
    assert http.delete("/v3/prices").json()["is_own"] is False


@pytest.mark.parametrize(
    "wrong",
    [{"traffic_gb": "-1"}, {"traffic_gb": 0.8}, {"traffic_gb": "1e9"}, {"currency": "eur"}, {"traffic_mode": ""}],
)
def test_prices_that_are_none_are_refused(http: httpx.Client, wrong: dict[str, Any]) -> None:
    refused = http.put("/v3/prices", json=PRICES | wrong)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "SMS.API.INVALID_REQUEST")
    assert next(iter(wrong)) in refused.json()["cause"]


def test_a_task_is_not_started_below_the_minimum_balance(api: ApiBench, http: httpx.Client) -> None:
    server_id = api.register_server("cost-2")
    created = http.post("/v3/task-details", json={"server_id": server_id})
    task_id = created.json()["id"]
    balance = http.put("/v3/balance", json={"amount": "99.99"}).json()
    assert (balance["amount"], balance["minimum"], balance["is_sufficient"]) == ("99.99", "100", False)
    act = {"action": "start", "has_consent": True}
    refused = http.post(f"/v3/tasks/{task_id}/act", json=act)
    assert (refused.status_code, refused.json()["error_code"]) == (409, "SMS.COST.BALANCE_TOO_LOW")
    assert "99.99 CNY" in refused.json()["cause"]
    http.put("/v3/balance", json={"amount": "100"})
    assert http.get("/v3/balance").json()["is_sufficient"] is True
    http.delete("/v3/balance")
    assert http.get("/v3/balance").json()["amount"] is None


def test_the_command_line_shows_cost_estimates_prices_and_balance(
    api: ApiBench, http: httpx.Client, sms: CommandLine, tmp_path: Path
) -> None:
    task_id = a_task(api)
    eventually(lambda: http.get(f"/v3/tasks/{task_id}/cost").status_code == 200)
    assert sms.json("cost", "show", task_id)["task_id"] == task_id
    assert task_id in {one["task_id"] for one in sms.json("cost", "show")["tasks"]}
    status, shown, _ = sms.run("cost", "estimate", "--used-gb", "300", "--hours", "10", "--traffic-mode", "pay_per_use")
    assert (status, "240.196 CNY" in shown) == (0, True)
    price_file = tmp_path / "prices.json"
    price_file.write_text('{"currency": "EUR", "volume_gb_hour": "0.001", "traffic_gb": "0.5"}')
    assert sms.json("cost", "prices", "--set", str(price_file))["prices"]["currency"] == "EUR"
    assert sms.json("cost", "prices", "--reset")["prices"]["currency"] == "CNY"
    assert sms.json("cost", "balance", "--set", "12.5")["is_sufficient"] is False
    status, shown, _ = sms.run("cost", "balance")
    assert "12.5 CNY" in shown
    assert sms.json("cost", "balance", "--reset")["amount"] is None
    assert sms.run("cost", "show", "nothing")[0] == 3
    assert sms.run("cost", "estimate")[0] == 2
