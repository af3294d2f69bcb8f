"""Source servers as the HTTPS API shows, filters, names and tags them: what the registry is asked, and answers.

States and cycles are words of the v3 contract; the older `contracts.messages.registry` knows fewer of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final, Literal

from contracts.base import Message, MessageKind, Model
from contracts.errors import Failure
from contracts.feasibility import FeasibilityReport
from contracts.inventory import SourceInventory

# Every state that a source server may be in, and every cycle of its migration (the last four: rehearsal).
SOURCE_STATES: Final = (
    "unavailable",
    "waiting",
    "initialize",
    "replicate",
    "syncing",
    "stopping",
    "stopped",
    "skipping",
    "deleting",
    "clearing",
    "cleared",
    "clearfailed",
    "premigready",
    "premiging",
    "premiged",
    "premigfailed",
    "cloning",
    "cutovering",
    "finished",
    "error",
)
MIGRATION_CYCLES: Final = (
    "checking",
    "setting",
    "replicating",
    "syncing",
    "cutovering",
    "cutovered",
    "no_ready",
    "ready_for_test",
    "testing",
    "tested",
)
DeviceUse = Literal["NORMAL", "OS", "BOOT", "VOLUME_GROUP", "BTRFS"]


class CheckSummary(Model):
    """One check that did not pass. id: its place in the report, from 1."""

    id: int
    name: str
    result: str
    code: str = ""


class DiskSummary(Model):
    """A disk of the source, and the size that is proposed for it on the target. is_left_out: a user wants none of
    it on the target."""

    name: str
    size_bytes: int
    used_bytes: int = 0
    use: DeviceUse = "NORMAL"
    target_bytes: int = 0
    is_left_out: bool = False


class ServerTask(Model):
    """The server's task, as far as the registry heard of it. state: the v3 word; sub_task: what runs, with its
    progress in percent. The figures are those of the newest report of the running transfer."""

    id: str
    name: str = ""
    state: str = ""
    started_at: datetime | None = None
    sub_task: str = ""
    percent: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    rate_mbit_s: float = 0.0
    compression_ratio: float = 1.0
    seconds_left: int | None = None


class SourceServer(Model):
    """A server as a list shows it: small, since a list holds a thousand of them.

    checks: those that did not pass; feasibility: the worst result, "" before the first check. state_changed_at,
    cycle_changed_at and connection_changed_at: when each last took another value. project_id: the migration
    project, "" for the account's default one.
    """

    id: str
    name: str
    hostname: str = ""
    ip: str = ""
    ipv6: str = ""
    os_family: str = "linux"
    os_id: str = ""
    os_version: str = ""
    os_name: str = ""
    os_bits: int = 64
    firmware: str = ""
    cpu_count: int = 0
    memory_bytes: int = 0
    is_oem: bool = False
    has_tc: bool | None = None
    start_type: str = "MANUAL"
    agent_version: str = ""
    state: str = "waiting"
    migration_cycle: str = "checking"
    is_connected: bool = False
    registered_at: datetime
    last_seen_at: datetime
    state_changed_at: datetime
    cycle_changed_at: datetime
    connection_changed_at: datetime
    feasibility: str = ""
    checks: tuple[CheckSummary, ...] = ()
    disks: tuple[DiskSummary, ...] = ()
    task: ServerTask | None = None
    has_consistency_result: bool = False
    project_id: str = ""
    tags: dict[str, str] = {}
    clash: bool = False
    may_be_same_as: tuple[str, ...] = ()


class FindServers(Message):
    """Request ``registry.find``: servers in the order of their registration, as far as all given filters hold.

    name: a part of the name, in any case. with_unassigned: project_id is the account's default project, in which
    servers lie that nobody has put anywhere. tags: each must be there; "" as value: with any value. vm_id: the target
    of the server's task. limit and offset as the API's; a page may be shorter than limit, since a message has a
    largest size: ask again behind it.
    """

    TYPE: ClassVar[str] = "sms.registry.find-servers"
    KIND: ClassVar[MessageKind] = "request"
    state: str = ""
    name: str = ""
    id: str = ""
    ip: str = ""
    ipv6: str = ""
    project_id: str = ""
    with_unassigned: bool = False
    migration_cycle: str = ""
    is_connected: bool | None = None
    has_consistency_result: bool | None = None
    vm_id: str = ""
    tags: dict[str, str] = {}
    limit: int = 200
    offset: int = 0


class SourceServerPage(Message):
    """count: all servers that the filters let through."""

    TYPE: ClassVar[str] = "sms.registry.source-servers"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    servers: tuple[SourceServer, ...]


class FindServerTexts(FindServers):
    """Request ``registry.find-texts``: as FindServers, for somebody who remembers what he made of each server."""

    TYPE: ClassVar[str] = "sms.registry.find-server-texts"


class ServerTexts(Message):
    """servers: each a SourceServer in JSON, without the fields that have their default value; a server that has not
    changed is the same text again. count: as of SourceServerPage."""

    TYPE: ClassVar[str] = "sms.registry.server-texts"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    servers: tuple[str, ...]


class ShowSourceServer(Message):
    """Request ``registry.show-source``."""

    TYPE: ClassVar[str] = "sms.registry.show-source"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str


class SourceServerDetails(Message):
    """A server with its inventory and the whole report of the last check."""

    TYPE: ClassVar[str] = "sms.registry.source-details"
    KIND: ClassVar[MessageKind] = "reply"
    server: SourceServer
    inventory: SourceInventory
    feasibility: FeasibilityReport | None = None


class DiskWish(Model):
    """What a user wants of a source disk on the target: another size, or nothing at all. size_bytes 0: as it is."""

    name: str
    is_wanted: bool = True
    size_bytes: int = 0


class UpdateServer(Message):
    """Request ``registry.update``: what is None stays. project_id "": the account's default project.

    disks: refused once a task exists, whose plan would not know of it.
    """

    TYPE: ClassVar[str] = "sms.registry.update-server"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str
    name: str | None = None
    project_id: str | None = None
    disks: tuple[DiskWish, ...] | None = None


class ReportCopyState(Message):
    """Request ``registry.report-copy-state``: an agent says where its migration stands; holds until the task's next
    transition. cycle "": as the state implies."""

    TYPE: ClassVar[str] = "sms.registry.report-copy-state"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str
    state: str
    cycle: str = ""


class DeleteServers(Message):
    """Request ``registry.delete-many``: each on its own, so that one that may not go keeps no other."""

    TYPE: ClassVar[str] = "sms.registry.delete-servers"
    KIND: ClassVar[MessageKind] = "request"
    server_ids: tuple[str, ...]


class DeletedServer(Model):
    """One server of a bulk deletion. failure is None when it is gone."""

    id: str
    failure: Failure | None = None


class ServersDeleted(Message):
    """The answer to DeleteServers, in the order of the request."""

    TYPE: ClassVar[str] = "sms.registry.servers-deleted"
    KIND: ClassVar[MessageKind] = "reply"
    servers: tuple[DeletedServer, ...]


class ShowOverview(Message):
    """Request ``registry.overview``."""

    TYPE: ClassVar[str] = "sms.registry.show-overview"
    KIND: ClassVar[MessageKind] = "request"


class ServerOverview(Message):
    """states: how many servers are in each state. unconfigured: feasible ones without a task. quota: how many the
    account may have in migration; count is what it has."""

    TYPE: ClassVar[str] = "sms.registry.overview"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    quota: int
    connected: int = 0
    unconfigured: int = 0
    states: dict[str, int] = {}


class TagServer(Message):
    """Request ``registry.tag``: set or replace tags. Keys of 1 to 36 characters, values of at most 43; 20 tags."""

    TYPE: ClassVar[str] = "sms.registry.tag-server"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str
    tags: dict[str, str]


class UntagServer(Message):
    """Request ``registry.untag``: a key that is not there is no error."""

    TYPE: ClassVar[str] = "sms.registry.untag-server"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str
    keys: tuple[str, ...]


class ServerTags(Message):
    """The tags of a server after a change."""

    TYPE: ClassVar[str] = "sms.registry.server-tags"
    KIND: ClassVar[MessageKind] = "reply"
    server_id: str
    tags: dict[str, str] = {}


class ListTags(Message):
    """Request ``registry.list-tags``: every key in use, with its values."""

    TYPE: ClassVar[str] = "sms.registry.list-tags"
    KIND: ClassVar[MessageKind] = "request"


class TagList(Message):
    """tags: key to its values, both in order."""

    TYPE: ClassVar[str] = "sms.registry.tags"
    KIND: ClassVar[MessageKind] = "reply"
    tags: dict[str, tuple[str, ...]] = {}


class AdmitServer(Message):
    """Request ``registry.admit``: may this server be registered now? Refused by the quota, or while agents clash."""

    TYPE: ClassVar[str] = "sms.registry.admit-server"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str
    hostname: str = ""


class ServerChanged(Message):
    """Event ``server.<id>.changed``: a user has named, tagged or moved it."""

    TYPE: ClassVar[str] = "sms.registry.server-changed"
    KIND: ClassVar[MessageKind] = "event"
    server_id: str
    name: str
    project_id: str = ""
    tags: dict[str, str] = {}
