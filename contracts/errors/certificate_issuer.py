"""Codes of the authority of a task and the certificates under it."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

CERT_REQUEST_UNREADABLE: Final = ErrorCode(
    code="SMS.CERT.REQUEST_UNREADABLE",
    cause="The certificate request of the {role} of task {task_id} is not acceptable: {reason}.",
    remedy="Restart the agent on the {role}: it makes a new key and asks again. Update it if that does not help.",
    http_status=400,
    exit_code=4,
    is_resumable=True,
)
CERT_ROLE_MISMATCH: Final = ErrorCode(
    code="SMS.CERT.ROLE_MISMATCH",
    cause="The certificate request for the {role} of task {task_id} names {found} instead of {wanted}.",
    remedy="Look at both agents' logs for who made the request; delete the task if it was neither of them.",
    http_status=403,
    exit_code=5,
)
CERT_NO_AUTHORITY: Final = ErrorCode(
    code="SMS.CERT.NO_AUTHORITY",
    cause="Task {task_id} has no certificate authority: {reason}.",
    remedy="Start the task again if it has not ended; an ended task gets no certificates.",
    exit_code=4,
    is_resumable=True,
)
CERT_SEAL_BROKEN: Final = ErrorCode(
    code="SMS.CERT.SEAL_BROKEN",
    cause="The authority key of task {task_id} cannot be opened with the key file {key_file}.",
    remedy="Put back the key file that the store's records were made with, and resume the task.",
    http_status=500,
    is_resumable=True,
)
