"""From what agents report over HTTP to the statuses of an agent on the bus, and from commands to their parameters."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Final

import zstandard
from pydantic import JsonValue

from contracts.messages.agent import (
    AgentLoad,
    AgentProgress,
    AgentResult,
    CopyVolumes,
    SyncVolumes,
    TransferCommand,
    VerifyVolumes,
)
from contracts.messages.agent_log import LOG_CHUNK_BYTES, LOG_TEXT_BYTES, AgentLogChunk
from contracts.speed_limit import SpeedLimits
from contracts.task_settings import ConsistencyResult, NetworkCheck
from contracts.transfer import (
    CopySummary,
    DirectoryVerification,
    TransferProgress,
    VerificationReport,
    VolumeProgress,
)
from services.gateway.domain.agent_words import word_of
from services.gateway.domain.http_agents import AgentTask
from services.gateway.domain.wire.agents import (
    CommandParam,
    DirectoryResult,
    NetworkCheckInfoRequestBody,
    UpdateTaskSpeedReq,
)

_MIB: Final = 1 << 20
_MBIT: Final = 1_000_000
_DETAIL_CHARACTERS: Final = 500
_TIME_OF_DAY: Final = re.compile(r"(?:^|[T ])(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)(?::|$)")
_TRANSFERS: Final[dict[str, type[TransferCommand]]] = {
    "copy": CopyVolumes,
    "sync": SyncVolumes,
    "verify": VerifyVolumes,
}


def transfer_of(task: AgentTask) -> TransferCommand | None:
    """The open command, if it moves or compares data."""
    model = _TRANSFERS.get(task.verb)
    return model.model_validate_json(task.command_text) if model else None


def command_param(task: AgentTask) -> CommandParam:
    """What the agent needs for the open command."""
    command = transfer_of(task)
    if command is None:
        return CommandParam(task_id=task.id, verb=task.verb, epoch=task.epoch)
    limits = SpeedLimits.model_validate_json(task.limits_text) if task.limits_text else None
    rate_bit_s = limits.otherwise.rate_bit_s if limits else command.rate_limit_bit_s
    periods = limits.periods if limits else command.speed_limits
    return CommandParam(
        task_id=task.id,
        verb=task.verb,
        epoch=task.epoch,
        endpoints=list(command.endpoints),
        volumes=[volume.model_dump(mode="json") for volume in command.volumes],
        generation=command.generation,
        excludes=list(command.excludes),
        only_paths=list(command.only_paths),
        rate_limit_bit_s=rate_bit_s,
        speed_limits=[period.model_dump(mode="json") for period in periods],
        round_number=command.round_number if isinstance(command, SyncVolumes) else None,
        certificate=task.issue,
    )


def progress_of(task: AgentTask, body: UpdateTaskSpeedReq) -> AgentProgress:
    """A report of a running transfer, under the command's epoch."""
    done = min(body.replicatesize, body.totalsize) if body.totalsize else body.replicatesize
    rate_bytes_s = (body.migrate_speed or 0) * _MBIT / 8
    command = transfer_of(task)
    mount_point = command.volumes[0].mount_point if command and command.volumes else "/"
    return AgentProgress(
        task_id=task.id,
        epoch=task.epoch,
        verb=task.verb,
        progress=TransferProgress(
            task_id=task.id,
            stage="verifying" if task.verb == "verify" else "copying",
            round_number=command.round_number if isinstance(command, SyncVolumes) else 0,
            # The contract knows one sum for all file systems.
            volumes=(VolumeProgress(volume=0, mount_point=mount_point, bytes_done=done, bytes_total=body.totalsize),),
            bytes_done=done,
            bytes_total=body.totalsize,
            rate_bytes_s=rate_bytes_s,
            smoothed_rate_bytes_s=rate_bytes_s,
            seconds_left=body.remain_time,
            compression_ratio=body.compress_rate or 1.0,
        ),
        wire_rate_bit_s=None if body.migrate_speed is None else body.migrate_speed * _MBIT,
        minute_of_day=_minute_of_day(body.agent_time),
        load=_load(body),
        sub_task=body.subtask_name,
        trace=body.process_trace,
    )


def succeeded(task: AgentTask, progress: TransferProgress | None) -> AgentResult:
    """The result of a command that ended well. A summary has the figures of the last report: agents of HTTP give
    no others. A verification needs one that was reported (`consistency_text`)."""
    result = AgentResult(task_id=task.id, epoch=task.epoch, verb=task.verb)
    if task.verb == "verify":
        return result.model_copy(update={"verification": VerificationReport.model_validate_json(task.consistency_text)})
    if task.verb in {"copy", "sync"}:
        return result.model_copy(update={"summary": _summary(task, progress)})
    return result


