"""Failures of templates."""

from contracts.errors.code import ErrorCode

TEMPLATE_NOT_FOUND = ErrorCode(
    code="SMS.TEMPLATE.NOT_FOUND",
    http_status=404,
    exit_code=3,
    cause="There is no template {template_id}.",
    remedy="List the templates with `sms template list`.",
)
TEMPLATE_INVALID = ErrorCode(
    code="SMS.TEMPLATE.INVALID",
    http_status=400,
    exit_code=2,
    cause="The template's {field} does not fit: {reason}.",
    remedy="Change {field} and send the template again.",
)
TEMPLATE_FLAVOR_UNKNOWN = ErrorCode(
    code="SMS.TEMPLATE.FLAVOR_UNKNOWN",
    http_status=400,
    exit_code=2,
    cause="The local provider has no flavor {flavor}.",
    remedy="Name CPUs and memory as local.<CPUs>c<GiB>g, from {smallest} to {largest}, or leave the flavor out "
    "for {default}.",
)
TEMPLATE_LIMIT = ErrorCode(
    code="SMS.TEMPLATE.LIMIT",
    exit_code=4,
    cause="The account has {count} templates; {limit} are allowed.",
    remedy="Delete templates that are not used any more with `sms template delete`.",
)
TEMPLATE_SECRET_UNREADABLE = ErrorCode(
    code="SMS.TEMPLATE.SECRET_UNREADABLE",
    http_status=500,
    cause="The password of template {template_id} cannot be opened with the key file {key_file}.",
    remedy="Restore the key file that belongs to the store, or set the template's password anew.",
)
