"""What a task shows after a finish: files that exist, and the console of a machine that may have ended."""

from __future__ import annotations

from contracts.messages.agent import AttachedDisk
from contracts.messages.target_provisioner import PortForward, TargetFinished, TargetMachine
from services.task.domain.answers import learn_from_provisioner
from services.task.domain.task import Target
from services.task.domain.view import show
from tests.unit.task.saga_world import new_task

MACHINE = TargetMachine(
    layer_id="l1", console_path="/c/console.log", ports=(PortForward(target_port=80, host_port=8080),), process_id=7
)
FLAT = (AttachedDisk(name="vda", path="/d/disks/vda.raw"),)
MERGED = (AttachedDisk(name="vda", path="/d/replica/vda.raw"),)
LAUNCHED = Target(
    id="t1",
    replica_disks=(AttachedDisk(name="vda", path="/d/replica/vda-0001.qcow2", format="qcow2"),),
    layer_disks=(AttachedDisk(name="vda", path="/d/layers/l1/vda.qcow2", format="qcow2"),),
    machine=MACHINE,
)


def target_after(event_machine: TargetMachine | None, disks: tuple[AttachedDisk, ...] = FLAT):
    task = new_task().model_copy(update={"target": LAUNCHED})
    event = TargetFinished(
        request_id="r", task_id="t1", target_id="t1", disks=disks, machine=event_machine, replica_disks=MERGED
    )
    return show(task.model_copy(update=learn_from_provisioner(task, event)), None).target


def test_a_finished_task_names_the_raw_files_and_the_machine_that_runs_on() -> None:
    target = target_after(MACHINE)
    assert (target.disks, target.replica_disks) == (FLAT, MERGED)
    assert (target.console, target.ports) == ("/c/console.log", MACHINE.ports)


def test_the_console_log_is_named_when_no_machine_runs_any_more_and_its_ports_are_not() -> None:
    target = target_after(None)
    assert (target.console, target.ports) == ("/c/console.log", ())


def test_a_layer_that_was_removed_is_not_named() -> None:
    assert target_after(None, disks=()).disks == ()
