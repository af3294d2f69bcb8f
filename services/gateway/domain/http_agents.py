"""Agents that speak HTTP: what the bridge keeps of each, and of each task that one works for."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from contracts.base import Model
from contracts.transfer import TransferProgress

CommandState = Literal["open", "done"]


class HttpAgent(Model):
    """An agent, by the id of its server. user_id: whose key registered it; nobody else speaks for it.

    session_id: stands for the process that the agent of the bus would be; new with each registration. log_id: of a
    log that was asked for and has not come yet.
    """

    id: str
    account: str
    user_id: str
    user_name: str
    access_key: str
    session_id: str
    hostname: str
    agent_version: str = ""
    registered_at: datetime
    log_id: str = ""
    log_asked_at: datetime | None = None
    version: int = 0


class Registration(Model):
    """What the agent said of its machine, as the body of its registration; later news of disks are merged into it."""

    text: str
    version: int = 0


class AgentTask(Model):
    """The newest command of one task to an agent of HTTP, and the secrets that the agent has to fetch.

    epoch, verb: of the command; command_text and result_text: its messages. sealed_key: the private key of the
    task's channel until it has been handed out. certificate_pem and authority_pem: the newest ones, "" until the task
    service has told them; issue counts them, and taken_at is when the newest one was handed out.
    sealed_passphrase: of the task, random. consistency_text: a VerificationReport that waits for the end of a
    verification. limits_text: newer speed limits than the command's.
    """

    id: str
    account: str
    server_id: str
    changed_at: datetime
    epoch: int = -1
    verb: str = ""
    state: CommandState = "done"
    command_text: str = ""
    result_text: str = ""
    has_ended: bool = False
    sealed_key: str = ""
    issue: int = 0
    csr_pem: str = ""
    certificate_pem: str = ""
    authority_pem: str = ""
    taken_at: datetime | None = None
    sealed_passphrase: str = ""
    progress: TransferProgress | None = None
    consistency_text: str = ""
    limits_text: str = ""
    version: int = 0
