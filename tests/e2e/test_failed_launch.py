"""A launch that fails leaves the copy as it was, and is mended by a sync round."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.e2e.command_line import CommandError, running_agent, running_installation, wait_for
from tests.e2e.compare_trees import describe, differences
from tests.e2e.disk_images import bound, mounted
from tests.e2e.source_disks import MountedSource

pytestmark = [pytest.mark.root, pytest.mark.long]
OWN = frozenset({b"/lost+found"})


@pytest.mark.timeout(600)
def test_a_launch_of_a_system_without_a_kernel_fails_and_is_mended_by_a_sync_round(
    source: MountedSource, tmp_path: Path
) -> None:
    kernel = sorted((source.root / "boot").glob("vmlinuz-*"))[-1]
    good = kernel.read_bytes()
    kernel.write_bytes(b"not a kernel")
    try:
        with (
            running_installation(tmp_path) as sms,
            running_agent(sms.new_agent(source.root, tmp_path / "agent")),
        ):
            server = sms.await_server()
            task_id = sms.ask("task", "create", "--server", server, "--start", "--yes")["id"]
            with pytest.raises(CommandError, match=r"SMS\.ADAPT\.KERNEL_MISSING"):
                sms.ask("task", "watch", task_id)
            images = sorted((sms.data / f"targets/{task_id}/replica").glob("*.raw"))
            assert len(images) == 2
            frozen = _digests(images)
            with mounted(images[0], 1, tmp_path / "replica") as replica, bound(source.root, tmp_path / "v") as view:
                assert differences(describe(view, left_out=OWN), describe(replica, left_out=OWN)) == []

            with pytest.raises(CommandError, match=r"SMS\.ADAPT\.KERNEL_MISSING"):
                sms.ask("task", "launch", task_id, "--wait")
            assert _digests(images) == frozen

            layers = sorted(sms.data.glob(f"targets/{task_id}/layers/*"))
            with pytest.raises(CommandError) as red:
                sms.ask("task", "rehearse", task_id, "--wait")
            assert red.value.status == 4
            report = sms.task(task_id)["rehearsal"]["report"]
            assert [failure["code"] for failure in report["failures"]] == ["SMS.ADAPT.KERNEL_MISSING"]
            assert _digests(images) == frozen
            assert sorted(sms.data.glob(f"targets/{task_id}/layers/*")) == layers

            kernel.write_bytes(good)
            sms.ask("task", "sync", task_id)
            # Adapted and checked; whether it boots is another test's question.
            wait_for(lambda: sms.task(task_id)["step"] == "LAUNCH", "launch of the mended system", timeout_s=120)
            assert sms.task(task_id)["adaptation"]["verdict"] == "passed"
            assert _digests(images) == frozen
            sms.ask("task", "stop", task_id, "--wait")
            sms.ask("task", "delete", task_id, "--wait")
    finally:
        kernel.write_bytes(good)


def _digests(images: list[Path]) -> list[str]:
    digests = []
    for image in images:
        with image.open("rb") as file:
            digests.append(hashlib.file_digest(file, "blake2b").hexdigest())
    return digests
