"""Failures of waves."""

from contracts.errors.code import ErrorCode

WAVE_NOT_FOUND = ErrorCode(
    code="SMS.WAVE.NOT_FOUND",
    http_status=404,
    exit_code=3,
    cause="There is no wave {wave_id}.",
    remedy="List the waves with `sms wave list`.",
)
WAVE_INVALID = ErrorCode(
    code="SMS.WAVE.INVALID",
    http_status=400,
    exit_code=2,
    cause="The wave's {field} does not fit: {reason}.",
    remedy="Change {field} and send the wave again.",
)
WAVE_EMPTY = ErrorCode(
    code="SMS.WAVE.EMPTY",
    exit_code=4,
    cause="No server belongs to wave {name}: it lists {listed}, and {tagged} carry its tags.",
    remedy="Name servers with `sms wave update {wave_id} --server ID`, or tag them.",
)
WAVE_TOO_LARGE = ErrorCode(
    code="SMS.WAVE.TOO_LARGE",
    exit_code=4,
    cause="{count} servers belong to wave {name}; {limit} are allowed.",
    remedy="Split the servers over several waves.",
)
WAVE_BUSY = ErrorCode(
    code="SMS.WAVE.BUSY",
    exit_code=4,
    cause="Wave {name} has not come to the end of {action}: {waiting} servers wait for their turn.",
    remedy="Follow it with `sms wave watch {wave_id}`, or end it with `sms wave stop {wave_id}`.",
)
WAVE_NO_CONSENT = ErrorCode(
    code="SMS.WAVE.NO_CONSENT",
    exit_code=2,
    cause="The disks of the targets of wave {name} will be wiped, and nobody has agreed to that.",
    remedy="Look at `sms wave check {wave_id}` and start again with `--yes`.",
)
WAVE_NO_TASK = ErrorCode(
    code="SMS.WAVE.NO_TASK",
    exit_code=4,
    cause="Server {server_id} has no task that could be asked to {action}.",
    remedy="Start the wave first with `sms wave start {wave_id}`.",
)
WAVE_LIMIT = ErrorCode(
    code="SMS.WAVE.LIMIT",
    exit_code=4,
    cause="The account has {count} waves; {limit} are allowed.",
    remedy="Delete waves that are finished with `sms wave delete`.",
)
