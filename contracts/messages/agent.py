"""Between agents and the control plane: enrolment, statuses, commands and their results.

An agent's account and id are those of the subject (`contracts.subjects.owner_of_agent_subject`), never of the data.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from contracts.adaptation import AdaptationReport, TargetFacts
from contracts.agent_limits import AgentLimits
from contracts.base import Message, MessageKind, Model
from contracts.cutover import CutoverWork
from contracts.errors import Failure
from contracts.inventory import SourceInventory
from contracts.layout import CopyVolume, TargetLayout
from contracts.speed_limit import SpeedLimits, SpeedPeriod
from contracts.task_settings import NetworkCheck
from contracts.transfer import CopySummary, FollowedRound, TransferProgress, VerificationReport

AgentRole = Literal["source", "target"]


class EnrolAgent(Message):
    """The only request of a first login. public_key: the agent's own Ed25519 key as a public user nkey (``U…``)."""

    TYPE: ClassVar[str] = "sms.agent.enrol"
    KIND: ClassVar[MessageKind] = "request"
    public_key: str
    role: AgentRole
    hostname: str = ""
    fingerprint: dict[str, str] = {}
    agent_version: str = ""


class EnrolReply(Message):
    """agent_id is the server_id of a source agent. The agent logs in as it from now on."""

    TYPE: ClassVar[str] = "sms.agent.enrolled"
    KIND: ClassVar[MessageKind] = "reply"
    agent_id: str
    account: str


class AgentRegistered(Message):
    """Status ``registered``, after every start of an agent. session_id: random, new with each process.

    inventory is None for a target agent.
    """

    TYPE: ClassVar[str] = "sms.agent.registered"
    KIND: ClassVar[MessageKind] = "status"
    role: AgentRole
    session_id: str
    agent_version: str = ""
    inventory: SourceInventory | None = None


class AgentInventory(Message):
    """Status ``inventory``: the inventory has changed, or was asked for."""

    TYPE: ClassVar[str] = "sms.agent.inventory"
    KIND: ClassVar[MessageKind] = "status"
    session_id: str
    inventory: SourceInventory


class AgentHeartbeat(Message):
    """Status ``heartbeat``, every 15 s, not kept."""

    TYPE: ClassVar[str] = "sms.agent.heartbeat"
    KIND: ClassVar[MessageKind] = "status"
    role: AgentRole
    session_id: str
    agent_version: str = ""


class AgentLoad(Model):
    """How busy the source and its agent are. Disk rates in bits per second."""

    total_cpu_percent: float = 0.0
    agent_cpu_percent: float = 0.0
    total_memory_bytes: int = 0
    agent_memory_bytes: int = 0
    total_disk_bit_s: float = 0.0
    agent_disk_bit_s: float = 0.0


class AgentProgress(Message):
    """Status ``progress``, at most two a second, not kept. epoch: of the command that is being carried out.

    wire_rate_bit_s: measured on the wire over the last seconds, under one limit; None while there is no such
    measurement. minute_of_day: by the source's clock, for speed limits. sub_task and trace: what an agent that
    speaks HTTP calls its work (v3 words), empty for ours.
    """

    TYPE: ClassVar[str] = "sms.agent.progress"
    KIND: ClassVar[MessageKind] = "status"
    task_id: str
    epoch: int
    verb: str
    progress: TransferProgress
    wire_rate_bit_s: float | None = None
    minute_of_day: int | None = None
    load: AgentLoad | None = None
    sub_task: str = ""
    trace: str = ""


class AgentSyncRound(Message):
    """Status ``sync-round``, not kept: a round of a continuous sync has ended. Told of rounds that took two seconds or
    more, and of the first shorter one after such a round. Walks, where the kernel does not tell of changes, show no
    trend. epoch: of the command that is being carried out."""

    TYPE: ClassVar[str] = "sms.agent.sync-round"
    KIND: ClassVar[MessageKind] = "status"
    task_id: str
    epoch: int
    round: FollowedRound


class AgentResult(Message):
    """Status ``result``: a command has ended. failure is None when it succeeded; the other fields by verb. cutover:
    also of one that failed, as far as it came. lag_s: of what was stopped, as in TransferProgress."""

    TYPE: ClassVar[str] = "sms.agent.result"
    KIND: ClassVar[MessageKind] = "status"
    task_id: str
    epoch: int
    verb: str
    failure: Failure | None = None
    csr_pem: str = ""
    port: int = 0
    summary: CopySummary | None = None
    verification: VerificationReport | None = None
    adaptation: AdaptationReport | None = None
    plan: AdaptationReport | None = None
    cutover: CutoverWork | None = None
    network_check: NetworkCheck | None = None
    lag_s: float | None = None


class CommandAcknowledged(Message):
    """The reply to every command: it has been accepted (or refused with a failure), not carried out."""

    TYPE: ClassVar[str] = "sms.agent.command-acknowledged"
    KIND: ClassVar[MessageKind] = "reply"
    task_id: str
    epoch: int
    failure: Failure | None = None


class AgentCommand(Message):
    """What every command carries. epoch grows with every command of a task; an older one is refused."""

    KIND: ClassVar[MessageKind] = "command"
    VERB: ClassVar[str] = ""
    # A command that changes nothing of the order of a task's work is carried out beside it, whatever its epoch.
    IS_ORDERED: ClassVar[bool] = True
    task_id: str
    epoch: int


class ChannelEnd(Model):
    """One end's credentials of the task's channel. The private key never leaves the agent."""

    certificate_pem: str
    authority_pem: str


class AttachedDisk(Model):
    """A disk of the replica or of a launch layer, as the helper reaches it. name as in the layout."""

    name: str
    path: str
    format: Literal["raw", "qcow2"] = "raw"


