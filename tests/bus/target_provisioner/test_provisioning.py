"""Commands in, events out: the provisioner with a real host agent, tiny disks, and kills in between."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from contracts.messages.target_provisioner import (
    BootHelper,
    Census,
    CensusRequest,
    CreateLaunchLayer,
    DiskRequest,
    FinishTarget,
    HealthCheck,
    HelperStarted,
    LaunchLayerCreated,
    LaunchTarget,
    PointTaken,
    PortForward,
    ProvisioningFailed,
    ProvisionTarget,
    ReleaseTarget,
    ShowTarget,
    TakePoint,
    TargetDetails,
    TargetFinished,
    TargetLaunched,
    TargetProvisioned,
    TargetReleased,
    VolumeLost,
)
from tests.bus.conftest import eventually

pytestmark = pytest.mark.root
MIB = 1 << 20


def named(request_id: str) -> dict[str, str]:
    return {"request_id": f"t1:{request_id}", "task_id": "t1", "target_id": "t1"}


def provision(
    request_id: str = "provision:1", *, expected_bytes: int = 0, size_bytes: int = 4 * MIB
) -> ProvisionTarget:
    disks = (
        DiskRequest(name="vda", size_bytes=size_bytes, expected_bytes=expected_bytes),
        DiskRequest(name="vdb", size_bytes=2 * MIB),
    )
    return ProvisionTarget(**named(request_id), disks=disks, memory_bytes=128 * MIB, cpu_count=1)


def boot_helper(request_id: str = "helper:1") -> BootHelper:
    return BootHelper(**named(request_id), volume_size_bytes=64 * MIB)


def run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def write_into(path: str, content: bytes) -> None:
    with Path(path).open("r+b") as file:
        file.write(content)


def harm_volume(volume: Path, harm: str) -> None:
    if harm == "removed":
        volume.unlink()
    elif harm == "truncated":
        os.truncate(volume, MIB)
    elif harm == "replaced":
        twin = volume.with_name("twin")
        run("cp", "--sparse=always", volume, twin)
        twin.replace(volume)
    else:
        run("mkfs.ext4", "-q", "-F", volume)


def digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def digest_of_disk(image: str) -> str:
    """Of what a machine reads from a layer."""
    raw = Path(image).with_suffix(".read")
    run("qemu-img", "convert", "-U", "-f", "qcow2", "-O", "raw", image, raw)
    try:
        return digest(raw)
    finally:
        raw.unlink()


def launch(
    request_id: str, layer_id: str, *, timeout_s: int = 60, forwards: tuple[PortForward, ...] = ()
) -> LaunchTarget:
    check = HealthCheck(timeout_s=timeout_s)
    return LaunchTarget(**named(request_id), layer_id=layer_id, health_check=check, forwards=forwards)


def make_bootable(image: str, *, says: bytes = b"tiny login: ") -> None:
    """A boot sector that prints a line by the BIOS and halts: the smallest system that reaches a login."""
    code = bytes.fromhex("31c08ed8be157cac84c07406b40ecd10ebf5f4ebfd")
    sector = (code + b"\r\n" + says + b"\0").ljust(510, b"\0") + b"\x55\xaa"
    raw = Path(image).with_suffix(".sector")
    raw.write_bytes(sector)
    run("qemu-io", "-f", "qcow2", "-c", f"write -s {raw} 0 512", image)
    raw.unlink()


def qemu_processes(host_agent) -> list[int]:
    entries = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
    commands = ((int(entry.name), (entry / "cmdline")) for entry in entries)
    return [pid for pid, path in commands if path.exists() and is_own_qemu(path, host_agent)]


def is_own_qemu(cmdline: Path, host_agent) -> bool:
    try:
        text = cmdline.read_text()
    except OSError:
        return False
    return text.startswith("qemu-system") and str(host_agent.data) in text


async def test_a_whole_migration_leaves_raw_disks_the_replica_and_nothing_temporary(desk, host_agent) -> None:
    async with desk.provisioner():
        made = await desk.ask(provision())
        assert isinstance(made, TargetProvisioned)
        assert [(disk.name, disk.format, Path(disk.path).stat().st_size) for disk in made.replica_disks] == [
            ("vda", "raw", 4 * MIB),
            ("vdb", "raw", 2 * MIB),
        ]
        helper = await desk.ask(boot_helper())
        assert isinstance(helper, HelperStarted)
        assert helper.addresses == ("127.0.0.1",)
        await eventually(lambda: len(host_agent.helper_starts("t1")) == 1)

        write_into(made.replica_disks[0].path, b"replica")
        point = await desk.ask(TakePoint(**named("point:1")))
        assert isinstance(point, PointTaken)
        assert [disk.format for disk in point.replica_disks] == ["qcow2", "qcow2"]
        assert point.layers == 2
        layer = await desk.ask(CreateLaunchLayer(**named("layer:1"), point_id=point.point_id))
        assert isinstance(layer, LaunchLayerCreated)
        run("qemu-io", "-f", "qcow2", "-c", "write -P 7 65536 512", layer.disks[0].path)

        finished = await desk.ask(FinishTarget(**named("finish:1"), layer_id=layer.layer_id))
        assert isinstance(finished, TargetFinished)
        content = Path(finished.disks[0].path).read_bytes()
        assert (content[:7], content[65536], len(content)) == (b"replica", 7, 4 * MIB)
        details = await desk.request("show", ShowTarget(target_id="t1"), TargetDetails)
        assert details.state == "finished"
        assert next((disk.format, digest(disk.path)) for disk in details.replica_disks) == (
            "raw",
            hashlib.sha256(b"replica".ljust(4 * MIB, b"\0")).hexdigest(),
        )
        census = await desk.request("census", CensusRequest(), Census)
        assert census.temporary == ()
        assert host_agent.leftovers() == []

        assert isinstance(await desk.ask(ReleaseTarget(**named("release:1"))), TargetReleased)
        census = await desk.request("census", CensusRequest(), Census)
        assert (census.kept, census.temporary) == ((), ())
        assert not host_agent.target("t1").exists()


async def test_a_repeated_command_is_answered_alike_and_has_one_effect(desk, host_agent) -> None:
    async with desk.provisioner():
        await desk.ask(provision())
        for command in (provision(), TakePoint(**named("point:1")), TakePoint(**named("point:1"))):
            await desk.send(command)
        first = await desk.answer("t1:point:1")
        assert await desk.answer("t1:point:1", count=2) == first
        assert await desk.answer("t1:provision:1", count=2) == await desk.answer("t1:provision:1")
        details = await desk.request("show", ShowTarget(target_id="t1"), TargetDetails)
        assert [point.id for point in details.points] == [first.point_id]
        assert sorted(path.name for path in (host_agent.target("t1") / "replica").iterdir()) == [
            "vda-0001.qcow2",
            "vda.raw",
            "vdb-0001.qcow2",
            "vdb.raw",
        ]


async def test_disks_that_the_host_has_no_room_for_are_refused_with_both_figures(desk, host_agent) -> None:
    async with desk.provisioner():
        refused = await desk.ask(provision(expected_bytes=1 << 60))
        assert isinstance(refused, ProvisioningFailed)
        assert refused.failure.code == "SMS.TARGET.HOST_FULL"
        assert refused.failure.parameters["needed_bytes"] == str(1 << 60)
        assert int(refused.failure.parameters["free_bytes"]) > 0
        assert not list(host_agent.target("t1").glob("replica/*"))


async def test_the_token_reaches_the_helper_by_a_pipe_and_nothing_else(desk, host_agent) -> None:
    async with desk.provisioner():
        await desk.ask(provision())
        started = await desk.ask(boot_helper())
        await eventually(lambda: len(host_agent.helper_starts("t1")) == 1)
        given = host_agent.helper_starts("t1")[0]
        assert (given["token_secret"], given["agent_id"], given["account"]) == ("canary-1", started.agent_id, "acme")
        pid = str(given["pid"])
        for name in ("cmdline", "environ"):
            assert b"canary" not in (Path("/proc") / pid / name).read_bytes()
        assert "canary" not in (host_agent.target("t1") / "helper" / "helper.json").read_text()
        assert "canary" not in host_agent.log.read_text()


async def test_a_killed_helper_comes_back_with_its_state_and_without_a_token(desk, host_agent) -> None:
    async with desk.provisioner():
        await desk.ask(provision())
        await desk.ask(boot_helper())
        await eventually(lambda: len(host_agent.helper_starts("t1")) == 1)
        os.kill(int(host_agent.helper_starts("t1")[0]["pid"]), signal.SIGKILL)
        await eventually(lambda: len(host_agent.helper_starts("t1")) == 2)
        first, second = host_agent.helper_starts("t1")
        assert (second["token_id"], second["token_secret"]) == ("", "")
        assert second["agent_id"] == first["agent_id"]
        assert not any(isinstance(event, VolumeLost | ProvisioningFailed) for event in desk.events)


async def test_a_host_agent_that_was_killed_adopts_the_helper(desk, host_agent) -> None:
    async with desk.provisioner():
        await desk.ask(provision())
        await desk.ask(boot_helper())
        await eventually(lambda: len(host_agent.helper_starts("t1")) == 1)
        host_agent.kill(signal.SIGKILL)
        await desk.send(TakePoint(**named("point:1")))
        host_agent.start()
        assert isinstance(await desk.answer("t1:point:1"), PointTaken)
        assert len(host_agent.helper_starts("t1")) == 1
        assert (Path("/proc") / str(host_agent.helper_starts("t1")[0]["pid"])).exists()


@pytest.mark.parametrize("harm", ["removed", "truncated", "replaced", "formatted"])
async def test_a_harmed_volume_is_reported_once_and_the_next_helper_gets_a_new_one(desk, host_agent, harm) -> None:
    async with desk.provisioner():
        await desk.ask(provision())
        first = await desk.ask(boot_helper())
        await eventually(lambda: len(host_agent.helper_starts("t1")) == 1)
        harm_volume(next((host_agent.target("t1") / "helper").glob("volume-*.img")), harm)
        lost = await desk.answer("")
        assert isinstance(lost, VolumeLost)
        assert lost.failure.code == "SMS.TARGET.VOLUME_LOST"
        assert lost.failure.is_resumable
        assert lost.volume_id == first.volume_id
        second = await desk.ask(boot_helper("helper:2"))
        assert isinstance(second, HelperStarted)
        assert second.volume_id != first.volume_id
        assert second.agent_id != first.agent_id
        await eventually(lambda: len(host_agent.helper_starts("t1")) == 1)
        assert len([event for event in desk.events if isinstance(event, VolumeLost)]) == 1
        assert isinstance(await desk.ask(ReleaseTarget(**named("release:1"))), TargetReleased)
        assert host_agent.leftovers() == []


async def test_a_point_is_refused_while_the_helper_has_a_disk_attached(desk, host_agent) -> None:
    async with desk.provisioner():
        made = await desk.ask(provision())
        attach = host_agent.target("t1") / "attach"
        attach.mkdir()
        (attach / "vda").symlink_to(made.replica_disks[0].path)
        await desk.ask(boot_helper())
        await eventually(lambda: len(host_agent.helper_starts("t1")) == 1)
        refused = await desk.ask(TakePoint(**named("point:1")))
        assert isinstance(refused, ProvisioningFailed)
        assert refused.failure.code == "SMS.TARGET.DISKS_BUSY"
        assert isinstance(await desk.ask(ReleaseTarget(**named("release:1"))), TargetReleased)
        assert host_agent.leftovers() == []


@pytest.mark.boot
async def test_a_launch_without_boot_loader_fails_with_its_code_and_leaves_the_point_as_it_was(
    desk, host_agent
) -> None:
    async with desk.provisioner():
        await desk.ask(provision())
        point = await desk.ask(TakePoint(**named("point:1")))
        frozen = sorted((host_agent.target("t1") / "replica").iterdir())
        before = [digest(path) for path in frozen]
        layer = await desk.ask(CreateLaunchLayer(**named("layer:1"), point_id=point.point_id))
        failed = await desk.ask(launch("launch:1", layer.layer_id), timeout_s=60)
        assert isinstance(failed, ProvisioningFailed)
        assert (failed.step, failed.failure.code) == ("launch", "SMS.LAUNCH.BOOT_LOADER")
        assert Path(failed.failure.parameters["console_log"]).exists()
        assert [digest(path) for path in frozen] == before
        details = await desk.request("show", ShowTarget(target_id="t1"), TargetDetails)
        assert details.machine is None
        assert host_agent.leftovers() == []

        layer = await desk.ask(CreateLaunchLayer(**named("layer:2"), point_id=point.point_id))
        make_bootable(layer.disks[0].path)
        launched = await desk.ask(launch("launch:2", layer.layer_id), timeout_s=60)
        assert isinstance(launched, TargetLaunched)
        assert [digest(path) for path in frozen] == before


@pytest.mark.boot
async def test_a_launched_target_outlives_its_agents_and_is_finished_into_a_running_machine(desk, host_agent) -> None:
    async with desk.provisioner():
        await desk.ask(provision())
        point = await desk.ask(TakePoint(**named("point:1")))
        layer = await desk.ask(CreateLaunchLayer(**named("layer:1"), point_id=point.point_id))
        make_bootable(layer.disks[0].path)
        command = launch("launch:1", layer.layer_id, forwards=(PortForward(target_port=80),))
        await desk.send(command)
        await eventually((host_agent.target("t1") / "machines").exists)
        host_agent.kill(signal.SIGKILL)
    host_agent.start()
    async with desk.provisioner():
        launched = await desk.answer("t1:launch:1", timeout_s=60)
        assert isinstance(launched, TargetLaunched)
        assert len(qemu_processes(host_agent)) == 1
        assert launched.machine.process_id == qemu_processes(host_agent)[0]
        assert launched.machine.ports[0].host_port > 0
        assert "tiny login:" in Path(launched.machine.console_path).read_text()

        finished = await desk.ask(FinishTarget(**named("finish:1"), layer_id=layer.layer_id), timeout_s=60)
        assert isinstance(finished, TargetFinished)
        assert finished.machine is not None
        assert finished.machine == launched.machine
        assert qemu_processes(host_agent) == [launched.machine.process_id]
        assert "tiny login:" in Path(finished.machine.console_path).read_text()
        assert [(disk.format, Path(disk.path).exists()) for disk in finished.replica_disks] == [("raw", True)] * 2
        assert b"tiny login:" in Path(finished.disks[0].path).read_bytes()
        census = await desk.request("census", CensusRequest(), Census)
        assert census.temporary == ()
        assert f"t1/machine/{layer.layer_id}" in census.kept
        await desk.ask(ReleaseTarget(**named("release:1")))
        assert host_agent.leftovers() == []


@pytest.mark.boot
async def test_a_finish_whose_host_agent_and_provisioner_are_killed_ends_with_the_same_machine(
    desk, host_agent
) -> None:
    async with desk.provisioner():
        await desk.ask(provision(size_bytes=256 * MIB))
        run("qemu-io", "-f", "raw", "-c", f"write -P 5 {MIB} {200 * MIB}", host_agent.target("t1") / "replica/vda.raw")
        point = await desk.ask(TakePoint(**named("point:1")))
        layer = await desk.ask(CreateLaunchLayer(**named("layer:1"), point_id=point.point_id))
        make_bootable(layer.disks[0].path)
        launched = await desk.ask(launch("launch:1", layer.layer_id), timeout_s=60)
        before = digest_of_disk(layer.disks[0].path)
        await desk.send(FinishTarget(**named("finish:1"), layer_id=layer.layer_id))
        raw = host_agent.target("t1") / "disks" / "vda.raw"
        await eventually(lambda: raw.exists() and raw.stat().st_blocks > 0)
        host_agent.kill(signal.SIGKILL)
    host_agent.start()
    async with desk.provisioner():
        finished = await desk.answer("t1:finish:1", timeout_s=60)
        assert isinstance(finished, TargetFinished)
        assert finished.machine == launched.machine
        assert qemu_processes(host_agent) == [launched.machine.process_id]
        assert [disk.path for disk in finished.disks[:1]] == [str(raw)]
        assert digest(raw) == before
        census = await desk.request("census", CensusRequest(), Census)
        assert census.temporary == ()


@pytest.mark.boot
async def test_a_finish_that_is_told_to_stop_the_machine_stops_it(desk, host_agent) -> None:
    async with desk.provisioner():
        await desk.ask(provision())
        point = await desk.ask(TakePoint(**named("point:1")))
        layer = await desk.ask(CreateLaunchLayer(**named("layer:1"), point_id=point.point_id))
        make_bootable(layer.disks[0].path)
        launched = await desk.ask(launch("launch:1", layer.layer_id), timeout_s=60)
        command = FinishTarget(**named("finish:1"), layer_id=layer.layer_id, keep_running=False)
        finished = await desk.ask(command, timeout_s=60)
        assert isinstance(finished, TargetFinished)
        assert finished.machine is None
        assert Path(launched.machine.console_path).exists()
        assert qemu_processes(host_agent) == []


@pytest.mark.boot
async def test_a_target_that_never_asks_for_a_login_is_timed_out_with_what_was_waited_for(desk, host_agent) -> None:
    async with desk.provisioner():
        await desk.ask(provision())
        point = await desk.ask(TakePoint(**named("point:1")))
        layer = await desk.ask(CreateLaunchLayer(**named("layer:1"), point_id=point.point_id))
        make_bootable(layer.disks[0].path, says=b"hello")
        failed = await desk.ask(launch("launch:1", layer.layer_id, timeout_s=2), timeout_s=60)
        assert isinstance(failed, ProvisioningFailed)
        assert failed.failure.code == "SMS.LAUNCH.TIMEOUT"
        assert "no login" in failed.failure.cause
        assert host_agent.leftovers() == []
