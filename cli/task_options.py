"""`--option KEY=VALUE` of `sms task create`, as text, into a task's options."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from contracts.errors import MigrationError
from contracts.errors.cli import USAGE
from contracts.messages.task import TaskOptions

_UNITS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

HELP: Final = """\
exclude=/path (again for more) · rate-limit=100M (bit/s) · disk.NAME.size=40G · partition.NAME.size=30G ·
forward=HOST_PORT:PORT · health.port=80 · health.path=/ready · health.timeout=300 · cpus=2 · memory=1G ·
rehearse=rounds (rehearse after every sync round) · helper=vm (copy and adapt in a machine of its own) ·
identity=new (another machine id, SSH host keys and DHCP, for a target that lives beside its source)"""


def parse_options(texts: Sequence[str]) -> TaskOptions:
    """Read the options. Raises MigrationError SMS.CLI.USAGE for an unknown key or a value that does not fit."""
    values: dict[str, Any] = {"health_check": {}, "layout_options": {}, "excludes": [], "forwards": []}
    for text in texts:
        key, separator, value = text.partition("=")
        try:
            if not separator:
                raise ValueError("KEY=VALUE is needed")
            _set(values, key.strip(), value.strip())
        except ValueError as error:
            raise MigrationError(USAGE, reason=f"--option {text}: {error}.", command="sms task create") from error
    return TaskOptions.model_validate(values)


def _set(values: dict[str, Any], key: str, value: str) -> None:
    if re.fullmatch(r"(disk|partition)\.[^.]+\.size", key):
        values["layout_options"][key] = value
    elif key in _READERS:
        _READERS[key](values, value)
    else:
        raise ValueError(f"unknown option {key!r}")


def _exclude(values: dict[str, Any], value: str) -> None:
    if not value.startswith("/"):
        raise ValueError("an absolute path of the source is needed")
    values["excludes"].append(value)


def _rate_limit(values: dict[str, Any], value: str) -> None:
    values["rate_limit_bit_s"] = _number(value, _UNITS)


def _forward(values: dict[str, Any], value: str) -> None:
    host_port, separator, target_port = value.rpartition(":")
    values["forwards"].append({"target_port": _port(target_port), "host_port": _port(host_port) if separator else 0})


def _health_port(values: dict[str, Any], value: str) -> None:
    values["health_check"]["tcp_port"] = _port(value)


def _health_path(values: dict[str, Any], value: str) -> None:
    values["health_check"]["http_path"] = value


def _health_timeout(values: dict[str, Any], value: str) -> None:
    values["health_check"]["timeout_s"] = int(value)


def _cpus(values: dict[str, Any], value: str) -> None:
    values["cpu_count"] = int(value)


def _memory(values: dict[str, Any], value: str) -> None:
    values["memory_bytes"] = _number(value, _BINARY_UNITS)


def _rehearse(values: dict[str, Any], value: str) -> None:
    if value not in {"rounds", "never"}:
        raise ValueError("rounds or never is needed")
    values["rehearses_rounds"] = value == "rounds"


def _helper(values: dict[str, Any], value: str) -> None:
    if value not in {"auto", "process", "vm"}:
        raise ValueError("auto, process or vm is needed")
    values["helper"] = value


def _identity(values: dict[str, Any], value: str) -> None:
    if value not in {"keep", "new"}:
        raise ValueError("keep or new is needed")
    values["identity"] = value


_READERS: Final[dict[str, Callable[[dict[str, Any], str], None]]] = {
    "exclude": _exclude,
    "rate-limit": _rate_limit,
    "forward": _forward,
    "health.port": _health_port,
    "health.path": _health_path,
    "health.timeout": _health_timeout,
    "cpus": _cpus,
    "memory": _memory,
    "rehearse": _rehearse,
    "helper": _helper,
    "identity": _identity,
}


def _number(text: str, units: dict[str, int]) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]?)", text)
    if match is None or match[2] not in units:
        raise ValueError(f"a number with one of {', '.join(unit for unit in units if unit)} is needed")
    return round(float(match[1]) * units[match[2]])


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise ValueError("a port is 1 to 65535")
    return number
