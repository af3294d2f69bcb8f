"""Source servers: what the registry is asked, and what it says."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from contracts.base import Message, MessageKind, Model
from contracts.errors import Failure
from contracts.feasibility import FeasibilityReport
from contracts.inventory import SourceInventory

ServerState = Literal[
    "unavailable",
    "waiting",
    "initialize",
    "replicate",
    "syncing",
    "stopping",
    "stopped",
    "deleting",
    "cloning",
    "cutovering",
    "finished",
    "error",
]


class ServerView(Model):
    """A source server as it is listed. checks: the worst feasibility result, "" before the first check.

    state: the v3 word; waiting until a task exists, unavailable when a check failed or two agents clash. project_id:
    the migration project that it lies in, "" for the account's default one.
    """

    id: str
    name: str
    state: ServerState = "waiting"
    is_connected: bool = False
    checks: str = ""
    operating_system: str = ""
    addresses: tuple[str, ...] = ()
    agent_version: str = ""
    task_id: str = ""
    registered_at: datetime | None = None
    last_seen_at: datetime | None = None
    clash: bool = False
    may_be_same_as: tuple[str, ...] = ()
    project_id: str = ""


class ServerRegistered(Message):
    """Event ``server.<id>.registered``: an agent has registered for the first time."""

    TYPE: ClassVar[str] = "sms.registry.server-registered"
    KIND: ClassVar[MessageKind] = "event"
    server_id: str
    name: str
    inventory: SourceInventory


class ServerUpdated(Message):
    """Event ``server.<id>.updated``: a newer inventory replaces the last one."""

    TYPE: ClassVar[str] = "sms.registry.server-updated"
    KIND: ClassVar[MessageKind] = "event"
    server_id: str
    name: str
    inventory: SourceInventory


class ServerConnected(Message):
    """Event ``server.<id>.connected``."""

    TYPE: ClassVar[str] = "sms.registry.server-connected"
    KIND: ClassVar[MessageKind] = "event"
    server_id: str


class ServerDisconnected(Message):
    """Event ``server.<id>.disconnected``: no heartbeat for 45 s."""

    TYPE: ClassVar[str] = "sms.registry.server-disconnected"
    KIND: ClassVar[MessageKind] = "event"
    server_id: str


class ServerClashed(Message):
    """Event ``server.<id>.clashed``: two live agents claim one id; both are refused."""

    TYPE: ClassVar[str] = "sms.registry.server-clashed"
    KIND: ClassVar[MessageKind] = "event"
    server_id: str


class ServerRefused(Message):
    """Event ``server.<id>.refused``: an agent wanted to register its server and may not."""

    TYPE: ClassVar[str] = "sms.registry.server-refused"
    KIND: ClassVar[MessageKind] = "event"
    server_id: str
    failure: Failure


class ServerDeleted(Message):
    """Event ``server.<id>.deleted``."""

    TYPE: ClassVar[str] = "sms.registry.server-deleted"
    KIND: ClassVar[MessageKind] = "event"
    server_id: str


class ListServers(Message):
    """Request ``registry.list``. after: the last id of the page before."""

    TYPE: ClassVar[str] = "sms.registry.list-servers"
    KIND: ClassVar[MessageKind] = "request"
    limit: int = 1000
    after: str = ""


class ServerList(Message):
    """count: all servers of the account."""

    TYPE: ClassVar[str] = "sms.registry.server-list"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    servers: tuple[ServerView, ...]


class ShowServer(Message):
    """Request ``registry.show``."""

    TYPE: ClassVar[str] = "sms.registry.show-server"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str


class ServerDetails(Message):
    """A server with its inventory and the last feasibility report."""

    TYPE: ClassVar[str] = "sms.registry.server-details"
    KIND: ClassVar[MessageKind] = "reply"
    server: ServerView
    inventory: SourceInventory
    feasibility: FeasibilityReport | None = None


class RefreshInventory(Message):
    """Request ``registry.refresh-inventory``: have the agent look at its server again, and wait for what it finds."""

    TYPE: ClassVar[str] = "sms.registry.refresh-inventory"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str


class InventoryRefreshed(Message):
    """The new inventory; None with the failure that says why there is none."""

    TYPE: ClassVar[str] = "sms.registry.inventory-refreshed"
    KIND: ClassVar[MessageKind] = "reply"
    server_id: str
    inventory: SourceInventory | None = None
    failure: Failure | None = None


class DeleteServer(Message):
    """Request ``registry.delete``: refused while a task of the server has not ended."""

    TYPE: ClassVar[str] = "sms.registry.delete-server"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str