class MakeKey(AgentCommand):
    """Make a key pair for this task and answer with a certificate request (csr_pem). Repeated: the same key."""

    TYPE: ClassVar[str] = "sms.agent.command.make-key"
    VERB: ClassVar[str] = "make-key"
    role: AgentRole
    account: str


class PrepareTarget(AgentCommand):
    """Attach the replica's disks, partition and format them unless is_formatted, mount, listen; answer port.

    generation: changes whenever the disks are formatted anew, so that no end trusts an older catalogue.
    applied_survives_restart: what reached the page cache survives the death of the agent (raw files do).
    """

    TYPE: ClassVar[str] = "sms.agent.command.prepare-target"
    VERB: ClassVar[str] = "prepare-target"
    layout: TargetLayout
    disks: tuple[AttachedDisk, ...]
    channel: ChannelEnd
    generation: str
    is_formatted: bool = False
    listen_address: str = "0.0.0.0"  # noqa: S104 - mutual TLS with the task's own CA guards the port
    applied_survives_restart: bool = True


class TransferCommand(AgentCommand):
    """What the source needs for everything that runs over the channel. endpoints: tried in order.

    rate_limit_bit_s: outside the periods of speed_limits. only_paths: nothing but these and what is below them is
    looked at (everything when empty); what is left out stays on the target as it is. priority: 0 low, 1 standard,
    2 high, among the source's own processes. limits: of what the agent may take of its server meanwhile.
    """

    volumes: tuple[CopyVolume, ...]
    endpoints: tuple[tuple[str, int], ...]
    channel: ChannelEnd
    generation: str
    excludes: tuple[str, ...] = ()
    rate_limit_bit_s: int | None = None
    speed_limits: tuple[SpeedPeriod, ...] = ()
    only_paths: tuple[str, ...] = ()
    priority: int = 1
    limits: AgentLimits = AgentLimits()


class CopyVolumes(TransferCommand):
    """Full copy; resumes where an earlier one of the same generation ended. Answers summary."""

    TYPE: ClassVar[str] = "sms.agent.command.copy"
    VERB: ClassVar[str] = "copy"


class SyncVolumes(TransferCommand):
    """One sync round against the catalogue. Answers summary. is_final: rounds until the rest is small, numbered on
    from round_number; the summary is the last one's, cutover has the others. is_continuous: rounds follow each other
    until another command for the task comes."""

    TYPE: ClassVar[str] = "sms.agent.command.sync"
    VERB: ClassVar[str] = "sync"
    round_number: int
    is_final: bool = False
    is_continuous: bool = False


class VerifyVolumes(TransferCommand):
    """Compare what the target holds on disk with what the last round read. Answers verification.

    mode, seed, sample_percent: as in VerificationReport.
    """

    TYPE: ClassVar[str] = "sms.agent.command.verify"
    VERB: ClassVar[str] = "verify"
    mode: Literal["full", "quick"] = "full"
    seed: int = 0
    sample_percent: float = 100.0


class DetachReplica(AgentCommand):
    """Drain, sync to disk, close the channel, unmount and detach all disks."""

    TYPE: ClassVar[str] = "sms.agent.command.detach-replica"
    VERB: ClassVar[str] = "detach-replica"


class AdaptLayer(AgentCommand):
    """Adapt the system in a launch layer, check it, detach it again. Answers adaptation."""

    TYPE: ClassVar[str] = "sms.agent.command.adapt-layer"
    VERB: ClassVar[str] = "adapt-layer"
    layout: TargetLayout
    disks: tuple[AttachedDisk, ...]
    inventory: SourceInventory
    target_facts: TargetFacts = TargetFacts()


class PlanAdaptation(AgentCommand):
    """Say what adapting a launch layer would change, without writing to it; detach it again. Answers plan."""

    TYPE: ClassVar[str] = "sms.agent.command.plan-adaptation"
    VERB: ClassVar[str] = "plan-adaptation"
    layout: TargetLayout
    disks: tuple[AttachedDisk, ...]
    inventory: SourceInventory
    target_facts: TargetFacts = TargetFacts()


class StopWork(AgentCommand):
    """Stop what runs for this task; what has been copied stays and is resumed from. Answers lag_s, and
    summary of a continuous sync that ends with a last round in time."""

    TYPE: ClassVar[str] = "sms.agent.command.stop-work"
    VERB: ClassVar[str] = "stop-work"


class ForgetTask(AgentCommand):
    """The task has ended: remove its keys, catalogue and every other trace of it from the agent."""

    TYPE: ClassVar[str] = "sms.agent.command.forget-task"
    VERB: ClassVar[str] = "forget-task"


class RenewCertificate(AgentCommand):
    """Use this certificate for new connections of the task's channel; what runs goes on. Answers no result."""

    TYPE: ClassVar[str] = "sms.agent.command.renew-certificate"
    VERB: ClassVar[str] = "renew-certificate"
    IS_ORDERED: ClassVar[bool] = False
    channel: ChannelEnd


class LimitSpeed(AgentCommand):
    """Obey these limits from now on, also in what runs; it acts within a second. Answers no result.

    version: of the task; an agent that knows newer limits does nothing.
    """

    TYPE: ClassVar[str] = "sms.agent.command.limit-speed"
    VERB: ClassVar[str] = "limit-speed"
    IS_ORDERED: ClassVar[bool] = False
    version: int = 0
    limits: SpeedLimits


class CollectInventory(AgentCommand):
    """Collect the inventory again and publish it as a status. task_id is empty."""

    TYPE: ClassVar[str] = "sms.agent.command.collect-inventory"
    VERB: ClassVar[str] = "collect-inventory"
