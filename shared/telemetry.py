"""Structured logs: one JSON object per line on stderr, an event name with fields."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

_logger: Final = logging.getLogger("sms")
_context: ContextVar[Mapping[str, str]] = ContextVar("telemetry", default=MappingProxyType({}))

_SECRET_NAME: Final = re.compile(
    r"secret|password|passphrase|seed|private|signature|authorization|credential$|(^|_)(token|sk|api_?key|ca_key)$",
    re.IGNORECASE,
)
_SECRET_VALUE: Final = re.compile(r"\bS[UANOCX][A-Z2-7]{56}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*", re.ASCII)
MASK: Final = "***"


def masked(name: str, value: Any) -> Any:
    """The value as it may be logged: hidden when its name says secret, or when it looks like a key."""
    if _SECRET_NAME.search(name) and not isinstance(value, bool):
        return MASK
    if isinstance(value, Mapping):
        return {str(key): masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [masked("", inner) for inner in value]
    if isinstance(value, (int, float, bool)) or value is None:
        return value
    return _SECRET_VALUE.sub(MASK, str(value))


@contextmanager
def bound(**fields: str) -> Iterator[None]:
    """Add fields (account, task_id, correlation_id) to every line that is logged inside; empty ones are left out."""
    mark = _context.set({**_context.get(), **{name: value for name, value in fields.items() if value}})
    try:
        yield
    finally:
        _context.reset(mark)


def log(event: str, *, level: int = logging.INFO, error: BaseException | None = None, **fields: object) -> None:
    """Write one line. event: a fixed name ("outbox published"); what varies belongs into the fields."""
    _emit(event, level, error, fields)


def _emit(event: str, level: int, error: BaseException | None, fields: Mapping[str, object]) -> None:
    if not _logger.isEnabledFor(level):
        return
    named = dict(fields)
    if error is not None:
        named |= {"error_type": type(error).__name__, "error": str(error)}
    _logger.log(level, event, extra={"sms_fields": named}, exc_info=error if level >= logging.ERROR else None)


class step:  # noqa: N801 - it is used like a function
    """Long work: logs its start, and its outcome and seconds at the end; for ``with`` and ``async with``."""

    def __init__(self, name: str, **fields: object) -> None:
        self._name = name
        self._fields = fields
        self._started_at = 0.0

    def __enter__(self) -> Self:
        self._started_at = time.monotonic()
        _emit("step started", logging.INFO, None, {"step": self._name, **self._fields})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        outcome = {"step": self._name, "seconds": round(time.monotonic() - self._started_at, 3), **self._fields}
        if kind is None:
            _emit("step done", logging.INFO, None, outcome)
            return
        level = logging.WARNING if isinstance(error, Exception) else logging.INFO
        _emit("step failed", level, error, outcome)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


class _JsonLines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "event": masked("", record.getMessage()),
            **_context.get(),
        }
        fields = getattr(record, "sms_fields", {})
        line |= {name: masked(name, value) for name, value in fields.items()}
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = masked("", self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(service: str, level: str) -> None:
    """Send everything to stderr as JSON lines; libraries only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # The framework brings a handler with colours.
    framework = logging.getLogger("faststream")
    framework.handlers[:] = []
    framework.propagate = True
    framework.setLevel(logging.WARNING)
    _logger.setLevel(level)
