"""What a user sets on a task besides its layout, and what agents measure for it: values that messages carry."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from contracts.base import Model


class ConfigurationKey(StrEnum):
    """The per-task settings of the v3 contract."""

    MIGRATE_EXCLUDE_DIR = "MIGRATE_EXCLUDE_DIR"
    SYNC_EXCLUDE_DIR = "SYNC_EXCLUDE_DIR"
    ONLY_SYNC_DIR = "ONLY_SYNC_DIR"
    CONSISTENCY_DIR = "CONSISTENCY_DIR"
    CONSISTENCY_DIR_ILLEGAL = "CONSISTENCY_DIR_ILLEGAL"
    CONSISTENCY_MODE = "CONSISTENCY_MODE"
    CONSISTENCY_RECHECK = "CONSISTENCY_RECHECK"
    MIGRATE_DST_IP = "MIGRATE_DST_IP"
    DYNAMIC_PORT = "DYNAMIC_PORT"
    NUM_PROCESS_MIGRATE = "NUM_PROCESS_MIGRATE"
    NUM_PROCESS_SYNC = "NUM_PROCESS_SYNC"
    LINUX_CPU_LIMIT = "LINUX_CPU_LIMIT"
    LINUX_MEM_LIMIT = "LINUX_MEM_LIMIT"
    LINUX_IO_LIMIT = "LINUX_IO_LIMIT"
    LINUX_BLOCK_COMPRESS_THREAD_NUM = "LINUX_BLOCK_COMPRESS_THREAD_NUM"
    LINUX_BLOCK_CACHE_SIZE = "LINUX_BLOCK_CACHE_SIZE"
    INSTALL_PWD_AGENT = "INSTALL_PWD_AGENT"  # noqa: S105 - a key of the contract, no secret


class ConfigurationSetting(Model):
    """One setting. status: ``ACTIVE`` when this version acts on it, ``RECORDED`` when it only keeps it."""

    key: str
    value: str
    status: Literal["ACTIVE", "RECORDED"] = "RECORDED"


class NetworkCheck(Model):
    """What an agent has measured of the way to the target.

    verdict: good, usable or poor; of an agent that speaks HTTP its own word. loss_percent: segments that TCP had to
    send again. limit_mbit_s: of the task, which the measurement obeyed; None for none. bytes_to_copy, forecast_s: what
    a full copy has to bring across as it is, and how long that takes at this bandwidth; None without one.
    """

    has_domain_connectivity: bool | None = None
    has_target_connectivity: bool | None = None
    delay_ms: float
    jitter_ms: float
    bandwidth_mbit_s: float
    loss_percent: float
    cpu_percent: float
    memory_percent: float
    verdict: str
    taken_at: datetime | None = None
    limit_mbit_s: float | None = None
    bytes_to_copy: int = 0
    forecast_s: float | None = None


class ConsistencyResult(Model):
    """What a verification found below one directory."""

    directory: str
    files: int = 0
    different: int = 0
    missing: int = 0
    extra: int = 0


class TaskAttributes(Model):
    """What the v3 contract lets a user say about a task and what is only kept and shown: with the local provider
    there is one region and one address. target_name: what the user calls the target."""

    os_type: str = "LINUX"
    region_id: str = ""
    region_name: str = ""
    project_id: str = ""
    project_name: str = ""
    enterprise_project_id: str = ""
    migration_ip: str = ""
    uses_ipv6: bool = False
    target_name: str = ""


class WishedVolume(Model):
    """A partition of the target as the user wants it. name: the source's, with or without ``/dev/``."""

    name: str
    size_bytes: int


class WishedDisk(Model):
    """A disk of the target as the user wants it. name: the source's or target's, or ``disk N`` for the N-th of the
    source, from 0."""

    name: str
    size_bytes: int | None = None
    volumes: tuple[WishedVolume, ...] = ()
