"""An agent on the bus: enrolment, login, commands, statuses that survive everything. See `session.AgentSession`."""

from agents.session.agent_log import keep_log
from agents.session.credential import Credential
from agents.session.session import AgentSession

__all__ = ["AgentSession", "Credential", "keep_log"]
