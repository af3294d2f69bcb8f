"""What a task learns from the answers to its steps: pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.adaptation import AdaptationDifference
from contracts.errors import Failure
from contracts.messages.agent import AgentResult
from contracts.messages.certificate_issuer import AuthorityCreated, CertificateIssued
from contracts.messages.target_provisioner import (
    HelperStarted,
    LaunchLayerCreated,
    PointTaken,
    PointView,
    ProvisionerEvent,
    TargetFinished,
    TargetLaunched,
    TargetProvisioned,
    TargetReleased,
)
from contracts.transfer import CopySummary
from services.task.domain.network import judged
from services.task.domain.phases import Step
from services.task.domain.task import Certificate, Helper, Task

# A task's record has a bounded size; the agent's own log has every path.
_PATHS_KEPT: Final = 100
_ROUNDS_KEPT: Final = 200


def failure_of(result: AgentResult) -> Failure | None:
    """Why an agent's step has failed; a plan or an adaptation may end well and still forbid the launch."""
    if result.failure is not None:
        return result.failure
    report = result.plan or result.adaptation
    return report.failure if report is not None and report.verdict == "failed" else None


def learn_from_agent(task: Task, result: AgentResult) -> dict[str, Any]:
    """The fields that an agent's answer to the running step sets."""
    learn = _FROM_AGENT.get(task.step) if task.step else None
    return learn(task, result) if learn else {}


def learn_following(task: Task, result: AgentResult, at: datetime) -> dict[str, Any]:
    """The fields that the end of what was stopped sets; a continuous sync ends with this answer alone."""
    if task.step is not Step.STOP_SOURCE or result.lag_s is None:
        return {}
    in_step_at = at - timedelta(seconds=result.lag_s)
    learned: dict[str, Any] = {"in_step_at": in_step_at}
    if task.is_following and result.summary is not None:
        last = _kept(result.summary, task.round_number, in_step_at)
        learned["rounds"] = (*task.rounds[-_ROUNDS_KEPT:], last)
    return learned


def learn_from_provisioner(task: Task, event: ProvisionerEvent) -> dict[str, Any]:
    """The fields that the provisioner's answer to the running step sets."""
    match event:
        case TargetProvisioned():
            return {"target": task.target.model_copy(update={"replica_disks": event.replica_disks})}
        case HelperStarted():
            return _helper_started(task, event)
        case PointTaken():
            point = PointView(id=event.point_id, taken_at=event.taken_at, layers=event.layers)
            kept = (known for known in task.target.points if known.id not in event.dropped_points)
            points = (*kept, point)
            return {"target": task.target.model_copy(update={"points": points, "replica_disks": event.replica_disks})}
        case LaunchLayerCreated():
            layer = {"layer_id": event.layer_id, "layer_disks": event.disks}
            return {"target": task.target.model_copy(update=layer)}
        case TargetLaunched():
            launched = {"machine": event.machine, "launched_layer_id": event.machine.layer_id}
            return {"target": task.target.model_copy(update=launched), "boot_s": event.boot_seconds}
        case TargetFinished():
            return _finished(task, event)
        case TargetReleased():
            return {"target": task.target.model_copy(update=_NOTHING_LEFT)}
        case _:
            return {}


def learn_authority(task: Task, event: AuthorityCreated) -> dict[str, Any]:
    """The fields that a new authority sets."""
    return {"channel": task.channel.model_copy(update={"authority_pem": event.authority_pem})}


def learn_certificate(task: Task, event: CertificateIssued) -> dict[str, Any]:
    """The fields that a new certificate sets."""
    certificate = Certificate(pem=event.certificate_pem, not_after=event.not_after)
    return {"channel": task.channel.model_copy(update={event.role: certificate})}


def answering_step(task: Task, event: ProvisionerEvent) -> bool:
    """Whether the event answers the step that runs now, and not one that was given up."""
    return task.step is not None and event.request_id == task.request_id


def _finished(task: Task, event: TargetFinished) -> dict[str, Any]:
    machine = event.machine
    if machine is None and task.target.machine is not None:
        # It has ended, but its console log is still there to be read.
        machine = task.target.machine.model_copy(update={"ports": (), "process_id": 0})
    finished: dict[str, Any] = {"disks": event.disks, "machine": machine, "layer_disks": (), "points": ()}
    if event.replica_disks:
        finished["replica_disks"] = event.replica_disks
    # One that still ran has ended with everything temporary.
    has_verdict = task.rehearsal is not None and task.rehearsal.report is not None
    kept = task.rehearsal if has_verdict else None
    return {"target": task.target.model_copy(update=finished), "rehearsal": kept}


