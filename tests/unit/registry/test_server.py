"""A server's state, and what its task and checks mean for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.feasibility import FeasibilityReport
from contracts.inventory import NetworkInterface, OperatingSystem, SourceInventory
from contracts.messages.task import Phase
from services.registry.domain.server import (
    Server,
    new_server,
    same_machines,
    show,
    state_of,
    with_report,
    with_task,
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


def test_new_server_waits_for_a_task_and_is_listed_with_its_facts() -> None:
    view = show(server(), NOW)
    assert (view.name, view.state, view.is_connected, view.checks) == ("orders", "waiting", True, "")
    assert (view.addresses, view.operating_system) == (("192.0.2.7",), "Debian GNU/Linux 12")


def test_server_that_failed_a_check_is_unavailable() -> None:
    assert state_of(with_report(server(), FeasibilityReport(result="ERROR", checks=())), NOW) == "unavailable"
    assert state_of(with_report(server(), FeasibilityReport(result="WARN", checks=())), NOW) == "waiting"


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.DELETED])
def test_every_phase_of_a_task_is_a_state_of_its_server(phase: Phase) -> None:
    changed = with_task(server(), "t1", phase, 1)
    assert changed is not None
    assert state_of(changed, NOW) != "unavailable"
    assert changed.has_running_task == (phase is not Phase.FINISHED)


def test_server_waits_again_when_its_task_is_deleted() -> None:
    changed = with_task(server(), "t1", Phase.DELETED, 9)
    assert changed is not None
    assert (state_of(changed, NOW), changed.has_running_task) == ("waiting", False)


def test_older_news_of_a_task_change_nothing() -> None:
    copying = with_task(server(), "t1", Phase.COPYING, 5)
    assert copying is not None
    assert with_task(copying, "t1", Phase.PREPARING, 4) is None
    assert with_task(copying, "t0", Phase.DELETED, 30) is None
    assert with_task(copying, "t1", Phase.LAUNCHING, 6) is not None


def test_clashing_server_is_unavailable_until_the_refusal_ends() -> None:
    clashing = server().model_copy(update={"refused_until": NOW + timedelta(seconds=600)})
    assert (state_of(clashing, NOW), show(clashing, NOW).clash) == ("unavailable", True)
    assert show(clashing, NOW + timedelta(seconds=601)).clash is False


def test_fingerprints_that_agree_in_two_sources_propose_the_same_machine() -> None:
    reinstalled = server("s2", fingerprint={"machine_id": "new", "dmi_uuid": "d", "mac_set": "c"})
    cloned_template = server("s3", fingerprint={"machine_id": "m", "dmi_uuid": "x", "mac_set": "y"})
    assert same_machines(server(), [server(), reinstalled, cloned_template]) == ("s2",)
