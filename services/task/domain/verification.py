"""What a verification is to compare, and the document that says what it found: pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from contracts.errors import MigrationError
from contracts.errors.task import TASK_NOT_VERIFIED
from contracts.errors.task_settings import TASK_SETTING_INVALID
from contracts.messages.task import ActOnTask
from contracts.transfer import SkippedPath
from contracts.verification import VerificationDocument
from services.task.domain.task import Task, VerificationWish


def verification_wish(request: ActOnTask) -> VerificationWish:
    """Raises MigrationError SMS.TASK.SETTING_INVALID."""
    if not request.is_quick:
        return VerificationWish()
    if not 0 < request.sample_percent <= 100:
        raise MigrationError(
            TASK_SETTING_INVALID,
            setting="sample",
            value=f"{request.sample_percent:g}",
            reason="it is no part of all files",
            expected="more than 0 and at most 100 (% of the files)",
        )
    return VerificationWish(mode="quick", seed=_seed(request), sample_percent=request.sample_percent)


def document_of(task: Task) -> VerificationDocument:
    """Unsigned. Raises MigrationError SMS.TASK.NOT_VERIFIED."""
    report = task.verification
    if report is None or task.consistency_at is None:
        raise MigrationError(TASK_NOT_VERIFIED, task_id=task.id)
    last = task.rounds[-1] if task.rounds else None
    return VerificationDocument(
        task_id=task.id,
        account=task.account,
        server_id=task.server_id,
        server_name=task.server_name,
        round_number=last.round_number if last else 0,
        verified_at=task.consistency_at,
        volumes=tuple(volume.mount_point for volume in task.layout.volumes),
        exclusions=(*report.exclusions, *_not_copied(task), *_skipped(task)),
        files_skipped=last.files_skipped if last else 0,
        report=report.model_copy(update={"exclusions": ()}),
    )


def _seed(request: ActOnTask) -> int:
    if request.seed is not None:
        return request.seed % (1 << 32)
    # Nobody can know it before the request, and a repeated request gives the same one.
    return int.from_bytes(hashlib.sha256(request.idempotency_key.encode()).digest()[:4], "big")


def _not_copied(task: Task) -> Iterator[SkippedPath]:
    """What is mounted on the source and no part of the plan."""
    planned = {volume.mount_point for volume in task.layout.volumes}
    for mount in task.inventory.mounts:
        if mount.mount_point not in planned:
            reason = "network" if mount.is_network else "not in the plan"
            yield SkippedPath(path=mount.mount_point, reason=reason, detail=mount.kind)


def _skipped(task: Task) -> Iterator[SkippedPath]:
    """What the last round left out for other reasons than its name: sockets, what could not be read."""
    named = {"excluded", "own", "swap"}
    for each in task.rounds[-1].skipped_paths if task.rounds else ():
        if each.reason not in named:
            yield each
