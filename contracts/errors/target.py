"""What can go wrong with target servers, their disks, points and the temporary volume."""

from contracts.errors.code import ErrorCode

TARGET_HOST_FULL = ErrorCode(
    code="SMS.TARGET.HOST_FULL",
    is_resumable=True,
    cause="The host's file system at {folder} has {free_bytes} bytes free; {needed_bytes} are needed for {purpose}.",
    remedy="Free or add space on that file system, then resume the task; nothing is copied twice.",
)
TARGET_VOLUME_LOST = ErrorCode(
    code="SMS.TARGET.VOLUME_LOST",
    is_resumable=True,
    cause="The temporary volume {volume_id} of the migration has disappeared or was changed: {finding}.",
    remedy="Do not detach or change the temporary volume while a migration runs. Start the task again: it makes a "
    "new volume and continues; what is already on the target's disks is compared, not copied again.",
)
TARGET_DISK_CHANGED = ErrorCode(
    code="SMS.TARGET.DISK_CHANGED",
    cause="Disk {disk} of the target exists with {found_bytes} bytes; {wanted_bytes} were asked for.",
    remedy="Delete the task with its target and create it anew with the disk sizes that you want.",
)
TARGET_DISK_MISSING = ErrorCode(
    code="SMS.TARGET.DISK_MISSING",
    cause="The file {path} of the target's disk {disk} is gone.",
    remedy="Something outside of SMS removed it. Put it back, or delete the task and migrate anew.",
)
TARGET_UNKNOWN = ErrorCode(
    code="SMS.TARGET.UNKNOWN",
    http_status=404,
    exit_code=3,
    cause="There is no {kind} {id} on target {target_id}.",
    remedy="List what exists with `sms task show` and `sms point list`, then name one of those.",
)
TARGET_CHAIN_FULL = ErrorCode(
    code="SMS.TARGET.CHAIN_FULL",
    is_resumable=True,
    cause="Disk {disk} already has {layers} layers, the most that are allowed, and each is in use.",
    remedy="Stop or delete launched machines and clones that you no longer need, then try again.",
)
TARGET_DISKS_BUSY = ErrorCode(
    code="SMS.TARGET.DISKS_BUSY",
    is_resumable=True,
    cause="The image {path} is still in use by {user}; it cannot be frozen or changed now.",
    remedy="Stop the helper or the machine that uses it, then resume the task.",
)
TARGET_HELPER_FAILED = ErrorCode(
    code="SMS.TARGET.HELPER_FAILED",
    is_resumable=True,
    cause="The helper of target {target_id} could not be started: {reason}",
    remedy="Read {log}, put right what it names, then resume the task.",
)
TARGET_HELPER_IMAGE = ErrorCode(
    code="SMS.TARGET.HELPER_IMAGE",
    is_resumable=True,
    cause="The migration needs the helper VM, and its image is not there (looked for {path}).",
    remedy="Build it with `make helper-image`, or name it in the host agent's setting helper_image; start the "
    "installation again and resume the task.",
)
TARGET_HELPER_NEEDED = ErrorCode(
    code="SMS.TARGET.HELPER_NEEDED",
    is_resumable=True,
    cause="The host's kernel lacks {missing}, which the plan needs, and the task asks for a helper process on it.",
    remedy="Create the task without `--option helper=process`: a helper VM has what is missing.",
)
TARGET_RUNNING = ErrorCode(
    code="SMS.TARGET.RUNNING",
    is_resumable=True,
    cause="The launch layer {launch_layer_id} cannot be {action} while its machine runs.",
    remedy="Stop the machine first, then try again.",
)
TARGET_BAD_NAME = ErrorCode(
    code="SMS.TARGET.BAD_NAME",
    http_status=400,
    exit_code=2,
    cause="{name!r} is no valid name for a {kind}.",
    remedy="Use 1 to 64 letters, digits, hyphens and underscores, beginning with a letter or a digit.",
)
TARGET_HOST_TOOL_FAILED = ErrorCode(
    code="SMS.TARGET.HOST_TOOL",
    is_resumable=True,
    cause="The program {tool} failed on the host: {reason}",
    remedy="Put right what it names (a missing program is installed with its package), then resume the task.",
)
TARGET_HOST_UNAVAILABLE = ErrorCode(
    code="SMS.TARGET.HOST_UNAVAILABLE",
    http_status=503,
    exit_code=6,
    is_resumable=True,
    cause="The host agent did not answer `{verb}` within {timeout_s} s.",
    remedy="Look with `sms status` whether the host agent runs; the step is repeated by itself when it is back.",
)
TARGET_HOST_FAULT = ErrorCode(
    code="SMS.TARGET.HOST_FAULT",
    http_status=500,
    is_resumable=True,
    cause="The host agent met an unexpected fault in `{verb}`: {reason}",
    remedy="Read the host agent's log, then resume the task; please report the fault.",
)
