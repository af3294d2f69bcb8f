"""A copy that is interrupted goes on by itself, sends little twice, and ends with the same result."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.command_line import Agent, Installation, kill, running_agent, running_installation, wait_for
from tests.e2e.compare_trees import describe, differences
from tests.e2e.disk_images import mounted
from tests.e2e.source_disks import MountedSource

pytestmark = [pytest.mark.root]
MIB = 1 << 20
BULK_BYTES = 280 * MIB
ALLOWED_BYTES = 64 * MIB
LEFT_OUT = frozenset({b"/lost+found"})


@dataclass(frozen=True)
class World:
    """A source with incompressible data, its agent, and an installation that may migrate it again and again."""

    source: MountedSource
    sms: Installation
    agent: Agent
    server: str
    note: Callable[[str], None]

    def start_copy(self, rate: str) -> str:
        """A task that copies little but /data, and slowly. It ends PAUSED: such a system cannot be adapted."""
        options = [word for name in ("usr", "boot", "var", "odd") for word in ("--option", f"exclude=/{name}")]
        options += ["--option", f"rate-limit={rate}"]
        created = self.sms.ask("task", "create", "--server", self.server, *options, "--start", "--yes")
        return str(created["id"])

    def check_result(self, task_id: str) -> Any:
        """The copy is complete and true to the source by a comparison of our own. The summary of the copy."""
        task = self.sms.await_rest(task_id)
        assert task["error"]["code"].startswith("SMS.ADAPT."), task["error"]
        assert [one["round_number"] for one in task["rounds"]] == [0]
        assert len(task["target"]["points"]) == 1
        # Frozen by the point, and the lowest layer.
        image = self.sms.data / f"targets/{task['target']['id']}/replica/vdb.raw"
        with mounted(image, 1, self.sms.folder / "replica") as replica:
            assert differences(describe(self.source.root / "data"), describe(replica)) == []
        return task["rounds"][0]

    def delete(self, task_id: str) -> None:
        """The target and everything of it is gone."""
        self.sms.ask("task", "delete", task_id, "--wait")
        assert not list((self.sms.data / "targets").glob("*/*/*"))


@pytest.fixture(scope="module")
def world(
    source: MountedSource,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
    note: Callable[[str], None],
) -> Iterator[World]:
    noise, bulk = random.Random(pytestconfig.getoption("--seed")), source.root / "data/bulk"
    bulk.mkdir()
    for number in range(BULK_BYTES // MIB // 20):
        (bulk / f"{number:02}").write_bytes(noise.randbytes(20 * MIB))
    folder = tmp_path_factory.mktemp("interruptions")
    with running_installation(folder) as sms:
        agent = sms.new_agent(source.root, folder / "agent")
        with running_agent(agent):
            yield World(source, sms, agent, sms.await_server(), note)
    assert sms.leftovers() == []
    for path in bulk.iterdir():
        path.unlink()
    bulk.rmdir()


def test_a_copy_whose_source_agent_is_killed_goes_on_and_sends_little_again(world: World) -> None:
    task_id = world.start_copy("200M")
    before = world.sms.await_copied_bytes(task_id, 100 * MIB)["progress"]
    world.agent.kill()
    world.agent.start()
    summary = world.check_result(task_id)
    # bytes_sent is that of the last process.
    sent_again = summary["bytes_sent"] - (summary["bytes_total"] - before["bytes_done"])
    world.note(f"source agent killed: {summary['bytes_resent']} bytes sent again, at most {sent_again} by the totals")
    assert summary["bytes_resent"] <= ALLOWED_BYTES
    assert sent_again <= ALLOWED_BYTES
    world.delete(task_id)


def test_a_copy_whose_target_agent_is_killed_goes_on_and_sends_little_again(world: World) -> None:
    task_id = world.start_copy("200M")
    world.sms.await_copied_bytes(task_id, 100 * MIB)
    kill(world.sms.target_agent().pid)
    summary = world.check_result(task_id)
    sent_again = summary["bytes_sent"] - summary["bytes_total"]
    world.note(f"target agent killed: {summary['bytes_resent']} bytes sent again, {sent_again} by the totals")
    assert summary["reconnects"] >= 1
    assert summary["bytes_resent"] <= ALLOWED_BYTES
    assert sent_again <= ALLOWED_BYTES
    world.delete(task_id)


def test_a_copy_that_loses_its_temporary_volume_pauses_and_goes_on_with_a_new_one(world: World) -> None:
    task_id = world.start_copy("200M")
    before = world.sms.await_copied_bytes(task_id, 150 * MIB)["progress"]
    volumes = list((world.sms.data / f"targets/{task_id}/helper").glob("volume-*.img"))
    assert len(volumes) == 1
    volumes[0].unlink()
    paused = world.sms.await_rest(task_id)
    assert (paused["phase"], paused["error"]["code"]) == ("PAUSED", "SMS.TARGET.VOLUME_LOST")

    world.sms.ask("task", "start", task_id)
    summary = world.check_result(task_id)
    sent_again = summary["bytes_sent"] - (summary["bytes_total"] - before["bytes_done"])
    world.note(f"volume lost: {summary['bytes_resent']} bytes sent again, at most {sent_again} by the totals")
    assert sent_again <= ALLOWED_BYTES
    world.delete(task_id)


def test_a_copy_during_which_every_service_is_killed_ends_with_the_same_result(world: World) -> None:
    task_id = world.start_copy("100M")
    world.sms.await_copied_bytes(task_id, 20 * MIB)
    victims = world.sms.pids()
    assert len(victims) >= 8, victims
    for pid in victims.values():
        kill(pid)
        time.sleep(0.5)
    wait_for(lambda: len(world.sms.pids()) == len(victims), "services that run again", timeout_s=60)
    assert not set(victims.values()) & set(world.sms.pids().values())
    summary = world.check_result(task_id)
    world.note(f"killed {', '.join(victims)}: {summary['bytes_resent']} bytes sent again")
    history = world.sms.ask("task", "history", task_id)["entries"]
    assert [entry["version"] for entry in history] == list(range(1, len(history) + 1))
    begun = [entry["step"] for entry in history if entry["step"]]
    assert len(begun) == len(set(begun)), begun
    assert len(list((world.sms.data / "targets").iterdir())) == 1
    assert world.sms.ask("audit", "verify")["is_intact"]
    world.delete(task_id)
