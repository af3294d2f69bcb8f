"""Failures of what agents do for a task."""

from contracts.errors.code import ErrorCode

AGENT_NO_KEY = ErrorCode(
    code="SMS.AGENT.NO_KEY",
    is_resumable=True,
    cause="The agent has no channel key for task {task_id}; its state folder was lost or replaced.",
    remedy="Resume the task with `sms task start {task_id}`: a new key is made.",
)
AGENT_WORK_FAILED = ErrorCode(
    code="SMS.AGENT.WORK_FAILED",
    is_resumable=True,
    cause="The agent could not carry out {verb} for task {task_id}: {reason}.",
    remedy="Read the agent's log (`journalctl -u sms-agent` on the source, helper.log on the target), "
    "then resume with `sms task start {task_id}`.",
)
AGENT_NO_VOLUME = ErrorCode(
    code="SMS.AGENT.NO_VOLUME",
    is_resumable=True,
    cause="The file system of {mount_point}, which the task copies, is not mounted on the source.",
    remedy="Mount it, restart the agent (`systemctl restart sms-agent`), then resume with `sms task start {task_id}`.",
)
METADATA_UNAVAILABLE = ErrorCode(
    code="SMS.AGENT.METADATA",
    is_resumable=True,
    cause="The helper got no answer of its provider's metadata service at {url}: {reason}.",
    remedy="Read the helper's console log and metadata.log beside it on the provider's host, then resume the task.",
)
AGENT_OPTIONS = ErrorCode(
    code="SMS.AGENT.OPTIONS",
    exit_code=2,
    cause="The agent cannot start with these options: {reason}.",
    remedy="Give --bus, --ca, --access-key and --secret-key-file, or --config with a file that has them.",
)
NO_WINDOWS = ErrorCode(
    code="SMS.AGENT.NO_WINDOWS",
    exit_code=2,
    cause="No Windows system was found on {disks}. Of 1 that is needed, {count} volumes have none: {volumes}.",
    remedy="Give each disk of the server with --disk, as a device or a raw image; convert other images first "
    "(`qemu-img convert -O raw`). A Linux server is mounted, and named with --root.",
)
