"""Who is there: agent sessions by their heartbeats, and two agents that claim to be one server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# A restarted agent's last heartbeat may arrive just behind the first one of its successor.
OVERLAP_S: Final = 2.0
# What is remembered of a server's earlier sessions; a clash shows within two heartbeats.
_REMEMBERED_SESSIONS: Final = 8


@dataclass(frozen=True, kw_only=True)
class Presence:
    """The newest session of a server. Times are seconds of a monotonic clock.

    replaced: earlier sessions with the time at which another took their place. is_known: the registry has a
    record of this server and has written down that it is connected.
    """

    session_id: str
    seen_at_s: float
    replaced: tuple[tuple[str, float], ...] = ()
    is_known: bool = False


@dataclass(frozen=True)
class Heard:
    """What a heartbeat means. is_clash: a session that had been replaced is alive as well."""

    presence: Presence
    is_clash: bool


def hear(presence: Presence | None, session_id: str, *, now_s: float) -> Heard:
    """Take in a heartbeat. An agent that restarts has a new session, and its old one is never heard again."""
    if presence is None:
        return Heard(Presence(session_id=session_id, seen_at_s=now_s), is_clash=False)
    if presence.session_id in ("", session_id):
        # "" after a restart of the registry: any session may be the one that was connected.
        return Heard(_replace(presence, session_id=session_id, seen_at_s=now_s), is_clash=False)
    replaced_at_s = dict(presence.replaced).get(session_id)
    if replaced_at_s is not None:
        is_clash = now_s - replaced_at_s > OVERLAP_S
        return Heard(_replace(presence, seen_at_s=now_s), is_clash=is_clash)
    replaced = (*presence.replaced, (presence.session_id, now_s))[-_REMEMBERED_SESSIONS:]
    newer = Presence(session_id=session_id, seen_at_s=now_s, replaced=replaced, is_known=presence.is_known)
    return Heard(newer, is_clash=False)


def is_silent(presence: Presence, *, now_s: float, silence_s: float) -> bool:
    """Whether the server has not been heard for too long."""
    return now_s - presence.seen_at_s > silence_s


def _replace(presence: Presence, *, seen_at_s: float, session_id: str = "") -> Presence:
    return Presence(
        session_id=session_id or presence.session_id,
        seen_at_s=seen_at_s,
        replaced=presence.replaced,
        is_known=presence.is_known,
    )
