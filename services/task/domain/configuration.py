"""The per-task settings of the v3 contract: which there are, what is accepted, and what they do to a transfer. Pure."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.agent_limits import AgentLimits
from contracts.errors import MigrationError
from contracts.errors.task_settings import TASK_SETTING_INVALID, TASK_SETTING_UNKNOWN
from contracts.task_settings import ConfigurationKey, ConfigurationSetting

_LONGEST: Final = 8192
_SEPARATOR: Final = re.compile(r"[,;\n]")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class _Rule:
    """is_wrong: why a value is not accepted, None if it is. expected: what is. is_active: this version acts on it."""

    is_wrong: Callable[[str], str | None]
    expected: str
    is_active: bool = False


def paths_in(value: str) -> tuple[str, ...]:
    """The folders that a value lists, separated by commas, semicolons or line ends."""
    return tuple(path.strip() for path in _SEPARATOR.split(value) if path.strip())


def _no_paths(value: str) -> str | None:
    for path in paths_in(value):
        plain = path.removesuffix("/*")
        if not path.startswith("/") or "\0" in path:
            return f"{path} is no absolute path"
        if posixpath.normpath(plain or "/") != (plain.rstrip("/") or "/"):
            return f"{path} is not written out"
    return None if paths_in(value) else "it names no folder"


def _no_number(lowest: int, highest: int) -> Callable[[str], str | None]:
    def is_wrong(value: str) -> str | None:
        if not (value.isascii() and value.isdecimal()):
            return "it is no whole number"
        return None if lowest <= int(value) <= highest else "it is out of range"

    return is_wrong


def _no_boolean(value: str) -> str | None:
    return None if value in {"true", "false"} else "it is neither true nor false"


def _no_address(value: str) -> str | None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "it is no IP address"
    return None


def _no_word(value: str) -> str | None:
    return None if _WORD.fullmatch(value) else "it is no word"


_LIMITS: Final = (
    ConfigurationKey.LINUX_CPU_LIMIT,
    ConfigurationKey.LINUX_MEM_LIMIT,
    ConfigurationKey.LINUX_IO_LIMIT,
)
_FOLDERS: Final = "absolute paths of folders, separated by commas"
_RULES: Final[dict[ConfigurationKey, _Rule]] = {
    ConfigurationKey.MIGRATE_EXCLUDE_DIR: _Rule(_no_paths, _FOLDERS, is_active=True),
    ConfigurationKey.SYNC_EXCLUDE_DIR: _Rule(_no_paths, _FOLDERS, is_active=True),
    ConfigurationKey.ONLY_SYNC_DIR: _Rule(_no_paths, _FOLDERS, is_active=True),
    ConfigurationKey.CONSISTENCY_DIR: _Rule(_no_paths, _FOLDERS, is_active=True),
    ConfigurationKey.CONSISTENCY_DIR_ILLEGAL: _Rule(_no_paths, _FOLDERS),
    ConfigurationKey.CONSISTENCY_MODE: _Rule(_no_word, "a word of letters, digits, - and _"),
    ConfigurationKey.CONSISTENCY_RECHECK: _Rule(_no_boolean, "true or false"),
    ConfigurationKey.MIGRATE_DST_IP: _Rule(_no_address, "an IPv4 or IPv6 address"),
    ConfigurationKey.DYNAMIC_PORT: _Rule(_no_boolean, "true or false"),
    ConfigurationKey.NUM_PROCESS_MIGRATE: _Rule(_no_number(1, 64), "1 to 64"),
    ConfigurationKey.NUM_PROCESS_SYNC: _Rule(_no_number(1, 64), "1 to 64"),
    ConfigurationKey.LINUX_CPU_LIMIT: _Rule(_no_number(1, 100), "1 to 100 (% of all CPUs)", is_active=True),
    ConfigurationKey.LINUX_MEM_LIMIT: _Rule(_no_number(1, 1 << 22), "1 to 4194304 (MB)", is_active=True),
    ConfigurationKey.LINUX_IO_LIMIT: _Rule(_no_number(1, 1 << 20), "1 to 1048576 (MB/s)", is_active=True),
    ConfigurationKey.LINUX_BLOCK_COMPRESS_THREAD_NUM: _Rule(_no_number(1, 64), "1 to 64"),
    ConfigurationKey.LINUX_BLOCK_CACHE_SIZE: _Rule(_no_number(1, 1 << 20), "1 to 1048576 (MB)"),
    ConfigurationKey.INSTALL_PWD_AGENT: _Rule(_no_boolean, "true or false"),
}


def checked_key(key: str) -> ConfigurationKey:
    """Raises MigrationError SMS.TASK.SETTING_UNKNOWN."""
    try:
        return ConfigurationKey(key)
    except ValueError as error:
        raise MigrationError(TASK_SETTING_UNKNOWN, key=key[:64], known=", ".join(ConfigurationKey)) from error


def configured(
    present: Sequence[ConfigurationSetting], wanted: Iterable[ConfigurationSetting]
) -> tuple[ConfigurationSetting, ...]:
    """The settings after a request. An empty value removes one. Raises MigrationError SMS.TASK.SETTING_*."""
    settings = {setting.key: setting for setting in present}
    for setting in wanted:
        key = checked_key(setting.key)
        if not setting.value:
            settings.pop(key, None)
            continue
        rule = _RULES[key]
        reason = rule.is_wrong(setting.value) if len(setting.value) <= _LONGEST else f"it is longer than {_LONGEST}"
        if reason:
            raise MigrationError(
                TASK_SETTING_INVALID, setting=key, value=setting.value[:200], reason=reason, expected=rule.expected
            )
        status = "ACTIVE" if rule.is_active else "RECORDED"
        settings[key] = ConfigurationSetting(key=key, value=setting.value, status=status)
    return tuple(settings[key] for key in sorted(settings))


def folders_of(settings: Sequence[ConfigurationSetting], *keys: ConfigurationKey) -> tuple[str, ...]:
    """The folders that these settings list."""
    return tuple(path for setting in settings if setting.key in keys for path in paths_in(setting.value))


def agent_limits_of(settings: Sequence[ConfigurationSetting]) -> AgentLimits:
    """What the source agent may take of its server."""
    known = {setting.key: int(setting.value) for setting in settings if setting.key in _LIMITS}
    memory_mb, io_mb_s = known.get(ConfigurationKey.LINUX_MEM_LIMIT), known.get(ConfigurationKey.LINUX_IO_LIMIT)
    return AgentLimits(
        cpu_percent=known.get(ConfigurationKey.LINUX_CPU_LIMIT),
        memory_bytes=None if memory_mb is None else memory_mb << 20,
        io_bytes_s=None if io_mb_s is None else io_mb_s * 1_000_000,
    )
