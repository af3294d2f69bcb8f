"""Codes of the data channel and of the two agents that copy over it."""

from __future__ import annotations

from contracts.errors.code import ErrorCode

STOPPED = ErrorCode(
    code="SMS.TRANSFER.STOPPED",
    cause="The copy of task {task_id} was stopped on request.",
    remedy="Start the task again: it continues, and nothing that the target holds is sent again.",
    is_resumable=True,
)
CONNECTION_LOST = ErrorCode(
    code="SMS.TRANSFER.CONNECTION_LOST",
    cause="The target at {endpoint} has not been reachable for {seconds} s (allowed: {limit_s} s): {reason}.",
    remedy="Check the route and firewall between source and target, then resume the task.",
    http_status=503,
    is_resumable=True,
)
PROTOCOL = ErrorCode(
    code="SMS.TRANSFER.PROTOCOL",
    cause="The other end broke the protocol of the data channel: {reason}.",
    remedy="Make sure that both agents are of the same release, then resume; if it happens again, treat the "
    "other end as compromised and start a new task.",
    is_resumable=True,
)
HELLO_REFUSED = ErrorCode(
    code="SMS.TRANSFER.HELLO_REFUSED",
    cause="The two agents do not belong together: {what} is {actual}, but {expected} was expected.",
    remedy="Start the task again, so that both agents get the same plan and certificates.",
    http_status=409,
)
PEER_REFUSED = ErrorCode(
    code="SMS.TRANSFER.PEER_REFUSED",
    cause="The certificate of the other end was refused: {reason}.",
    remedy="Make sure that the clocks are right; then resume the task, which issues new certificates.",
    http_status=403,
    exit_code=5,
    is_resumable=True,
)
CERTIFICATE_EXPIRED = ErrorCode(
    code="SMS.TRANSFER.CERTIFICATE_EXPIRED",
    cause="The certificate of one end of the data channel has expired.",
    remedy="Check that the certificate issuer is reachable, then resume the task.",
    is_resumable=True,
)
SOURCE_UNREADABLE = ErrorCode(
    code="SMS.TRANSFER.SOURCE_UNREADABLE",
    cause="The source cannot read {path}: {reason}.",
    remedy="Check the source's disk and the agent's rights (it must run as root), then resume the task.",
    is_resumable=True,
)
CATALOGUE_DAMAGED = ErrorCode(
    code="SMS.TRANSFER.CATALOGUE_DAMAGED",
    cause="The catalogue {path} of what the target holds cannot be used: {reason}.",
    remedy="Free space or repair the file system that holds it; if the file itself is damaged, remove it and "
    "start the task again: everything is compared anew.",
)
TARGET_ENOSPC = ErrorCode(
    code="SMS.TARGET.ENOSPC",
    cause="The target file system of volume {volume} is full: {free_bytes} bytes and {free_inodes} inodes are "
    "free, and {needed_bytes} bytes were to be written.",
    remedy="Enlarge the target's disk, or exclude data, then resume the task; nothing is copied twice.",
    is_resumable=True,
)
TARGET_EIO = ErrorCode(
    code="SMS.TARGET.EIO",
    cause="The target cannot write to volume {volume} at {path}: {reason}.",
    remedy="Replace the target's disk (its contents are no longer reliable) and start the task again.",
)
TARGET_REFUSED = ErrorCode(
    code="SMS.TARGET.REFUSED",
    cause="The target refused what the source sent for volume {volume}: {reason}.",
    remedy="The source agent may be compromised or defective: check the source server, then start a new task.",
)
