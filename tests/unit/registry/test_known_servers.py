"""What is remembered of servers never hides what this process has written, whenever the store is read."""

from __future__ import annotations

from datetime import UTC, datetime

from services.registry.adapters.known_servers import KnownServers
from services.registry.domain.server import Server

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def server(server_id: str, *, version: int, account: str = "acme") -> Server:
    return Server(id=server_id, account=account, name=server_id, registered_at=NOW, last_seen_at=NOW, version=version)


async def nobody(known: dict[str, Server]) -> dict[str, Server]:
    raise AssertionError("nothing has changed, so nothing needs to be read")


async def test_what_was_written_during_a_reading_wins_over_what_was_read() -> None:
    known = KnownServers()
    stale = {each: server(each, version=1) for each in ("kept", "changed", "deleted")}

    async def read(_: dict[str, Server]) -> dict[str, Server]:
        known.saved(server("changed", version=2))
        known.saved(server("made", version=1))
        known.removed("acme", "deleted")
        return dict(stale)

    found = await known.all_of("acme", mark=1, read=read)
    assert {each.id: each.version for each in found} == {"kept": 1, "changed": 2, "made": 1}
    assert await known.all_of("acme", mark=1, read=nobody) == found


async def test_what_another_replica_wrote_later_wins_over_an_older_own_write() -> None:
    known = KnownServers()

    async def read(_: dict[str, Server]) -> dict[str, Server]:
        known.saved(server("s1", version=2))
        return {"s1": server("s1", version=3)}

    assert [each.version for each in await known.all_of("acme", mark=1, read=read)] == [3]


async def test_each_account_has_its_own_and_a_store_that_cannot_tell_is_always_asked() -> None:
    known = KnownServers()
    known.saved(server("theirs", version=1, account="else"))
    asked: list[int] = []

    async def read(present: dict[str, Server]) -> dict[str, Server]:
        asked.append(len(present))
        return {"s1": server("s1", version=1)}

    for _ in range(3):
        assert [each.id for each in await known.all_of("acme", mark=None, read=read)] == ["s1"]
    assert asked == [0, 1, 1]
