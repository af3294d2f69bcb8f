"""Every NATS subject of SMS. The major version of the contract stands in the subject (``sms.v1``).

Account and id tokens must hold none of the characters that mean something in a subject; `token` refuses them.
"""

from __future__ import annotations

import re
from typing import Final

ROOT: Final = "sms.v1"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


def token(value: str) -> str:
    """A value that may stand between two dots of a subject. Raises ValueError for any other."""
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"not a subject token: {value!r}")
    return value


def req(service: str, verb: str) -> str:
    """Core request/reply to a service: queries, and every write of a user, answered after the commit."""
    return f"{ROOT}.req.{token(service)}.{token(verb)}"


def cmd(service: str, verb: str) -> str:
    """Service to service, must happen: JetStream stream CMD."""
    return f"{ROOT}.cmd.{token(service)}.{token(verb)}"


def evt(account: str, aggregate: str, identifier: str, what: str) -> str:
    """A fact: JetStream stream EVT. Aggregates: server, task, target, certificate, credential, trace, template,
    project, wave, agreement, cost, notification, account, user, group, policy."""
    return f"{ROOT}.evt.{token(account)}.{token(aggregate)}.{token(identifier)}.{token(what)}"


def evt_filter(aggregate: str, what: str) -> str:
    """The subscription filter of one kind of event over all accounts and ids."""
    return f"{ROOT}.evt.*.{token(aggregate)}.*.{token(what)}"


def agent_status(account: str, agent_id: str, kind: str) -> str:
    """What an agent says. registered, inventory and result are kept (stream AGENT), log in AGENTLOG; heartbeat
    and progress are core publishes."""
    return f"{ROOT}.agent.{token(account)}.{token(agent_id)}.status.{token(kind)}"


def agent_status_filter(kind: str) -> str:
    """The subscription filter of one kind of status over all accounts and agents."""
    return f"{ROOT}.agent.*.*.status.{token(kind)}"


def agent_command(account: str, agent_id: str, verb: str) -> str:
    """A command to one agent, as a request that the agent acknowledges."""
    return f"{ROOT}.agent.{token(account)}.{token(agent_id)}.cmd.{token(verb)}"


def enrol(account: str, credential_id: str) -> str:
    """The one request that a first login (access key or one-time token) may make."""
    return f"{ROOT}.enrol.{token(account)}.{token(credential_id)}"


def host(verb: str) -> str:
    """Requests of the provisioner's local provider to the host agent."""
    return f"{ROOT}.host.{token(verb)}"


def audit(account: str, what: str) -> str:
    """Records that are no events of an aggregate, such as denials: JetStream stream AUDIT."""
    return f"{ROOT}.audit.{token(account)}.{token(what)}"


def dlq(service: str) -> str:
    """Messages that a service gave up on: JetStream stream DLQ."""
    return f"{ROOT}.dlq.{token(service)}"


def owner_of_agent_subject(subject: str) -> tuple[str, str]:
    """(account, agent id) of an agent's subject. Raises ValueError for any other subject.

    The bus lets an agent use its own subjects only, so this is who really spoke.
    """
    parts = subject.split(".")
    if len(parts) < 6 or parts[:3] != [*ROOT.split("."), "agent"]:
        raise ValueError(f"not an agent's subject: {subject!r}")
    return parts[3], parts[4]
