"""Settings, limits and measurements of a task on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.gateway.domain.wire.base import WireReply, WireRequest

Text = Annotated[str, Field(max_length=255)]


class SpeedLimitEntry(WireRequest):
    """A period of the day. start, end: HH:MM; speed: 0 to 1000 Mbit/s, 0 for no limit; threshold in %."""

    start: Annotated[str, Field(max_length=16)]
    end: Annotated[str, Field(max_length=16)]
    speed: int = 0
    over_speed_threshold: float | None = None


class SpeedLimit(WireRequest):
    """All periods of the task; an empty list removes them."""

    speed_limit: Annotated[list[SpeedLimitEntry], Field(max_length=1000)]


class SpeedLimitShown(WireReply):
    """A period of the day."""

    start: str
    end: str
    speed: int
    over_speed_threshold: float | None = None


class ShowsSpeedLimitsResponse(WireReply):
    """All periods, in the order of the day."""

    speed_limit: list[SpeedLimitShown]


class ConfigSetting(WireRequest):
    """One key. An empty value removes it. config_status is what we answer, and passed over."""

    config_key: Annotated[str, Field(max_length=64)]
    config_value: Annotated[str, Field(max_length=16384)]
    config_status: str | None = None


class ConfigurationRequestBody(WireRequest):
    """Keys to be set."""

    configurations: Annotated[list[ConfigSetting], Field(min_length=1, max_length=64)]


class ConfigBody(WireReply):
    """One key. config_status: ACTIVE when this version acts on it, RECORDED when it only keeps it."""

    config_key: str
    config_value: str
    config_status: str


class ShowConfigSettingResponse(WireReply):
    """migrate_type: LINUX_MIGRATE_FILE."""

    task_id: str
    migrate_type: str
    configurations: list[ConfigBody]


class ShowConsistencyResultResponse(WireReply):
    """result_list: one JSON text for each verification that is known, the newest: finished_time (ms), check_result
    (consistent, inconsistent) and consistency_result, a list with dir_check, num_total_files, num_different_files,
    num_target_miss_files, num_target_more_files for each directory."""

    task_id: str
    result_list: list[str]


class ConsistencyOfDirectory(WireReply):
    """What the verification found below one directory."""

    dir_check: str
    num_total_files: int
    num_different_files: int
    num_target_miss_files: int
    num_target_more_files: int


class ConsistencyResultText(WireReply):
    """What each text of result_list holds."""

    finished_time: int | None = None
    check_result: str
    consistency_result: list[ConsistencyOfDirectory]


class ConsistencyOf(WireRequest):
    """A task to be exported. The source's id and name are what the client calls it; ours are used."""

    task_id: Text
    source_id: Text | None = None
    source_name: Text | None = None


class BatchGetConsistencyResultReq(WireRequest):
    """Tasks to be exported."""

    task_info: Annotated[list[ConsistencyOf], Field(min_length=1, max_length=1000)]


class UploadLogRequestBody(WireRequest):
    """log_bucket: where the vendor puts the log; ours stays with the registry, whatever the name."""

    log_bucket: Text


class NetworkCheckInfo(WireReply):
    """What the agent has measured of the way to the target: ms, Mbit/s, %."""

    domain_connectivity: bool | None = None
    destination_connectivity: bool | None = None
    network_delay: float
    network_jitter: float
    migration_speed: float
    loss_percentage: float
    cpu_usage: float
    mem_usage: float
    evaluation_result: str
