"""Between the verbs of agent commands and the words of the v3 contract: pure.

The contract has no word for a comparison of source and replica: it is a SYNC whose parameters say ``verify``. SKIP,
PREMIGRATE and RSET_LOG_ACL are never sent: no service has such a command.
"""

from __future__ import annotations

from typing import Final

from services.gateway.domain.http_agents import AgentTask

UPLOAD_LOG: Final = "UPLOAD_LOG"
NOTHING_STARTED: Final = "TASK_NOT_STARTED"
HAS_STOPPED: Final = "TASK_HAS_STOPPED"
HAS_FINISHED: Final = "TASK_HAS_FINISHED"
_WORDS: Final = {
    "copy": "START",
    "sync": "SYNC",
    "verify": "SYNC",
    "stop-work": "STOP",
    "forget-task": "DELETE",
}


def word_of(verb: str) -> str:
    """The word under which an agent of HTTP gets a command."""
    return _WORDS[verb]


def newest(tasks: list[AgentTask]) -> AgentTask | None:
    """The task that its agent is told of: the one with an open command, otherwise the one that came last."""
    return max(tasks, key=lambda task: (task.state == "open", not task.has_ended, task.changed_at), default=None)


def idle_word(task: AgentTask | None) -> str:
    """What an agent is told that has nothing to do."""
    if task is None:
        return NOTHING_STARTED
    if task.has_ended:
        return HAS_FINISHED
    return HAS_STOPPED if task.verb == "stop-work" else NOTHING_STARTED