def _helper_started(task: Task, event: HelperStarted) -> dict[str, Any]:
    channel: dict[str, Any] = {"addresses": event.addresses, "listen_address": event.listen_address}
    helper = Helper(agent_id=event.agent_id, volume_id=event.volume_id, kind=event.helper)
    known = task.helper
    if known is None or (known.agent_id, known.volume_id) != (helper.agent_id, helper.volume_id):
        # A new helper has a new key: the certificate of the one before does not fit it.
        channel |= {"target": None, "target_csr_pem": ""}
    return {"helper": helper, "channel": task.channel.model_copy(update=channel)}


def _source_key(task: Task, result: AgentResult) -> dict[str, Any]:
    return {"channel": task.channel.model_copy(update={"source_csr_pem": result.csr_pem})}


def _target_key(task: Task, result: AgentResult) -> dict[str, Any]:
    return {"channel": task.channel.model_copy(update={"target_csr_pem": result.csr_pem})}


def _prepared(task: Task, result: AgentResult) -> dict[str, Any]:
    return {
        "channel": task.channel.model_copy(update={"port": result.port}),
        "target": task.target.model_copy(update={"is_formatted": True}),
    }


def _opened(task: Task, result: AgentResult) -> dict[str, Any]:
    return {"channel": task.channel.model_copy(update={"port": result.port})}


def _measured(task: Task, result: AgentResult) -> dict[str, Any]:
    return {"network_check": judged(result.network_check, task) if result.network_check else None}


def _round(task: Task, result: AgentResult) -> dict[str, Any]:
    earlier = result.cutover.rounds if result.cutover else ()
    summaries = (*earlier, result.summary or CopySummary(round_number=task.round_number))
    began_at = task.steps[task.step].began_at if task.step in task.steps else None
    kept: list[CopySummary] = []
    for number, summary in enumerate(summaries, start=task.round_number):
        kept.append(_kept(summary, number, began_at))
        began_at = began_at + timedelta(seconds=summary.seconds) if began_at else None
    return {"rounds": (*task.rounds[-_ROUNDS_KEPT:], *kept)}


def _kept(summary: CopySummary, round_number: int, began_at: datetime | None) -> CopySummary:
    return summary.model_copy(
        update={
            "round_number": round_number,
            "began_at": began_at,
            "skipped_paths": summary.skipped_paths[:_PATHS_KEPT],
            "changing_paths": summary.changing_paths[:_PATHS_KEPT],
        }
    )


def _verified(_: Task, result: AgentResult) -> dict[str, Any]:
    return {"verification": result.verification, "consistency": ()}


def _planned(task: Task, result: AgentResult) -> dict[str, Any]:
    """Every point is planned anew: a source that has got another kernel since is adapted otherwise."""
    plan, before = result.plan, task.adaptation_plan
    if plan is not None and before is not None:
        difference = AdaptationDifference(
            added=tuple(each for each in plan.changes if each not in before.changes),
            removed=tuple(each for each in before.changes if each not in plan.changes),
        )
        plan = plan.model_copy(update={"difference": difference})
    return {"adaptation_plan": plan, "adaptation": None}


def _adapted(_: Task, result: AgentResult) -> dict[str, Any]:
    return {"adaptation": result.adaptation}


_NOTHING_LEFT: Final[dict[str, Any]] = {
    "replica_disks": (),
    "layer_disks": (),
    "disks": (),
    "points": (),
    "machine": None,
    "is_formatted": False,
}
_FROM_AGENT: Final[dict[Step, Callable[[Task, AgentResult], dict[str, Any]]]] = {
    Step.SOURCE_KEY: _source_key,
    Step.TARGET_KEY: _target_key,
    Step.PREPARE_TARGET: _prepared,
    Step.OPEN_CHANNEL: _opened,
    Step.CHECK_NETWORK: _measured,
    Step.COPY: _round,
    Step.SYNC: _round,
    Step.VERIFY: _verified,
    Step.PLAN: _planned,
    Step.ADAPT: _adapted,
}
