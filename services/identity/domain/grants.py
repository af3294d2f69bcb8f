"""What a genuine login may say and hear on the bus, and nothing besides."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.login import LoginForm, agent_inbox, enrol_inbox, events_inbox, user_name
from contracts.subjects import ROOT, enrol, token

# A first login is for one request; the bus cuts it afterwards whatever it does.
ENROL_CONNECTION_S = 60
# An agent answers a command at once; the work itself is reported by a status.
_ANSWER_WITHIN_S = 60


@dataclass(frozen=True, kw_only=True)
class Grant:
    """Permissions of one connection. name: the bus user that CONNZ lists. answer_within_s: 0 for a client that
    answers nothing. connection_s: after which the bus closes the connection, None for never."""

    name: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    answer_within_s: int = 0
    connection_s: int | None = None


def grant_enrolment(form: LoginForm, account: str, credential_id: str) -> Grant:
    """An access key or a token may enrol, and receive the reply to it."""
    return Grant(
        name=user_name(form, credential_id),
        publish=(enrol(account, credential_id),),
        subscribe=(f"{enrol_inbox(credential_id)}.>",),
        connection_s=ENROL_CONNECTION_S,
    )


def grant_events(account: str, access_key: str) -> Grant:
    """A subscriber hears its own account's events and says nothing."""
    return Grant(
        name=user_name("events", access_key),
        publish=(),
        subscribe=(f"{ROOT}.evt.{token(account)}.>", f"{events_inbox(token(access_key))}.>"),
    )


def grant_agent(account: str, agent_id: str) -> Grant:
    """An agent may report its own statuses, hear its own commands and answer each of them once."""
    own = f"{ROOT}.agent.{token(account)}.{token(agent_id)}"
    return Grant(
        name=user_name("agent", agent_id),
        publish=(f"{own}.status.>",),
        subscribe=(f"{own}.cmd.>", f"{agent_inbox(agent_id)}.>"),
        answer_within_s=_ANSWER_WITHIN_S,
    )
