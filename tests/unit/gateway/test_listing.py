"""The list of servers is written from texts that were seen before, and is what it would be without remembering."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from contracts.messages.source import ServerTask, SourceServer
from services.gateway.domain.mapping.sources import listed, listing
from services.gateway.domain.wire.sources import ListServersResponse

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def server(**changed: object) -> SourceServer:
    times = dict.fromkeys(
        ("registered_at", "last_seen_at", "state_changed_at", "cycle_changed_at", "connection_changed_at"), NOW
    )
    return SourceServer.model_validate({"id": "s1", "name": "shop-db", **times, **changed})


def text_of(one: SourceServer) -> str:
    return one.model_dump_json(exclude_defaults=True)


def expected(servers: list[SourceServer], now: datetime) -> str:
    rows = [listed(one, now) for one in servers]
    return ListServersResponse(count=7, source_servers=rows).model_dump_json(exclude_none=True)


def test_a_list_is_the_same_whether_its_servers_were_seen_before_or_not() -> None:
    servers = [
        server(),
        server(id="s2", name='"seconds_left":1 ü', tags={"a": '"seconds_left":'}, ip="192.0.2.1"),
        server(id="s3", task=ServerTask(id="t1", state="RUNNING", started_at=NOW, bytes_total=9)),
    ]
    for _ in range(2):
        assert listing(7, [text_of(one) for one in servers], NOW) == expected(servers, NOW)
    renamed = [server(name="other"), *servers[1:]]
    assert listing(7, [text_of(one) for one in renamed], NOW) == expected(renamed, NOW)


def test_the_end_of_a_transfer_is_reckoned_from_the_time_of_each_list() -> None:
    running = [server(task=ServerTask(id="t1", state="RUNNING", seconds_left=60))]
    for later_s in (0, 5):
        now = NOW + timedelta(seconds=later_s)
        assert listing(7, [text_of(one) for one in running], now) == expected(running, now)
