"""What every target provider must do: the port's docstrings as tests."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from pathlib import Path

import pytest

from contracts.errors import MigrationError
from contracts.messages.agent import AttachedDisk
from contracts.messages.target_provisioner import DiskRequest, HealthCheck
from services.target_provisioner.domain.ports import TargetProvider
from services.target_provisioner.domain.provider import HelperOrder, MachineOrder

MIB = 1 << 20
DISKS = (DiskRequest(name="vda", size_bytes=4 * MIB), DiskRequest(name="vdb", size_bytes=MIB))


def order(volume_id: str = "v1") -> HelperOrder:
    return HelperOrder(
        task_id="t1",
        account="acme",
        agent_id="a1",
        volume_id=volume_id,
        volume_size_bytes=64 * MIB,
        token_id="t",  # noqa: S106 - no secret of anybody
        token_secret="s",  # noqa: S106 - no secret of anybody
    )


def machine(layer_id: str) -> MachineOrder:
    return MachineOrder(
        layer_id=layer_id, cpu_count=1, memory_bytes=128 * MIB, firmware="BIOS", is_isolated=True, forwards=()
    )


def write(disk: AttachedDisk, byte: int, *, at: int = 0) -> None:
    argv = ["qemu-io", "-f", disk.format, "-c", f"write -P {byte} {at} 65536", disk.path]
    subprocess.run(argv, check=True, capture_output=True)


def content(disk: AttachedDisk, folder: Path) -> bytes:
    """What a machine would read from the disk."""
    copy = folder / "read.raw"
    argv = ["qemu-img", "convert", "-U", "-f", disk.format, "-O", "raw", disk.path, str(copy)]
    subprocess.run(argv, check=True, capture_output=True)
    return copy.read_bytes()


class TargetProviderContract:
    """Subclasses supply the fixture ``provider`` and the name of a target that does not exist yet, ``t1``."""

    async def test_the_same_disks_twice_are_made_once(self, provider: TargetProvider) -> None:
        first = await provider.create_disks("t1", DISKS)
        write(first[0], 1)
        assert await provider.create_disks("t1", DISKS) == first
        assert [disk.name for disk in first] == ["vda", "vdb"]
        assert (await provider.census()).kept == ("t1/disk/vda", "t1/disk/vdb")

    async def test_disks_of_another_size_are_refused_and_the_old_ones_stay(self, provider: TargetProvider) -> None:
        first = await provider.create_disks("t1", DISKS)
        with pytest.raises(MigrationError) as refused:
            await provider.create_disks("t1", (DiskRequest(name="vda", size_bytes=MIB),))
        assert refused.value.code == "SMS.TARGET.DISK_CHANGED"
        assert await provider.create_disks("t1", DISKS) == first

    async def test_names_that_leave_the_target_are_refused(self, provider: TargetProvider) -> None:
        for name in ("../t2", ".", "", "a/b", "a" * 65):
            with pytest.raises(MigrationError) as refused:
                await provider.create_disks(name, DISKS)
            assert refused.value.code == "SMS.TARGET.BAD_NAME"
        with pytest.raises(MigrationError):
            await provider.create_disks("t1", (DiskRequest(name="../../x", size_bytes=MIB),))

    async def test_the_same_helper_twice_is_one_and_none_is_left_after_its_stop(self, provider: TargetProvider) -> None:
        assert not (await provider.helper_state("t1")).is_running
        await provider.create_disks("t1", DISKS)
        first = await provider.boot_helper("t1", order())
        assert first.is_running
        assert (first.volume_id, first.finding) == ("v1", "")
        assert await provider.boot_helper("t1", order()) == first
        assert sorted((await provider.census()).temporary)[-2:] == ["t1/helper/process", "t1/volume/volume-v1"]
        await provider.stop_helper("t1", release_volume=False)
        assert not (await provider.helper_state("t1")).is_running
        assert (await provider.census()).temporary == ("t1/volume/volume-v1",)
        await provider.stop_helper("t1", release_volume=True)
        await provider.stop_helper("t1", release_volume=True)
        assert (await provider.census()).temporary == ()

    async def test_a_point_never_changes_whatever_is_written_later(
        self, provider: TargetProvider, tmp_path: Path
    ) -> None:
        disks = await provider.create_disks("t1", DISKS)
        write(disks[0], 1)
        point = await provider.take_point("t1", "p1")
        assert await provider.take_point("t1", "p1") == point
        write(point.disks[0], 2)
        layer = await provider.create_layer("t1", layer_id="l1", point_id="p1")
        assert content(layer[0], tmp_path)[:65536] == bytes([1]) * 65536
        write(layer[0], 3)
        again = await provider.create_layer("t1", layer_id="l2", point_id="p1")
        assert content(again[0], tmp_path)[:65536] == bytes([1]) * 65536
        assert content(point.disks[0], tmp_path)[:65536] == bytes([2]) * 65536

    async def test_a_layer_over_an_unknown_point_is_refused(self, provider: TargetProvider) -> None:
        await provider.create_disks("t1", DISKS)
        with pytest.raises(MigrationError) as refused:
            await provider.create_layer("t1", layer_id="l1", point_id="p9")
        assert refused.value.code == "SMS.TARGET.UNKNOWN"

    async def test_a_chain_stays_at_eight_layers_and_keeps_what_was_written_and_every_point_in_use(
        self, provider: TargetProvider, tmp_path: Path
    ) -> None:
        tops = await provider.create_disks("t1", DISKS)
        layer: tuple[AttachedDisk, ...] = ()
        dropped: list[str] = []
        for number in range(12):
            write(tops[0], number + 1, at=number * 65536)
            frozen = await provider.take_point("t1", f"p{number}")
            assert frozen.layers <= 8
            tops = frozen.disks
            dropped += frozen.dropped_points
            if number == 4:
                layer = await provider.create_layer("t1", layer_id="used", point_id="p4")
        written = content(tops[0], tmp_path)
        assert [written[at * 65536] for at in range(13)] == [*range(1, 13), 0]
        used = content(layer[0], tmp_path)
        assert [used[at * 65536] for at in range(7)] == [1, 2, 3, 4, 5, 0, 0]
        assert "p4" not in dropped
        assert "p0" in dropped

    @pytest.mark.boot
    async def test_points_are_merged_beneath_a_running_machine(self, provider: TargetProvider, tmp_path: Path) -> None:
        tops = await provider.create_disks("t1", DISKS)
        layer: tuple[AttachedDisk, ...] = ()
        for number in range(12):
            write(tops[0], number + 1, at=number * 65536)
            tops = (await provider.take_point("t1", f"p{number}")).disks
            if number == 4:
                layer = await provider.create_layer("t1", layer_id="l1", point_id="p4")
                assert (await provider.launch("t1", machine("l1"))).is_running
        assert (await provider.machine_state("t1", "l1", HealthCheck())).is_running
        await provider.stop_machines("t1", timeout_s=0)
        used = content(layer[0], tmp_path)
        assert [used[at * 65536] for at in range(7)] == [1, 2, 3, 4, 5, 0, 0]
        written = content(tops[0], tmp_path)
        assert [written[at * 65536] for at in range(13)] == [*range(1, 13), 0]

    @pytest.mark.boot
    async def test_a_machine_starts_once_and_is_gone_with_its_layer(self, provider: TargetProvider) -> None:
        await provider.create_disks("t1", DISKS)
        frozen = await provider.take_point("t1", "p1")
        await provider.create_layer("t1", layer_id="l1", point_id="p1")
        started = await provider.launch("t1", machine("l1"))
        assert started.is_running
        assert (await provider.launch("t1", machine("l1"))).process_id == started.process_id
        async with asyncio.timeout(30):
            while (state := await provider.machine_state("t1", "l1", HealthCheck())).boot_state == "booting":
                await asyncio.sleep(0.1)
        assert (state.boot_state, state.failure_code) == ("failed", "SMS.LAUNCH.BOOT_LOADER")
        await provider.delete_layer("t1", "l1")
        await provider.delete_layer("t1", "l1")
        with pytest.raises(MigrationError):
            await provider.machine_state("t1", "l1", HealthCheck())
        assert not [name for name in (await provider.census()).temporary if "/machine/" in name or "/layer/" in name]
        assert frozen.layers == 2

    @pytest.mark.boot
    async def test_a_running_machine_runs_on_from_flattened_disks(
        self, provider: TargetProvider, tmp_path: Path
    ) -> None:
        disks = await provider.create_disks("t1", DISKS)
        write(disks[0], 1)
        await provider.take_point("t1", "p1")
        layer = await provider.create_layer("t1", layer_id="l1", point_id="p1")
        write(layer[1], 3, at=65536)
        before = [content(disk, tmp_path) for disk in layer]
        started = await provider.launch("t1", machine("l1"))
        flat = await provider.flatten("t1", "l1")
        assert await provider.flatten("t1", "l1") == flat
        await provider.release("t1", only_temporary=True)
        await provider.release("t1", only_temporary=True)
        state = await provider.machine_state("t1", "l1", HealthCheck())
        assert (state.is_running, state.process_id, state.ports) == (True, started.process_id, started.ports)
        assert Path(state.console_path).exists()
        assert [content(disk, tmp_path) for disk in flat] == before
        assert [disk.format for disk in flat] == ["raw", "raw"]
        census = await provider.census()
        assert census.temporary == ()
        assert "t1/machine/l1" in census.kept
        await provider.stop_machines("t1", timeout_s=0)
        assert [content(disk, tmp_path) for disk in flat] == before

    async def test_flattened_disks_need_nothing_else_and_survive_the_release_of_what_was_temporary(
        self, provider: TargetProvider, tmp_path: Path
    ) -> None:
        disks = await provider.create_disks("t1", DISKS)
        write(disks[0], 1)
        point = await provider.take_point("t1", "p1")
        write(point.disks[0], 2)
        layer = await provider.create_layer("t1", layer_id="l1", point_id="p1")
        write(layer[0], 3, at=MIB)
        flat = await provider.flatten("t1", "l1")
        await provider.release("t1", only_temporary=True)
        await provider.release("t1", only_temporary=True)
        assert await provider.flatten("t1", "l1") == flat
        read = Path(flat[0].path).read_bytes()
        assert (flat[0].format, len(read), read[0], read[MIB]) == ("raw", 4 * MIB, 1, 3)
        replica = await provider.create_disks("t1", DISKS)
        read = Path(replica[0].path).read_bytes()
        assert (replica[0].format, read[0], read[MIB]) == ("raw", 2, 0)
        assert hashlib.sha256(Path(replica[1].path).read_bytes()).digest() == hashlib.sha256(bytes(MIB)).digest()
        assert (await provider.census()).temporary == ()
        await provider.release("t1", only_temporary=False)
        await provider.release("t1", only_temporary=False)
        assert (await provider.census()).kept == ()
