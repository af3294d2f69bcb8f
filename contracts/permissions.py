"""Who may say and hear what on the bus: everything that is not in `BUS_USERS` is refused by the bus itself.

Agents are not here: identity answers the bus's question about each of them at its login.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contracts.login import service_inbox
from contracts.subjects import ROOT

EVENT_STREAM: Final = "EVT"
COMMAND_STREAM: Final = "CMD"
AGENT_STREAM: Final = "AGENT"
AGENT_LOG_STREAM: Final = "AGENTLOG"
AUDIT_STREAM: Final = "AUDIT"

AUTHENTICATION_SUBJECT: Final = "$SYS.REQ.USER.AUTH"
LIST_CONNECTIONS_SUBJECT: Final = "$SYS.REQ.SERVER.PING.CONNZ"
CUT_CONNECTION_SUBJECT: Final = "$SYS.REQ.SERVER.{server_id}.KICK"
# A login of its own in the bus's system account: it lists and cuts connections and hears no message of SMS.
CONNECTION_CUTTER: Final = "identity_system"
HEALTH_USER: Final = "health"


@dataclass(frozen=True, kw_only=True)
class BusUser:
    """A service's login. says and hears: subjects it may publish and subscribe besides what every service has.

    reads: streams in which it has durable consumers. may_answer_anyone: identity alone answers logins, whose
    inboxes no pattern can list; it checks them itself. only_asks: nobody asks it anything, so it answers nobody.
    """

    name: str
    says: tuple[str, ...] = ()
    hears: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    has_streams: bool = True
    may_answer_anyone: bool = False
    only_asks: bool = False

    def publishes(self) -> tuple[str, ...]:
        """All subjects that it may publish to."""
        answers = () if self.only_asks else tuple(f"{service_inbox(other)}.>" for other in sorted(BUS_USERS))
        own = (f"{ROOT}.audit.*.>", f"{ROOT}.dlq.{self.name}", *_STREAM_API) if self.has_streams else ()
        consumers = tuple(subject for stream in self.reads for subject in _consumer_api(stream))
        return (*self.says, *own, *consumers, *answers)

    def subscribes(self) -> tuple[str, ...]:
        """All subjects that it may subscribe to."""
        inbox = f"{service_inbox(self.name)}.>"
        return (inbox,) if self.only_asks else (inbox, f"{ROOT}.req.{self.name}.>", *self.hears)


# Any service may be the first to start, so each may create the streams; none may delete or purge one.
_STREAM_API: Final = (
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.INFO.*",
    "$JS.API.STREAM.CREATE.*",
)


def _consumer_api(stream: str) -> tuple[str, ...]:
    return (
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.*",
        f"$JS.API.CONSUMER.INFO.{stream}.*",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.*",
        f"$JS.ACK.{stream}.>",
    )


_USERS: Final = (
    BusUser(
        name="registry",
        says=(
            f"{ROOT}.evt.*.server.>",
            f"{ROOT}.cmd.identity.refuse-agent",
            f"{ROOT}.req.task.>",
            f"{ROOT}.agent.*.*.cmd.collect-inventory",
            f"{ROOT}.agent.*.*.cmd.collect-log",
        ),
        hears=(f"{ROOT}.agent.*.*.status.>",),
        reads=(EVENT_STREAM, AGENT_STREAM, AGENT_LOG_STREAM, COMMAND_STREAM),
    ),
    BusUser(
        name="feasibility",
        says=(f"{ROOT}.evt.*.server.>", f"{ROOT}.req.registry.>"),
        reads=(EVENT_STREAM, COMMAND_STREAM),
    ),
    BusUser(
        name="task",
        says=(
            f"{ROOT}.evt.*.task.>",
            f"{ROOT}.evt.*.template.>",
            f"{ROOT}.evt.*.project.>",
            f"{ROOT}.evt.*.wave.>",
            f"{ROOT}.evt.*.agreement.>",
            f"{ROOT}.cmd.>",
            f"{ROOT}.agent.*.*.cmd.>",
            f"{ROOT}.req.registry.>",
            f"{ROOT}.req.feasibility.>",
            f"{ROOT}.req.certificate_issuer.>",
            f"{ROOT}.req.target_provisioner.>",
            f"{ROOT}.req.identity.issue-enrolment-token",
            f"{ROOT}.req.metering.check-balance",
        ),
        hears=(f"{ROOT}.agent.*.*.status.>",),
        reads=(EVENT_STREAM, AGENT_STREAM, COMMAND_STREAM),
    ),
    BusUser(
        name="certificate_issuer",
        says=(f"{ROOT}.evt.*.certificate.>",),
        reads=(EVENT_STREAM, COMMAND_STREAM),
    ),
    BusUser(
        name="target_provisioner",
        says=(f"{ROOT}.evt.*.target.>", f"{ROOT}.host.>", f"{ROOT}.req.identity.issue-enrolment-token"),
        reads=(EVENT_STREAM, COMMAND_STREAM),
    ),
    BusUser(
        name="identity",
        says=tuple(f"{ROOT}.evt.*.{aggregate}.>" for aggregate in ("credential", "account", "user", "group", "policy")),
        hears=(AUTHENTICATION_SUBJECT, f"{ROOT}.enrol.*.*"),
        reads=(COMMAND_STREAM,),
        may_answer_anyone=True,
    ),
    BusUser(
        name="metering",
        says=(f"{ROOT}.evt.*.task.*.cost-changed", f"{ROOT}.evt.*.cost.>"),
        reads=(EVENT_STREAM,),
    ),
    BusUser(
        name="notification",
        says=(f"{ROOT}.evt.*.notification.>",),
        hears=(f"{ROOT}.agent.*.*.status.progress",),
        reads=(EVENT_STREAM,),
    ),
    BusUser(name="audit", says=(f"{ROOT}.evt.*.trace.>",), reads=(EVENT_STREAM, AUDIT_STREAM)),
    # The face of all services. For agents that poll over HTTPS it stands on the agents' side of the bus.
    BusUser(
        name="gateway",
        says=(f"{ROOT}.req.>", f"{ROOT}.agent.*.*.status.>"),
        hears=(f"{ROOT}.agent.*.*.cmd.>",),
    ),
    BusUser(name="host", hears=(f"{ROOT}.host.>",), has_streams=False),
    # Supervisors and containers ask whether the services are well; users go through the gateway.
    BusUser(name=HEALTH_USER, says=(f"{ROOT}.req.*.health",), has_streams=False, only_asks=True),
)

BUS_USERS: Final = {user.name: user for user in _USERS}
