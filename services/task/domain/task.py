"""The record of one migration task: everything that its transitions decide on and change."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from contracts.adaptation import AdaptationReport, TargetFacts
from contracts.base import Model
from contracts.cutover import CutoverReport, CutoverSettings
from contracts.errors import Failure
from contracts.forecast import Convergence
from contracts.inventory import SourceInventory
from contracts.layout import TargetLayout
from contracts.messages.agent import AttachedDisk
from contracts.messages.migration_project import MigrationChoices
from contracts.messages.target_provisioner import PointView, TargetMachine
from contracts.messages.task import HistoryEntry, Phase, TaskOptions
from contracts.messages.template import TargetPlacement
from contracts.rehearsal import RehearsalReport
from contracts.speed_limit import SpeedLimit, SpeedLimits, SpeedPeriod
from contracts.task_settings import ConfigurationSetting, ConsistencyResult, NetworkCheck, TaskAttributes
from contracts.transfer import CopySummary, VerificationReport
from services.task.domain.phases import LEGS, Leg, Step


class Certificate(Model):
    """An end's certificate; the key is with its agent."""

    pem: str
    not_after: datetime


class Channel(Model):
    """The task's private channel, as far as the control plane knows it. renewals: how often new certificates were
    asked for while a transfer ran."""

    authority_pem: str = ""
    source_csr_pem: str = ""
    target_csr_pem: str = ""
    source: Certificate | None = None
    target: Certificate | None = None
    renewals: int = 0
    addresses: tuple[str, ...] = ()
    listen_address: str = "127.0.0.1"
    port: int = 0


class Helper(Model):
    """The target agent in the helper, and the temporary volume it works on. kind: process or vm."""

    agent_id: str
    volume_id: str
    kind: str = ""


class Target(Model):
    """What exists on the target side. is_formatted: the replica holds what the source's catalogue says."""

    id: str
    provider: str = "local"
    is_formatted: bool = False
    replica_disks: tuple[AttachedDisk, ...] = ()
    points: tuple[PointView, ...] = ()
    layer_id: str = ""
    layer_disks: tuple[AttachedDisk, ...] = ()
    launched_layer_id: str = ""
    machine: TargetMachine | None = None
    disks: tuple[AttachedDisk, ...] = ()


class VerificationWish(Model):
    """What the next verification reads, as in VerificationReport."""

    mode: Literal["full", "quick"] = "full"
    seed: int = 0
    sample_percent: float = 100.0


class StepRun(Model):
    """The last run of a step. has_succeeded is None while it runs. operation: the user's that led to it."""

    began_at: datetime
    ended_at: datetime | None = None
    has_succeeded: bool | None = None
    operation: str = ""


class Rehearsal(Model):
    """The last rehearsal. number counts them; begun_version: of the task's transition that asked for it. report: None
    while it runs."""

    number: int
    request_id: str
    point_id: str
    begun_version: int
    begun_at: datetime
    report: RehearsalReport | None = None


class Task(Model):
    """One migration. version counts transitions; epoch counts begun steps, so that a late answer is known as one.

    resume_leg: where `start` goes from PAUSED or FAILED. is_cutting_over: the next launch is the cutover's.
    is_following: the sync round that runs goes on until something else is asked for. in_step_at: until when the target
    had what the source had, by the source's word when it was stopped.
    failure: why the task rests where it does; kept in STOPPING for the PAUSED that follows. launch_failure: why
    there is no launched target to go back to after a verification. last_entry: the row of the history that the last
    transition adds (rows are kept apart, a record has a bounded size). operation: what the user asked for last.
    cutover: what the last cutover did so far. is_source_held: commands of the user are owed to the source. boot_s:
    how long the target's last boot took. consistency: as an agent that speaks HTTP has reported it; our own reports
    verification.
    """

    id: str
    account: str
    server_id: str
    server_name: str = ""
    migration_type: str = "file"
    options: TaskOptions = TaskOptions()
    layout: TargetLayout
    inventory: SourceInventory
    leg: Leg = Leg.WAITING
    step: Step | None = None
    version: int = 0
    epoch: int = 0
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    failure: Failure | None = None
    launch_failure: Failure | None = None
    resume_leg: Leg | None = None
    is_cutting_over: bool = False
    is_following: bool = False
    in_step_at: datetime | None = None
    is_cut_over: bool = False
    cutover_settings: CutoverSettings = CutoverSettings()
    cutover: CutoverReport | None = None
    is_source_held: bool = False
    convergence: Convergence | None = None
    boot_s: float | None = None
    round_number: int = 0
    rounds: tuple[CopySummary, ...] = ()
    channel: Channel = Channel()
    helper: Helper | None = None
    target: Target
    adaptation: AdaptationReport | None = None
    verification: VerificationReport | None = None
    verification_wish: VerificationWish = VerificationWish()
    steps: dict[str, StepRun] = {}
    template_id: str = ""
    project_id: str = ""
    placement: TargetPlacement = TargetPlacement()
    choices: MigrationChoices = MigrationChoices()
    last_entry: HistoryEntry | None = None
    name: str = ""
    operation: str = ""
    priority: int = 1
    checks_consistency: bool = False
    over_speed_percent: float | None = None
    speed_periods: tuple[SpeedPeriod, ...] = ()
    configuration: tuple[ConfigurationSetting, ...] = ()
    attributes: TaskAttributes = TaskAttributes()
    network_check: NetworkCheck | None = None
    consistency: tuple[ConsistencyResult, ...] = ()
    consistency_at: datetime | None = None
    rehearsal: Rehearsal | None = None
    adaptation_plan: AdaptationReport | None = None

    @property
    def phase(self) -> Phase:
        """What the user sees."""
        return LEGS[self.leg].phase

    @property
    def speed_limits(self) -> SpeedLimits:
        """The limits of the sending rate, round the clock."""
        otherwise = SpeedLimit(
            rate_bit_s=self.options.rate_limit_bit_s or None, over_speed_percent=self.over_speed_percent
        )
        return SpeedLimits(otherwise=otherwise, periods=self.speed_periods)

    @property
    def request_id(self) -> str:
        """Identifies the running step in commands and in their answers."""
        return f"{self.id}:{self.step}:{self.epoch}"

    @property
    def target_facts(self) -> TargetFacts:
        """What a layer over the replica is adapted to."""
        return TargetFacts(firmware=self.layout.firmware, identity=self.options.identity, seed=self.id)

    @property
    def replica_from(self) -> datetime | None:
        """What the source had changed until then is on the target; None before there is a complete copy."""
        if not self.rounds:
            return None
        known = [at for at in (self.rounds[-1].began_at, self.in_step_at) if at is not None]
        return max(known) if known else None

    @property
    def generation(self) -> str:
        """Identifies the formatted replica: the source's catalogue is true for this one only."""
        return f"{self.id}:1"
