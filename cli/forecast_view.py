"""How a forecast looks on the command line."""

from __future__ import annotations

from cli.output import duration, print_fields, size
from contracts.forecast import SyncForecast

_VERDICTS = {True: "yes", False: "NO", None: "not known yet"}


def print_forecast(forecast: SyncForecast) -> None:
    """What is not known is left out; both rates stand behind the verdict."""
    write, link = forecast.write_rate_bytes_s, forecast.link_rate_bytes_s
    figures = (
        f": {size(write)}/s are written, {size(link)}/s are sent" if write is not None and link is not None else ""
    )
    fields = {
        "lag": duration(forecast.lag_s) if forecast.lag_s is not None else "",
        "backlog": size(forecast.backlog_bytes) if forecast.backlog_bytes else "",
        "sync converges": f"{_VERDICTS[forecast.converges]}{figures}",
        "in step in": duration(forecast.finish_s) if forecast.finish_s is not None else "",
        "expected downtime": duration(forecast.downtime_s) if forecast.downtime_s is not None else "",
    }
    print_fields({name: text for name, text in fields.items() if text})
