"""Why a rehearsal is red, beside the codes of the adaptation and of the launch."""

from contracts.errors.code import ErrorCode

_UNTOUCHED = "The copy is untouched and nothing of the rehearsal is left but its console log."

REHEARSAL_FAILED_UNITS = ErrorCode(
    code="SMS.REHEARSAL.FAILED_UNITS",
    cause="{count} service(s) failed in the rehearsed system, first {units}.",
    remedy=f"{_UNTOUCHED} Read why in {{console_log}}, mend it on the source, synchronise and rehearse again.",
)
REHEARSAL_MOUNT_MISSING = ErrorCode(
    code="SMS.REHEARSAL.MOUNT_MISSING",
    cause="{count} of {total} file systems of /etc/fstab are not mounted in the rehearsed system: {mount_points}.",
    remedy=f"{_UNTOUCHED} Correct these lines of /etc/fstab on the source, synchronise and rehearse again.",
)
REHEARSAL_PORT_MISSING = ErrorCode(
    code="SMS.REHEARSAL.PORT_MISSING",
    cause="The source listens on {total} TCP port(s); {count} of them do not answer in the rehearsed system, first "
    "{ports}.",
    remedy=f"{_UNTOUCHED} See in {{console_log}} which service did not start; one that needs another server cannot "
    "start in a rehearsal, which has no network.",
)
REHEARSAL_NO_ADDRESS = ErrorCode(
    code="SMS.REHEARSAL.NO_ADDRESS",
    cause="The rehearsed system has no network address on any of its {interfaces} interface(s).",
    remedy=f"{_UNTOUCHED} Compare the source's network configuration with the adaptation's changes in `sms task show`; "
    "the target's card has another name and address than the source's.",
)
REHEARSAL_SILENT = ErrorCode(
    code="SMS.REHEARSAL.SILENT",
    cause="The rehearsed system reached its login after {login_seconds} s and did not report on itself within "
    "{timeout_s} s.",
    remedy=f"{_UNTOUCHED} Look in {{console_log}} for what holds the boot up; the report needs the driver "
    "virtio_console.",
)
REHEARSAL_INTERRUPTED = ErrorCode(
    code="SMS.REHEARSAL.INTERRUPTED",
    cause="The rehearsal ended without a verdict: {reason}.",
    remedy="Rehearse again with `sms task rehearse`.",
)
REHEARSAL_RUNS = ErrorCode(
    code="SMS.REHEARSAL.RUNS",
    exit_code=4,
    cause="Task {task_id} is being rehearsed since {since}.",
    remedy="Wait for its verdict in `sms task show {task_id}`.",
)
