"""Failures of migration projects."""

from contracts.errors.code import ErrorCode

PROJECT_NOT_FOUND = ErrorCode(
    code="SMS.PROJECT.NOT_FOUND",
    http_status=404,
    exit_code=3,
    cause="There is no migration project {project_id}.",
    remedy="List the projects with `sms project list`.",
)
PROJECT_INVALID = ErrorCode(
    code="SMS.PROJECT.INVALID",
    http_status=400,
    exit_code=2,
    cause="The migration project's {field} does not fit: {reason}.",
    remedy="Change {field} and send the project again.",
)
PROJECT_NAME_TAKEN = ErrorCode(
    code="SMS.PROJECT.NAME_TAKEN",
    exit_code=4,
    cause="The account has a migration project {name} already: {project_id}.",
    remedy="Choose another name, or change that project with `sms project update {project_id}`.",
)
PROJECT_LIMIT = ErrorCode(
    code="SMS.PROJECT.LIMIT",
    exit_code=4,
    cause="The account has {count} migration projects; {limit} are allowed.",
    remedy="Delete projects that are not used any more with `sms project delete`.",
)
PROJECT_IS_DEFAULT = ErrorCode(
    code="SMS.PROJECT.IS_DEFAULT",
    exit_code=4,
    cause="{name} is the default migration project: every account has exactly one.",
    remedy="Make another project the default with `sms project default`, then try again.",
)
PROJECT_HAS_SERVERS = ErrorCode(
    code="SMS.PROJECT.HAS_SERVERS",
    exit_code=4,
    cause="{count} source servers lie in migration project {name}.",
    remedy="Move them to another project or delete them, then delete the project.",
)
