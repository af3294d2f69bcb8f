"""A sync that goes on by itself, by the command line: told by the kernel, or by walking where that tells nothing.

The second is tried under a filter that knows no fanotify.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command_line import SMS, Installation, running_agent, running_installation, wait_for
from tests.e2e.source_disks import MountedSource
from tests.unit.transfer.churn import Churn
from tests.userland import old_kernel

pytestmark = [pytest.mark.root, pytest.mark.long, pytest.mark.timeout(900)]
FANOTIFY_INIT = 300
NOT_THERE = "Function not implemented"


@pytest.fixture(scope="module")
def sms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with running_installation(tmp_path_factory.mktemp("continuous")) as sms:
        yield sms
    assert sms.leftovers() == []


def copied(sms: Installation, server: str) -> str:
    """A task that has copied little but /data. It rests PAUSED: such a system cannot be adapted."""
    options = [word for name in ("usr", "boot", "var", "odd") for word in ("--option", f"exclude=/{name}")]
    task_id = sms.ask("task", "create", "--server", server, *options, "--start", "--yes")["id"]
    assert sms.await_rest(task_id)["error"]["code"].startswith("SMS.ADAPT.")
    return str(task_id)


def in_step(sms: Installation, task_id: str, *, within_s: float) -> Any:
    """The task, once its source says that the target is no older than that."""

    def is_so() -> Any:
        task = sms.task(task_id)
        lag_s = (task["progress"] or {}).get("lag_s")
        return task if lag_s is not None and lag_s <= within_s else None

    return wait_for(is_so, f"target that is {within_s} s behind at most", timeout_s=60)


@pytest.mark.parametrize(("is_told", "lag_s"), [(True, 1.0), (False, 15.0)], ids=["told", "by walking"])
def test_continuous_sync_keeps_the_target_in_step_until_it_is_stopped(
    sms: Installation,
    source: MountedSource,
    is_told: bool,
    lag_s: float,
    pytestconfig: pytest.Config,
    note: Callable[[str], None],
) -> None:
    folder = source.root / "data/churn" / ("told" if is_told else "walked")
    folder.mkdir(parents=True)
    without = ["/usr/bin/python3.11", old_kernel.__file__, f"without:{FANOTIFY_INIT}"]
    program = [*([] if is_told else without), SMS, "agent"]
    with running_agent(sms.new_agent(source.root, sms.folder / "agent", program=program)):
        task_id = copied(sms, sms.await_server())
        sms.run("task", "sync", task_id, "--continuous")
        in_step(sms, task_id, within_s=lag_s)
        shown = sms.run("task", "show", task_id)
        assert " s behind" in shown
        wanted = "told by the source's kernel" if is_told else "found by walking"
        assert wanted in " ".join(shown.split()), shown

        churn = Churn(folder, random.Random(pytestconfig.getoption("--seed")))
        churn.run(per_s=100, operations=800)
        following = in_step(sms, task_id, within_s=lag_s)
        assert (following["phase"], following["step"]) == ("SYNCING", "SYNC")
        because = {volume["walked_because"] for volume in following["progress"]["volumes"]}
        assert because == ({""} if is_told else {NOT_THERE})
        way = "told" if is_told else "by walking"
        note(f"{way}: {following['progress']['lag_s']:.2f} s behind after {len(churn.made)} kinds of changes")

        (folder / "last").write_bytes(b"changed right before the stop")
        sms.run("task", "stop", task_id, "--wait")
        stopped = sms.task(task_id)
        assert (stopped["phase"], stopped["progress"]) == ("PAUSED", None)
        # Between two walks a file may change many times, and come and go.
        assert stopped["rounds"][-1]["files_sent"] > (100 if is_told else 0)
        assert stopped["forecast"]["lag_s"] < 20, "since the last round began, not since the sync did"
        report = Path(sms.folder / "report.json")
        sms.run("task", "verify", task_id, "--report", str(report))
        verified = sms.task(task_id)["verification"]
        assert [verified[name] for name in ("different", "missing", "extra", "changed_since")] == [0, 0, 0, 0]
        sms.run("task", "delete", task_id, "--wait")
