"""What each verb of the host agent does: a request in, a reply out, everything else in the modules beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from agents.host import flatten, flattened, helper, layers, machine, points, replica
from agents.host.census import release, take_census
from agents.host.folders import TargetFolder
from agents.host.health import show_machine
from agents.host.rehearsal import begin as rehearsals
from agents.host.settings import HostSettings
from contracts.base import Message
from contracts.messages.host import (
    BootHostHelper,
    CreateDisks,
    CreateHostLayer,
    DeleteHostLayer,
    EndHostRehearsal,
    FlattenHostLayer,
    HostCensusRequest,
    HostDisks,
    HostDone,
    HostRequest,
    HostWorking,
    LaunchHostMachine,
    RehearseHostPoint,
    ReleaseHostTarget,
    ShowHostHelper,
    ShowHostMachine,
    ShowHostRehearsal,
    StopHostHelper,
    StopHostMachine,
    TakeHostPoint,
)

Verb = Callable[[TargetFolder, Any, HostSettings], Message]


def _create_disks(folder: TargetFolder, request: CreateDisks, settings: HostSettings) -> Message:
    return _tops(folder, replica.create_disks(folder, request.disks))


def _stop_helper(folder: TargetFolder, request: StopHostHelper, settings: HostSettings) -> Message:
    helper.stop_helper(folder)
    if request.release_volume:
        helper.release_volume(folder)
    return HostDone()


def _show_helper(folder: TargetFolder, request: ShowHostHelper, settings: HostSettings) -> Message:
    return helper.show_helper(folder, settings)


def _take_point(folder: TargetFolder, request: TakeHostPoint, settings: HostSettings) -> Message:
    helper.unplug_all(folder)
    taken, dropped = points.take_point(folder, request.point_id)
    helper.plug_layers(folder, ())
    return _tops(folder, taken, dropped)


def _create_layer(folder: TargetFolder, request: CreateHostLayer, settings: HostSettings) -> Message:
    layer = layers.create_launch_layer(folder, layer_id=request.layer_id, point_id=request.point_id)
    disks = layers.layer_disks(folder, layer)
    if not machine.is_running(folder, request.layer_id):
        helper.plug_layers(folder, disks)
    return HostDisks(disks=disks)


def _delete_layer(folder: TargetFolder, request: DeleteHostLayer, settings: HostSettings) -> Message:
    machine.stop_machine(folder, request.layer_id, timeout_s=0)
    helper.plug_layers(folder, ())
    layers.delete_launch_layer(folder, request.layer_id)
    flattened.forget_layer(folder, request.layer_id)
    return HostDone()


def _launch(folder: TargetFolder, request: LaunchHostMachine, settings: HostSettings) -> Message:
    helper.retire_helper_vm(folder)
    machine.launch(folder, request, settings)
    return show_machine(folder, ShowHostMachine(target_id=request.target_id, layer_id=request.layer_id))


def _show_machine(folder: TargetFolder, request: ShowHostMachine, settings: HostSettings) -> Message:
    return show_machine(folder, request)


def _stop_machine(folder: TargetFolder, request: StopHostMachine, settings: HostSettings) -> Message:
    for layer_id in folder.machine_ids():
        machine.stop_machine(folder, layer_id, timeout_s=request.timeout_s)
    return HostDone()


def _show_rehearsal(folder: TargetFolder, request: ShowHostRehearsal, settings: HostSettings) -> Message:
    return rehearsals.show_rehearsal(folder, request.rehearsal_id)


def _end_rehearsal(folder: TargetFolder, request: EndHostRehearsal, settings: HostSettings) -> Message:
    rehearsals.end_rehearsal(folder, request.rehearsal_id)
    return HostDone()


def _flatten(folder: TargetFolder, request: FlattenHostLayer, settings: HostSettings) -> Message:
    return HostDisks(disks=flatten.flatten(folder, request.layer_id))


def _flatten_progress(folder: TargetFolder, request: FlattenHostLayer) -> HostWorking:
    return flatten.flatten_progress(folder, request.layer_id)


def _release(folder: TargetFolder, request: ReleaseHostTarget, settings: HostSettings) -> Message:
    release(folder, only_temporary=request.only_temporary)
    return HostDone()


def _tops(folder: TargetFolder, record: replica.Replica, dropped: tuple[str, ...] = ()) -> HostDisks:
    return HostDisks(disks=replica.top_layers(folder, record), layers=record.layer_count, dropped_points=dropped)


VERBS: Final[dict[str, tuple[type[HostRequest], Verb]]] = {
    "create-disks": (CreateDisks, _create_disks),
    "boot-helper": (BootHostHelper, helper.boot_helper),
    "show-helper": (ShowHostHelper, _show_helper),
    "stop-helper": (StopHostHelper, _stop_helper),
    "take-point": (TakeHostPoint, _take_point),
    "create-layer": (CreateHostLayer, _create_layer),
    "delete-layer": (DeleteHostLayer, _delete_layer),
    "launch": (LaunchHostMachine, _launch),
    "show-machine": (ShowHostMachine, _show_machine),
    "stop-machine": (StopHostMachine, _stop_machine),
    "rehearse": (RehearseHostPoint, rehearsals.begin_rehearsal),
    "show-rehearsal": (ShowHostRehearsal, _show_rehearsal),
    "end-rehearsal": (EndHostRehearsal, _end_rehearsal),
    "flatten": (FlattenHostLayer, _flatten),
    "release": (ReleaseHostTarget, _release),
}
# What is said of long work while it goes on.
PROGRESS: Final[dict[str, Callable[[TargetFolder, Any], HostWorking]]] = {"flatten": _flatten_progress}
# They only look, so they need not wait for what is being done to the same target.
LOOKING: Final = frozenset({"show-helper", "show-machine", "show-rehearsal"})


def census(request: HostCensusRequest, settings: HostSettings) -> Message:
    """Verb ``census``: of all targets, so it has no target's folder."""
    return take_census(settings.data_folder)
