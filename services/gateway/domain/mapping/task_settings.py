"""Settings, limits and consistency results of tasks between the wire and the task service."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Final

from contracts.messages.task import TaskView
from contracts.speed_limit import SpeedPeriod
from contracts.task_settings import ConfigurationSetting, ConsistencyResult
from services.gateway.domain.wire.task_settings import (
    ConfigBody,
    ConfigSetting,
    ConsistencyOfDirectory,
    ConsistencyResultText,
    SpeedLimitEntry,
    SpeedLimitShown,
)

_ENGLISH: Final = (
    "Task ID",
    "Source server ID",
    "Source server",
    "Directory",
    "Files",
    "Different",
    "Missing on the target",
    "Extra on the target",
    "Result",
)
_CHINESE: Final = (
    "任务ID",
    "源端服务器ID",
    "源端服务器",
    "目录",
    "文件总数",
    "差异文件数",
    "目的端缺少文件数",
    "目的端多余文件数",
    "结果",
)
_WORDS: Final = {"consistent": "一致", "inconsistent": "不一致", "not checked": "未校验"}
# A spreadsheet takes a text that begins so for a formula; names of folders are the source's, and may be hostile.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def period_of(entry: SpeedLimitEntry) -> SpeedPeriod:
    """A period as the task service knows it; it checks it too."""
    return SpeedPeriod(
        start=entry.start, end=entry.end, rate_mbit_s=entry.speed, over_speed_percent=entry.over_speed_threshold
    )


def speed_limit(period: SpeedPeriod) -> SpeedLimitShown:
    """A period on the wire."""
    return SpeedLimitShown(
        start=period.start,
        end=period.end,
        speed=period.rate_mbit_s,
        over_speed_threshold=period.over_speed_percent,
    )


def setting_of(body: ConfigSetting) -> ConfigurationSetting:
    """A setting as the task service knows it; it checks it too."""
    return ConfigurationSetting(key=body.config_key, value=body.config_value)


def config_body(setting: ConfigurationSetting) -> ConfigBody:
    """A setting on the wire."""
    return ConfigBody(config_key=setting.key, config_value=setting.value, config_status=setting.status)


def migrate_type(migration_type: str) -> str:
    """The word for the kind of a migration of a Linux server."""
    return f"LINUX_MIGRATE_{migration_type.upper()}"


def consistency_texts(task: TaskView) -> list[str]:
    """The last verification as a JSON text; nothing before the first one."""
    if not task.consistency:
        return []
    text = ConsistencyResultText(
        finished_time=int(task.consistency_at.timestamp() * 1000) if task.consistency_at else None,
        check_result=_verdict(task.consistency),
        consistency_result=[
            ConsistencyOfDirectory(
                dir_check=found.directory,
                num_total_files=found.files,
                num_different_files=found.different,
                num_target_miss_files=found.missing,
                num_target_more_files=found.extra,
            )
            for found in task.consistency
        ],
    )
    return [text.model_dump_json(exclude_none=True)]


def consistency_table(tasks: Iterable[TaskView], language: str) -> bytes:
    """The results of many tasks as CSV (UTF-8 with a byte order mark, which spreadsheets want).

    language: as in X-Language; Chinese for zh-cn, else English. A task without a result has one row that says so.
    """
    is_chinese = language.lower().startswith("zh")
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_CHINESE if is_chinese else _ENGLISH)
    for task in tasks:
        verdict = _verdict(task.consistency)
        word = _WORDS[verdict] if is_chinese else verdict
        for found in task.consistency or (None,):
            counts = (found.files, found.different, found.missing, found.extra) if found else ("", "", "", "")
            directory = _plain(found.directory) if found else ""
            writer.writerow((task.id, task.server_id, _plain(task.server_name), directory, *counts, word))
    return text.getvalue().encode("utf-8-sig")


def _verdict(results: tuple[ConsistencyResult, ...]) -> str:
    if not results:
        return "not checked"
    is_consistent = not any(found.different or found.missing or found.extra for found in results)
    return "consistent" if is_consistent else "inconsistent"


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