def verification_of(results: list[DirectoryResult]) -> VerificationReport:
    """A comparison as the task service knows it."""
    return VerificationReport(
        files=sum(one.num_total_files for one in results),
        different=sum(one.num_different_files for one in results),
        missing=sum(one.num_target_miss_files for one in results),
        extra=sum(one.num_target_more_files for one in results),
        directories=tuple(
            DirectoryVerification(
                path=one.dir_check,
                files=one.num_total_files,
                different=one.num_different_files,
                missing=one.num_target_miss_files,
                extra=one.num_target_more_files,
            )
            for one in results
        ),
    )


def consistency_of(results: list[DirectoryResult]) -> tuple[ConsistencyResult, ...]:
    """The same, as it is kept when no verification was asked for."""
    return tuple(
        ConsistencyResult(
            directory=one.dir_check,
            files=one.num_total_files,
            different=one.num_different_files,
            missing=one.num_target_miss_files,
            extra=one.num_target_more_files,
        )
        for one in results
    )


def network_check_of(body: NetworkCheckInfoRequestBody) -> NetworkCheck:
    """What was measured."""
    return NetworkCheck(
        has_domain_connectivity=body.domain_connectivity,
        has_target_connectivity=body.destination_connectivity,
        delay_ms=body.network_delay,
        jitter_ms=body.network_jitter,
        bandwidth_mbit_s=body.migration_speed,
        loss_percent=body.loss_percentage,
        cpu_percent=body.cpu_usage,
        memory_percent=body.mem_usage,
        verdict=body.evaluation_result,
    )


def detail_text(detail: JsonValue) -> str:
    """An agent's explanation as one line of bounded length."""
    text = detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)
    line = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(line.split())[:_DETAIL_CHARACTERS] or "nothing"


def log_chunks_of(log_id: str, text: str) -> list[AgentLogChunk]:
    """A log as the statuses that bring it; the registry masks and bounds it, as every agent's."""
    newest = text.encode(errors="replace")[-LOG_TEXT_BYTES:]
    frame = zstandard.ZstdCompressor(level=6).compress(newest)
    parts = [frame[start : start + LOG_CHUNK_BYTES] for start in range(0, len(frame), LOG_CHUNK_BYTES)]
    digest = hashlib.sha256(frame).hexdigest()
    return [
        AgentLogChunk(
            log_id=log_id,
            number=number,
            count=len(parts),
            sha256=digest,
            content=base64.b64encode(part).decode(),
        )
        for number, part in enumerate(parts)
    ]


def command_name(task: AgentTask | None) -> str:
    """The open command's word, for a sentence."""
    return word_of(task.verb) if task and task.state == "open" else "none"


def _summary(task: AgentTask, progress: TransferProgress | None) -> CopySummary:
    command = transfer_of(task)
    round_number = command.round_number if isinstance(command, SyncVolumes) else 0
    if progress is None:
        return CopySummary(round_number=round_number)
    sent = progress.bytes_done
    ratio = progress.compression_ratio
    return CopySummary(
        round_number=round_number,
        bytes_total=progress.bytes_total,
        bytes_content=sent,
        bytes_sent=int(sent / ratio) if ratio > 0 else sent,
    )


def _load(body: UpdateTaskSpeedReq) -> AgentLoad | None:
    measured = (
        body.total_cpu_usage,
        body.agent_cpu_usage,
        body.total_mem_usage,
        body.agent_mem_usage,
        body.total_disk_io,
        body.agent_disk_io,
    )
    if all(one is None for one in measured):
        return None
    return AgentLoad(
        total_cpu_percent=body.total_cpu_usage or 0.0,
        agent_cpu_percent=body.agent_cpu_usage or 0.0,
        total_memory_bytes=int((body.total_mem_usage or 0) * _MIB),
        agent_memory_bytes=int((body.agent_mem_usage or 0) * _MIB),
        total_disk_bit_s=(body.total_disk_io or 0) * _MBIT,
        agent_disk_bit_s=(body.agent_disk_io or 0) * _MBIT,
    )


def _minute_of_day(agent_time: str | None) -> int | None:
    """``2026-01-01 09:30:00``, ``…T09:30:00Z`` and ``09:30``; anything else says nothing."""
    found = _TIME_OF_DAY.search(agent_time or "")
    return int(found["hour"]) * 60 + int(found["minute"]) if found else None
