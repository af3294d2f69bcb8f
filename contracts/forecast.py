"""Where a task that keeps its target in step is heading."""

from __future__ import annotations

from datetime import datetime

from contracts.base import Model


class SyncForecast(Model):
    """lag_s: age of the oldest change that the target does not have; where the source does not say, since the newest
    round began. backlog_bytes: of contents that are known and not yet sent.

    write_rate_bytes_s: how fast contents change on the source. link_rate_bytes_s: how fast they can be sent, as
    measured. converges: whether rounds become shorter; None while one of the two is not known. finish_s: until the
    rest is small. downtime_s: of a cutover then, the target's boot included as it was last time.
    """

    lag_s: float | None = None
    backlog_bytes: int = 0
    write_rate_bytes_s: float | None = None
    link_rate_bytes_s: float | None = None
    converges: bool | None = None
    finish_s: float | None = None
    downtime_s: float | None = None


class Convergence(Model):
    """A verdict that was told, with the figures that it was drawn from. at: when it changed."""

    converges: bool
    write_rate_bytes_s: float
    link_rate_bytes_s: float
    at: datetime
