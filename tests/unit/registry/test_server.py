"""A server's state, and what its task and checks mean for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.errors import MigrationError
from contracts.feasibility import FeasibilityReport
from contracts.inventory import Disk, NetworkInterface, OperatingSystem, SourceInventory
from contracts.messages.source import DiskWish, UpdateServer
from contracts.messages.task import Phase, TaskChanged
from services.registry.domain.listing import show, show_source
from services.registry.domain.server import (
    Server,
    cycle_of,
    new_server,
    same_machines,
    state_of,
    with_inventory,
    with_report,
    with_reported_state,
    with_task,
    with_wanted,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def inventory(**changed: object) -> SourceInventory:
    values: dict[str, object] = {
        "hostname": "orders",
        "architecture": "x86_64",
        "firmware": "BIOS",
        "operating_system": OperatingSystem(id="debian", name="Debian GNU/Linux 12"),
        "network_interfaces": (NetworkInterface(name="eth0", addresses=("192.0.2.7/24", "fe80::1/64")),),
        "fingerprint": {"machine_id": "m", "dmi_uuid": "d", "mac_set": "c"},
    }
    return SourceInventory.model_validate(values | changed)


def server(server_id: str = "s1", **changed: object) -> Server:
    return new_server(server_id, "acme", inventory(**changed), session_id="a", now=NOW)


def news(task_id: str, phase: Phase, version: int, **changed: object) -> TaskChanged:
    values = {"event": "x", "from_phase": Phase.READY, "server_id": "s1"} | changed
    return TaskChanged.model_validate({"task_id": task_id, "to_phase": phase, "version": version, **values})


def moved(start: Server, *phases: Phase, **changed: object) -> Server:
    for version, phase in enumerate(phases, start=start.task_version + 1):
        changed_server = with_task(start, news("t1", phase, version, **changed), NOW)
        assert changed_server is not None
        start = changed_server
    return start


def test_new_server_waits_for_a_task_and_is_listed_with_its_facts() -> None:
    view = show(server(), NOW)
    assert (view.name, view.state, view.is_connected, view.checks) == ("orders", "waiting", True, "")
    assert (view.addresses, view.operating_system) == (("192.0.2.7",), "Debian GNU/Linux 12")


def test_server_that_failed_a_check_is_unavailable() -> None:
    assert state_of(with_report(server(), FeasibilityReport(result="ERROR", checks=()), NOW), NOW) == "unavailable"
    assert state_of(with_report(server(), FeasibilityReport(result="WARN", checks=()), NOW), NOW) == "waiting"


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.DELETED])
def test_every_phase_of_a_task_is_a_state_of_its_server(phase: Phase) -> None:
    changed = with_task(server(), news("t1", phase, 1), NOW)
    assert changed is not None
    assert state_of(changed, NOW) != "unavailable"
    assert changed.has_running_task == (phase is not Phase.FINISHED)


def test_server_waits_again_when_its_task_is_deleted() -> None:
    changed = with_task(server(), news("t1", Phase.DELETED, 9), NOW)
    assert changed is not None
    assert (state_of(changed, NOW), changed.has_running_task) == ("waiting", False)


def test_older_news_of_a_task_change_nothing() -> None:
    copying = with_task(server(), news("t1", Phase.COPYING, 5), NOW)
    assert copying is not None
    assert with_task(copying, news("t1", Phase.PREPARING, 4), NOW) is None
    assert with_task(copying, news("t0", Phase.DELETED, 30), NOW) is None
    assert with_task(copying, news("t1", Phase.LAUNCHING, 6), NOW) is not None


def test_clashing_server_is_unavailable_until_the_refusal_ends() -> None:
    clashing = server().model_copy(update={"refused_until": NOW + timedelta(seconds=600)})
    assert (state_of(clashing, NOW), show(clashing, NOW).clash) == ("unavailable", True)
    assert show(clashing, NOW + timedelta(seconds=601)).clash is False


def test_fingerprints_that_agree_in_two_sources_propose_the_same_machine() -> None:
    reinstalled = server("s2", fingerprint={"machine_id": "new", "dmi_uuid": "d", "mac_set": "c"})
    cloned_template = server("s3", fingerprint={"machine_id": "m", "dmi_uuid": "x", "mac_set": "y"})
    assert same_machines(server(), [server(), reinstalled, cloned_template]) == ("s2",)


def test_a_migration_goes_through_the_cycles_and_stays_in_one_while_it_rests() -> None:
    checked = with_report(server(), FeasibilityReport(result="OK", checks=()), NOW)
    assert [cycle_of(server()), cycle_of(checked)] == ["checking", "setting"]
    copying = moved(checked, Phase.READY, Phase.PREPARING, Phase.COPYING)
    assert (cycle_of(copying), copying.task_started_at) == ("replicating", NOW)
    assert cycle_of(moved(copying, Phase.STOPPING, Phase.PAUSED)) == "replicating"
    assert cycle_of(moved(checked, Phase.SYNCING, Phase.FAILED)) == "syncing"
    assert cycle_of(moved(checked, Phase.CUTTING_OVER)) == "cutovering"
    assert cycle_of(moved(checked, Phase.LAUNCHED)) == "cutovered"


def test_points_are_cleared_while_a_task_is_finished() -> None:
    assert state_of(moved(server(), Phase.LAUNCHED, step="FINISH"), NOW) == "clearing"
    assert state_of(moved(server(), Phase.LAUNCHED), NOW) == "finished"


def test_times_of_state_and_cycle_move_only_with_them() -> None:
    later = NOW + timedelta(hours=1)
    first = with_task(server(), news("t1", Phase.COPYING, 1), NOW)
    assert first is not None
    second = with_task(first, news("t1", Phase.LAUNCHING, 2), later)
    assert second is not None
    assert (second.state, second.state_changed_at, second.cycle_changed_at) == ("replicate", NOW, NOW)
    third = with_task(second, news("t1", Phase.LAUNCHED, 3), later)
    assert third is not None
    assert (third.state, third.state_changed_at, third.cycle_changed_at) == ("finished", later, later)


def test_a_reported_state_holds_until_the_task_moves() -> None:
    rehearsing = with_reported_state(moved(server(), Phase.LAUNCHED), "premiging", "", NOW)
    view = show_source(rehearsing, NOW, None, None)
    assert (view.state, view.migration_cycle) == ("premiging", "testing")
    assert show(rehearsing, NOW).state == "replicate"
    noted = with_task(rehearsing, news("t1", Phase.LAUNCHED, 6, event="consistency result"), NOW)
    assert noted is not None
    assert (state_of(noted, NOW), noted.has_consistency_result) == ("premiging", True)
    after = with_task(noted, news("t1", Phase.SYNCING, 7), NOW)
    assert after is not None
    assert (state_of(after, NOW), cycle_of(after)) == ("syncing", "syncing")


def test_a_verification_that_ended_well_is_a_consistency_result() -> None:
    verified = with_task(moved(server(), Phase.LAUNCHED), news("t1", Phase.LAUNCHED, 9, event="verify ended"), NOW)
    assert verified is not None
    assert verified.has_consistency_result
    other_task = with_task(verified, news("t2", Phase.READY, 0), NOW)
    assert other_task is not None
    assert not other_task.has_consistency_result


def test_a_name_that_a_user_gave_outlives_the_next_inventory() -> None:
    named = with_wanted(server(), UpdateServer(server_id="s1", name="shop front"))
    again = with_inventory(named, inventory(hostname="orders-2"))
    assert (again.name, again.hostname) == ("shop front", "orders-2")


@pytest.mark.parametrize("name", ["", " x", "x\n", "x" * 65])
def test_a_name_that_no_table_can_show_is_refused(name: str) -> None:
    with pytest.raises(MigrationError, match="NAME_INVALID"):
        with_wanted(server(), UpdateServer(server_id="s1", name=name))


def test_disks_may_be_left_out_or_resized_before_a_task_exists() -> None:
    disk = Disk(name="vda", device="/dev/vda", size_bytes=10 << 30, is_system=True)
    known = server(disks=(disk, disk.model_copy(update={"name": "vdb", "is_system": False})))
    wishes = (DiskWish(name="vda", size_bytes=20 << 30), DiskWish(name="vdb", is_wanted=False))
    wanted = with_wanted(known, UpdateServer(server_id="s1", disks=wishes))
    assert [(one.name, one.use, one.target_bytes >> 30, one.is_left_out) for one in wanted.disks] == [
        ("vda", "OS", 20, False),
        ("vdb", "NORMAL", 10, True),
    ]
    assert with_inventory(wanted, inventory(disks=(disk,))).disks[0].target_bytes == 20 << 30
    with pytest.raises(MigrationError, match="DISK_UNKNOWN"):
        with_wanted(known, UpdateServer(server_id="s1", disks=(DiskWish(name="sda"),)))
    with pytest.raises(MigrationError, match="DISK_SIZE"):
        with_wanted(known, UpdateServer(server_id="s1", disks=(DiskWish(name="vda", size_bytes=1),)))
    with pytest.raises(MigrationError, match="DISKS_FIXED"):
        with_wanted(moved(known, Phase.COPYING), UpdateServer(server_id="s1", disks=wishes))
