"""Which servers a list shows, and what a tag may look like."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contracts.errors import MigrationError
from contracts.messages.source import FindServers, ServerTask, SourceServer
from services.registry.domain.filters import is_wanted
from services.registry.domain.tags import with_tags

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SERVER = SourceServer(
    id="s1",
    name="Orders",
    ip="192.0.2.7",
    ipv6="2001:db8::7",
    state="replicate",
    migration_cycle="replicating",
    is_connected=True,
    registered_at=NOW,
    last_seen_at=NOW,
    state_changed_at=NOW,
    cycle_changed_at=NOW,
    connection_changed_at=NOW,
    task=ServerTask(id="t1"),
    project_id="p1",
    tags={"owner": "shop", "empty": ""},
)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"state": "replicate"},
        {"name": "rder"},
        {"name": "ORD"},
        {"id": "s1"},
        {"ip": "192.0.2.7"},
        {"ipv6": "2001:db8::7"},
        {"project_id": "p1"},
        {"migration_cycle": "replicating"},
        {"is_connected": True},
        {"has_consistency_result": False},
        {"vm_id": "t1"},
        {"tags": {"owner": "shop"}},
        {"tags": {"owner": "", "empty": ""}},
    ],
)
def test_a_filter_lets_through_what_it_names(wanted: dict[str, object]) -> None:
    assert is_wanted(SERVER, FindServers.model_validate(wanted))


@pytest.mark.parametrize(
    "wanted",
    [
        {"state": "waiting"},
        {"name": "web"},
        {"id": "s"},
        {"ip": "192.0.2"},
        {"ipv6": "2001:db8::8"},
        {"project_id": "p2"},
        {"migration_cycle": "setting"},
        {"is_connected": False},
        {"has_consistency_result": True},
        {"vm_id": "t2"},
        {"tags": {"owner": "it"}},
        {"tags": {"owner": "shop", "other": ""}},
        {"state": "replicate", "id": "s2"},
    ],
)
def test_a_filter_keeps_back_everything_else(wanted: dict[str, object]) -> None:
    assert not is_wanted(SERVER, FindServers.model_validate(wanted))


def test_tags_are_added_and_replaced_in_order() -> None:
    assert with_tags("s1", {"b": "1", "a": "2"}, {"b": "3", "c": ""}) == {"a": "2", "b": "3", "c": ""}


@pytest.mark.parametrize(
    "tags",
    [{"": "x"}, {" a": "x"}, {"a" * 37: "x"}, {"a": "x" * 44}, {"a": "<b>"}, {"a\n": "x"}, {"a": "x\x00"}],
)
def test_a_tag_that_a_page_or_a_filter_could_not_carry_is_refused(tags: dict[str, str]) -> None:
    with pytest.raises(MigrationError, match="TAG_INVALID"):
        with_tags("s1", {}, tags)


def test_the_twenty_first_tag_is_refused_with_both_figures() -> None:
    full = {f"k{number:02}": "" for number in range(20)}
    assert len(with_tags("s1", full, {"k00": "new"})) == 20
    with pytest.raises(MigrationError, match="21 tags; 20 are allowed"):
        with_tags("s1", full, {"one more": ""})
