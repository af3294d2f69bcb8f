"""What exists of all targets, and the removal of what must not be there any more."""

from __future__ import annotations

import shutil
from pathlib import Path

from agents.host.flattened import flattened_disks, forget_flattening
from agents.host.folders import TargetFolder, all_targets, names_in
from agents.host.helper import load_helper, release_volume, stop_helper
from agents.host.layers import delete_launch_layer
from agents.host.loop_devices import loops_below
from agents.host.machine import is_running, stop_machine
from agents.host.points import collapse
from agents.host.records import read_record
from agents.host.rehearsal.begin import end_rehearsal, is_rehearsing
from agents.host.replica import Replica
from contracts.messages.host import HostCensus


def take_census(data_folder: Path) -> HostCensus:
    """``<target>/<kind>/<name>`` of everything. kept: the replica's and the flattened disks, and machines that run
    from the latter; temporary: everything else, loop devices (``-/loop/…``) included."""
    kept: list[str] = []
    temporary: list[str] = []
    for folder in all_targets(data_folder):
        _count_disks(folder, kept, temporary)
        _count_machines(folder, kept, temporary)
        _count_helper(folder, temporary)
        temporary += [f"{folder.target_id}/layer/{name}" for name in folder.layer_ids()]
        running = (name for name in folder.rehearsal_ids() if is_rehearsing(folder, name))
        temporary += [f"{folder.target_id}/rehearsal/{name}" for name in running]
    temporary += [f"-/loop/{device.rpartition('/')[2]}" for device, _ in loops_below(data_folder / "targets")]
    return HostCensus(kept=tuple(kept), temporary=tuple(temporary))


def release(folder: TargetFolder, *, only_temporary: bool) -> None:
    """Remove helper, volume, rehearsals, launch layers, points and the logs of earlier launches; or everything of the
    target.

    A machine that runs from the flattened disks goes on when only_temporary is set. Safe to repeat.
    """
    if not folder.path.exists():
        return
    for rehearsal_id in folder.rehearsal_ids():
        end_rehearsal(folder, rehearsal_id)
    shutil.rmtree(folder.path / "rehearsals", ignore_errors=True)
    flattened = flattened_disks(folder)
    for layer_id in folder.machine_ids():
        if not (only_temporary and flattened is not None and flattened.id == layer_id):
            stop_machine(folder, layer_id, timeout_s=0)
            shutil.rmtree(folder.machine(layer_id))
    stop_helper(folder)
    release_volume(folder)
    for layer_id in folder.layer_ids():
        delete_launch_layer(folder, layer_id)
    if not only_temporary:
        shutil.rmtree(folder.path)
        return
    shutil.rmtree(folder.path / "layers", ignore_errors=True)
    forget_flattening(folder, except_of=flattened.id if flattened is not None else "")
    replica = read_record(folder.path / "replica.json", Replica)
    if replica is not None:
        collapse(folder)


def _count_disks(folder: TargetFolder, kept: list[str], temporary: list[str]) -> None:
    replica = read_record(folder.path / "replica.json", Replica)
    named = {layer for disk in replica.disks for layer in disk.layers} if replica is not None else set()
    kept += [f"{folder.target_id}/disk/{disk.name}" for disk in (replica.disks if replica is not None else ())]
    # Layers above the raw files are points' work; files that no record names are left over from a kill.
    files = (name for name in names_in(folder.replica) if name not in named or name.endswith(".qcow2"))
    temporary += [f"{folder.target_id}/layer-file/{name}" for name in files]
    if replica is not None:
        temporary += [f"{folder.target_id}/point/{point.id}" for point in replica.points]
    kept += [f"{folder.target_id}/flattened/{name}" for name in names_in(folder.flattened)]


def _count_machines(folder: TargetFolder, kept: list[str], temporary: list[str]) -> None:
    flattened = flattened_disks(folder)
    for layer_id in folder.machine_ids():
        if is_running(folder, layer_id):
            counted = kept if flattened is not None and flattened.id == layer_id else temporary
            counted.append(f"{folder.target_id}/machine/{layer_id}")


def _count_helper(folder: TargetFolder, temporary: list[str]) -> None:
    if load_helper(folder) is not None:
        temporary.append(f"{folder.target_id}/helper/process")
    temporary += [f"{folder.target_id}/volume/{path.stem}" for path in folder.helper.glob("volume-*.img")]
