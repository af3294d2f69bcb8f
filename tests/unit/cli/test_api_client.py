"""Requests to the API: signed, repeated while the server is away, and explained when they fail."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from cli.api import ApiClient, connect, trusted_authorities
from cli.failures import exit_code_of
from contracts.errors import MigrationError
from contracts.messages.reply import Accepted
from contracts.messages.task import ActOnTask, TaskAction
from tests.unit.cli.api_server import Answer, serving


class Echo(BaseModel):
    value: int = 0


def refusal(status: int, code: str, **parts: str) -> Answer:
    return Answer(status, json.dumps({"error_code": code, "error_msg": "cause and remedy", **parts}).encode())


async def test_a_request_is_signed_as_the_vendors_signer_would(tmp_path: Path) -> None:
    async with serving(tmp_path, [Answer(body=b'{"value": 7}')]) as api, connect(api.profile()) as client:
        query: dict[str, Any] = {"name": "a b/ü&=", "state": ("x", "y"), "exact": True, "missing": None}
        assert (await client.get("/v3/sources", Echo, **query)).value == 7
        body = ActOnTask(idempotency_key="k", task_id="t", action=TaskAction.START)
        await client.post("/v3/tasks/t/act", body, Echo)
        await client.put("/v3/tasks/t", body, Echo)
        await client.delete("/v3/tasks/t", Echo)
    assert all(one.is_genuine for one in api.seen)
    assert api.seen[0].query == "exact=true&name=a%20b%2F%C3%BC%26%3D&state=x&state=y"
    assert [one.method for one in api.seen] == ["GET", "POST", "PUT", "DELETE"]
    assert ActOnTask.model_validate_json(api.seen[1].body) == body


async def test_every_write_has_a_key_of_its_own_and_a_read_has_none(tmp_path: Path) -> None:
    async with serving(tmp_path, [Answer()]) as api, connect(api.profile()) as client:
        await client.get("/v3/tasks", Echo)
        await client.post("/v3/tasks", Echo(value=1), Echo)
        await client.post("/v3/tasks", Echo(value=1), Echo)
    keys = [one.headers.get("x-sms-idempotency-key") for one in api.seen]
    assert keys[0] is None
    assert len({*keys}) == 3
    assert all("x-sms-idempotency-key" in one.headers["authorization"] for one in api.seen[1:])


async def test_a_write_is_repeated_with_the_same_key_while_the_gateway_is_away(tmp_path: Path) -> None:
    away = Answer(503, b"not there")
    async with serving(tmp_path, [away, away, Answer(body=b'{"id": "t1"}')]) as api, connect(api.profile()) as client:
        assert (await client.post("/v3/tasks", Echo(value=1), Accepted)).id == "t1"
    assert len(api.seen) == 3
    assert len({one.headers["x-sms-idempotency-key"] for one in api.seen}) == 1


async def test_a_server_that_starts_late_is_waited_for(tmp_path: Path) -> None:
    async with serving(tmp_path, [Answer(body=b'{"value": 5}')]) as stopped:
        profile = stopped.profile()
    http = httpx.AsyncClient(verify=trusted_authorities(profile.ca_file), trust_env=False)
    asked = asyncio.create_task(ApiClient(profile, http).get("/v3/tasks", Echo))
    await asyncio.sleep(0.3)
    assert not asked.done()
    async with serving(tmp_path, [Answer(body=b'{"value": 5}')], port=stopped.port, keeps_authority=True):
        assert (await asked).value == 5
        # Before the server, which would wait for the end of the connection.
        await http.aclose()


async def test_a_server_that_stays_away_is_named_with_the_next_step(tmp_path: Path) -> None:
    async with serving(tmp_path, [Answer()]) as stopped:
        profile = stopped.profile()
    async with httpx.AsyncClient(verify=trusted_authorities(profile.ca_file), trust_env=False) as http:
        with pytest.raises(MigrationError) as refused:
            await ApiClient(profile, http, patience_s=0.1).post("/v3/tasks", Echo(), Echo)
    assert refused.value.code == "SMS.CLI.API_UNREACHABLE"
    assert profile.endpoint in refused.value.failure.cause
    assert exit_code_of(refused.value.failure) == 6


async def test_what_the_service_refuses_with_reaches_the_user_as_it_is(tmp_path: Path) -> None:
    answer = refusal(404, "SMS.TASK.NOT_FOUND", cause="There is no task t.", remedy="List them.", request_id="r1")
    async with serving(tmp_path, [answer]) as api, connect(api.profile()) as client:
        with pytest.raises(MigrationError) as refused:
            await client.get("/v3/tasks/t", Echo)
    failure = refused.value.failure
    assert (failure.code, failure.cause, failure.remedy) == ("SMS.TASK.NOT_FOUND", "There is no task t.", "List them.")
    assert exit_code_of(failure) == 3


@pytest.mark.parametrize(("status", "exit_code"), [(400, 2), (403, 5), (404, 3), (409, 4), (418, 1)])
async def test_a_code_of_a_newer_service_still_has_a_meaningful_exit_status(
    tmp_path: Path, status: int, exit_code: int
) -> None:
    async with serving(tmp_path, [refusal(status, "SMS.FUTURE.NEWS")]) as api, connect(api.profile()) as client:
        with pytest.raises(MigrationError) as refused:
            await client.get("/v3/tasks", Echo)
    assert refused.value.failure.cause == "cause and remedy"
    assert exit_code_of(refused.value.failure) == exit_code


@pytest.mark.parametrize("answer", [Answer(200, b"<html>"), Answer(404, b"<html>"), Answer(302)])
async def test_an_answer_of_another_server_is_not_taken_for_ours(tmp_path: Path, answer: Answer) -> None:
    async with serving(tmp_path, [answer]) as api, connect(api.profile()) as client:
        with pytest.raises(MigrationError) as refused:
            await client.get("/v3/tasks", Needed)
    assert refused.value.code == "SMS.CLI.NOT_UNDERSTOOD"


class Needed(BaseModel):
    value: int


async def test_a_server_of_another_authority_gets_no_request(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    async with (
        serving(ours, [Answer()]) as mine,
        serving(theirs, [Answer()]) as other,
        connect(other.profile(ca_file=mine.ca_file)) as client,
    ):
        with pytest.raises(MigrationError) as refused:
            await client.get("/v3/tasks", Echo)
    assert refused.value.code == "SMS.CLI.NOT_TRUSTED"
    assert str(mine.ca_file) in refused.value.failure.remedy
    assert other.seen == []


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, [Answer()], names=["elsewhere.example.org"]) as api, connect(api.profile()) as client:
        with pytest.raises(MigrationError) as refused:
            await client.get("/v3/tasks", Echo)
    assert refused.value.code == "SMS.CLI.NOT_TRUSTED"
    assert api.seen == []


@pytest.mark.parametrize("minutes", [-20, 20])
async def test_with_a_wrong_clock_the_servers_time_is_used_and_the_user_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], minutes: int
) -> None:
    """minutes: of this machine's clock against the server's."""
    late = Answer(401, b'{"error_code": "SMS.API.CLOCK"}', (("Date", format_datetime(datetime.now(UTC), usegmt=True)),))
    async with serving(tmp_path, [late, Answer(body=b'{"value": 1}')], date=False) as api:
        wrong = datetime.now(UTC) + timedelta(minutes=minutes)
        async with httpx.AsyncClient(verify=trusted_authorities(api.ca_file), trust_env=False) as http:
            client = ApiClient(api.profile(), http, clock=lambda: wrong)
            assert (await client.post("/v3/tasks", Echo(), Echo)).value == 1
            await client.get("/v3/tasks", Echo)
    dates = [datetime.strptime(one.headers["x-sdk-date"] + "+0000", "%Y%m%dT%H%M%SZ%z") for one in api.seen]
    assert abs(dates[0] - datetime.now(UTC)) > timedelta(minutes=15)
    assert abs(dates[1] - datetime.now(UTC)) < timedelta(minutes=1)
    assert abs(dates[2] - datetime.now(UTC)) < timedelta(minutes=1)
    shown = capsys.readouterr().err
    assert shown.count("clock is") == 1
    assert ("behind" if minutes < 0 else "ahead of") in shown


async def test_a_refused_key_is_no_question_of_the_clock(tmp_path: Path) -> None:
    async with serving(tmp_path, [refusal(401, "SMS.API.DENIED")]) as api, connect(api.profile()) as client:
        with pytest.raises(MigrationError) as refused:
            await client.get("/v3/tasks", Echo)
    assert refused.value.code == "SMS.API.DENIED"
    assert exit_code_of(refused.value.failure) == 5
    assert len(api.seen) == 1


async def test_an_answer_that_has_not_changed_travels_once(tmp_path: Path) -> None:
    first = Answer(body=b'{"value": 3}', headers=(("ETag", '"v3"'),))
    async with serving(tmp_path, [first, Answer(304, b"")]) as api, connect(api.profile()) as client:
        assert (await client.get("/v3/tasks/t", Echo)).value == 3
        assert (await client.get("/v3/tasks/t", Echo)).value == 3
    assert "if-none-match" not in api.seen[0].headers
    assert api.seen[1].headers["if-none-match"] == '"v3"'
    assert api.seen[1].is_genuine


@pytest.mark.parametrize(
    "path", ["/v3/tasks/../users", "/v3/tasks/./x", "/v3/a%2Fb", "/v3/a?b=c", "/v3/a#b", "v3/tasks"]
)
async def test_an_id_that_would_name_another_route_is_not_sent(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path, [Answer()]) as api, connect(api.profile()) as client:
        with pytest.raises(MigrationError):
            await client.get(path, Echo)
    assert api.seen == []
