"""Lag, backlog, convergence, time to finish and expected downtime, from rounds and the newest progress: pure.

A round has to send what changed during the one before it. With w the rate at which contents change, l the rate at which
they are sent, and v the time that a round takes for looking alone, a round takes d' = v + (w/l)·d: for w < l the rounds
come down to v / (1 - w/l), and for w >= l they never end getting longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from contracts.forecast import Convergence, SyncForecast
from contracts.messages.forecast import ConvergenceChanged
from contracts.transfer import CopySummary, FollowedRound, TransferProgress
from services.task.domain.phases import Step
from services.task.domain.task import Task

# Both rates are measured and waver: what is lost must be lost clearly, and what is won too.
_HOPELESS: Final = 1.0
_SAFE: Final = 0.8
_SMALL_S: Final = 3.0
_MOST_ROUNDS: Final = 50
# Too little to say at what rate it was sent.
_TELLING_BYTES: Final = 1 << 20
_SHORTEST_S: Final = 0.001
_LAUNCH_STEPS: Final = (Step.DETACH, Step.TAKE_POINT, Step.CREATE_LAYER, Step.PLAN, Step.ADAPT, Step.LAUNCH)


def forecast(task: Task, progress: TransferProgress | None, now: datetime) -> SyncForecast | None:
    """None before anything has been copied and while nothing is."""
    if progress is None and not task.rounds:
        return None
    write, link = _known_rates(task, progress)
    looking_s = _looking_s(task.rounds)
    backlog = max(0, progress.bytes_total - progress.bytes_done) if progress else 0
    last_s = settled_round_s(looking_s, write, link)
    return SyncForecast(
        lag_s=_lag_s(task, progress, now),
        backlog_bytes=backlog,
        write_rate_bytes_s=write,
        link_rate_bytes_s=link,
        converges=converges(write, link, before=task.convergence),
        finish_s=finish_s(progress, looking_s, write, link),
        downtime_s=None if last_s is None else round(last_s + _launch_s(task), 1),
    )


def write_rate(rounds: Sequence[CopySummary]) -> float | None:
    """Contents that the newest sync round had to send, by the time in which they had changed."""
    if len(rounds) < 2:
        return None
    newest, before = rounds[-1], rounds[-2]
    if newest.began_at is None or before.began_at is None or newest.round_number == 0:
        return None
    seconds = (newest.began_at - before.began_at).total_seconds()
    return newest.bytes_content / seconds if seconds > 0 else None


def link_rate(rounds: Sequence[CopySummary], progress: TransferProgress | None) -> float | None:
    """What runs now says it best; otherwise the fastest of the rounds that had something to send."""
    if progress is not None and progress.smoothed_rate_bytes_s > 0 and progress.stage == "copying":
        return progress.smoothed_rate_bytes_s
    rates = [each.bytes_content / each.seconds for each in rounds if each.seconds > 0 and _tells(each)]
    return max(rates) if rates else None


def converges(write: float | None, link: float | None, *, before: Convergence | None) -> bool | None:
    """A verdict stays what it was between clearly good and clearly bad."""
    if write is None or link is None:
        return None
    share = write / link if link > 0 else _HOPELESS
    if share >= _HOPELESS:
        return False
    return True if share <= _SAFE or before is None else before.converges


def settled_round_s(looking_s: float | None, write: float | None, link: float | None) -> float | None:
    """How long the last round of a cutover will take; None when rounds do not come to rest, or it is not known."""
    if looking_s is None or write is None or link is None or write >= link:
        return None
    return looking_s / (1 - write / link)


def finish_s(
    progress: TransferProgress | None, looking_s: float | None, write: float | None, link: float | None
) -> float | None:
    """Until the round that runs has ended and the next ones have come down to their end."""
    if progress is None or progress.seconds_left is None:
        return None
    settled_s = settled_round_s(looking_s, write, link)
    if looking_s is None or write is None or link is None or settled_s is None:
        # Only what runs is known.
        return round(progress.seconds_left, 1) if write is None else None
    round_s, total_s = progress.seconds + progress.seconds_left, progress.seconds_left
    for _ in range(_MOST_ROUNDS):
        if round_s <= max(_SMALL_S, settled_s * 1.1):
            break
        round_s = looking_s + round_s * write / link
        total_s += round_s
    return round(total_s, 1)


def changed_convergence(task: Task, at: datetime) -> Convergence | None:
    """The verdict after a round, when it is another one than was told."""
    write, link = write_rate(task.rounds), link_rate(task.rounds, None)
    verdict = converges(write, link, before=task.convergence)
    return _changed(task, write, link, at, verdict=verdict)


def followed_convergence(task: Task, before: FollowedRound, newest: FollowedRound, at: datetime) -> Convergence | None:
    """The verdict on a sync that goes on, when it is another one than was told. One round that takes longer than the
    time in which its changes came may have met a single large file; two in a row are a trend."""
    write, link = _rates(newest, task.convergence)
    verdict = converges(write, link, before=task.convergence)
    if verdict is False and converges(*_rates(before, None), before=task.convergence) is not False:
        return None
    return _changed(task, write, link, at, verdict=verdict)


def convergence_event(task: Task) -> ConvergenceChanged | None:
    """The event of a transition that brought another verdict; None for any other."""
    told, entry = task.convergence, task.last_entry
    if told is None or entry is None or told.at != entry.at:
        return None
    return ConvergenceChanged(
        task_id=task.id,
        server_id=task.server_id,
        server_name=task.server_name,
        converges=told.converges,
        write_rate_bytes_s=told.write_rate_bytes_s,
        link_rate_bytes_s=told.link_rate_bytes_s,
    )


def _known_rates(task: Task, progress: TransferProgress | None) -> tuple[float | None, float | None]:
    """Write rate and link rate. What runs says nothing of the link in a sync that goes on: its rounds send no more than
    what is written, however fast they could."""
    if not task.is_following:
        return write_rate(task.rounds), link_rate(task.rounds, progress)
    if task.convergence is not None:
        return task.convergence.write_rate_bytes_s, task.convergence.link_rate_bytes_s
    return write_rate(task.rounds), link_rate(task.rounds, None)


def _changed(
    task: Task, write: float | None, link: float | None, at: datetime, *, verdict: bool | None
) -> Convergence | None:
    known = task.convergence.converges if task.convergence else True
    if verdict is None or write is None or link is None or verdict == known:
        return None
    return Convergence(converges=verdict, write_rate_bytes_s=round(write), link_rate_bytes_s=round(link), at=at)


def _rates(followed: FollowedRound, told: Convergence | None) -> tuple[float | None, float | None]:
    """Write rate and link rate; None where they are not known. A round that had nothing to send leaves the link as it
    was told."""
    if followed.after_s < _SHORTEST_S or followed.seconds < _SHORTEST_S:
        return None, None
    write = followed.bytes_content / followed.after_s
    if not followed.bytes_content:
        return write, told.link_rate_bytes_s if told else None
    return write, followed.bytes_content / followed.seconds


def _tells(summary: CopySummary) -> bool:
    return summary.bytes_content >= _TELLING_BYTES


def _looking_s(rounds: Sequence[CopySummary]) -> float | None:
    """The shortest sync round: it had the least to send."""
    seconds = [each.seconds for each in rounds if each.round_number > 0]
    return min(seconds) if seconds else None


def _lag_s(task: Task, progress: TransferProgress | None, now: datetime) -> float | None:
    """The agent's own word while it looks: a sync that goes on finishes no round. Otherwise: what had changed when the
    newest finished round began is on the target."""
    if progress is not None and progress.lag_s is not None:
        return progress.lag_s
    since = task.replica_from
    return max(0.0, round((now - since).total_seconds(), 1)) if since else None


def _launch_s(task: Task) -> float:
    runs = (task.steps.get(step) for step in _LAUNCH_STEPS)
    return sum((run.ended_at - run.began_at).total_seconds() for run in runs if run and run.ended_at)
