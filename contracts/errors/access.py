"""Codes of access administration: accounts, users, groups, policies."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

UNKNOWN_ACCOUNT: Final = ErrorCode(
    code="SMS.IDENTITY.UNKNOWN_ACCOUNT",
    cause="There is no account {account}.",
    remedy="Look the name up with `sms account list`; other accounts than the own one are shown to the "
    "installation's account only.",
    http_status=404,
    exit_code=3,
)
UNKNOWN_USER: Final = ErrorCode(
    code="SMS.IDENTITY.UNKNOWN_USER",
    cause="There is no user {user}.",
    remedy="Look the user up with `sms user list`.",
    http_status=404,
    exit_code=3,
)
UNKNOWN_GROUP: Final = ErrorCode(
    code="SMS.IDENTITY.UNKNOWN_GROUP",
    cause="There is no group {group}.",
    remedy="Look the group up with `sms group list`.",
    http_status=404,
    exit_code=3,
)
UNKNOWN_POLICY: Final = ErrorCode(
    code="SMS.IDENTITY.UNKNOWN_POLICY",
    cause="There is no policy {policy}.",
    remedy="Look the policy up with `sms policy list`.",
    http_status=404,
    exit_code=3,
)
NAME_TAKEN: Final = ErrorCode(
    code="SMS.IDENTITY.NAME_TAKEN",
    cause="The account has a {kind} named {name} already.",
    remedy="Choose another name, or use the one that exists (`sms {kind} list`).",
    http_status=409,
    exit_code=4,
)
NAME_INVALID: Final = ErrorCode(
    code="SMS.IDENTITY.NAME_INVALID",
    cause="{name} cannot be the name of a {kind}: {reason}.",
    remedy="Use 1 to 64 letters, digits and the characters that are named, and none of the reserved names.",
    http_status=400,
    exit_code=2,
)
KEY_REUSED: Final = ErrorCode(
    code="SMS.IDENTITY.KEY_REUSED",
    cause="The idempotency key of this request has made {kind} {name} before, which is {state} now.",
    remedy="Send another request with a new idempotency key.",
    http_status=409,
    exit_code=4,
)
ROOT_PROTECTED: Final = ErrorCode(
    code="SMS.IDENTITY.ROOT_PROTECTED",
    cause="User {actor} may not {what}: that is for the root user of the account alone.",
    remedy="Do it with a key of the root user.",
    http_status=403,
    exit_code=5,
)
ROOT_PERMANENT: Final = ErrorCode(
    code="SMS.IDENTITY.ROOT_PERMANENT",
    cause="The root user of account {account} cannot be {what}.",
    remedy="To take away its access, disable its keys (`sms credential disable`); to close an account, disable the "
    "account (`sms account disable`).",
    http_status=409,
    exit_code=4,
)
INSTALLATION_PERMANENT: Final = ErrorCode(
    code="SMS.IDENTITY.INSTALLATION_PERMANENT",
    cause="{what} would close the account {account}, from which the installation is administered.",
    remedy="Make another key for its root user first (`sms credential create`); the account itself stays enabled.",
    http_status=409,
    exit_code=4,
)
TOO_MANY: Final = ErrorCode(
    code="SMS.IDENTITY.TOO_MANY",
    cause="{holder} would have {count} {what}; at most {limit} are possible.",
    remedy="Remove one that is no longer needed, or put several into one.",
    http_status=409,
    exit_code=4,
)
NOT_ALLOWED_HERE: Final = ErrorCode(
    code="SMS.IDENTITY.INSTALLATION_ONLY",
    cause="Account {account} may not administer accounts; account {installation} may.",
    remedy="Ask whoever runs the installation.",
    http_status=403,
    exit_code=5,
)
SYSTEM_POLICY: Final = ErrorCode(
    code="SMS.IDENTITY.SYSTEM_POLICY",
    cause="{policy} is a policy of the system and cannot be changed or deleted.",
    remedy="Create a policy of your own with the statements that you want (`sms policy show` prints this one's).",
    http_status=409,
    exit_code=4,
)
ATTACHMENT_UNCLEAR: Final = ErrorCode(
    code="SMS.IDENTITY.ATTACHMENT_UNCLEAR",
    cause="A policy is attached to one user or to one group; {count} were named.",
    remedy="Name exactly one.",
    http_status=400,
    exit_code=2,
)
POLICY_SIZE: Final = ErrorCode(
    code="SMS.IDENTITY.POLICY_SIZE",
    cause="The policy has {count} {what} (statement {statement}); between 1 and {limit} are possible.",
    remedy="Split it into several policies, or use wildcards.",
    http_status=400,
    exit_code=2,
)
POLICY_ACTION: Final = ErrorCode(
    code="SMS.IDENTITY.POLICY_ACTION",
    cause="Statement {statement}: {value} is no action: {reason}.",
    remedy="Write <service>:<type>:<verb>, for example sms:server:get or sms:task:*; services are sms, ecs, evs, ims, "
    "vpc and obs. `sms policy show` prints the system's policies.",
    http_status=400,
    exit_code=2,
)
POLICY_RESOURCE: Final = ErrorCode(
    code="SMS.IDENTITY.POLICY_RESOURCE",
    cause="Statement {statement}: {value} is no resource: {reason}.",
    remedy="Write * or <service>:*:<account>:<type>:<id>, for example sms:*:{account}:server:*.",
    http_status=400,
    exit_code=2,
)
POLICY_CONDITION: Final = ErrorCode(
    code="SMS.IDENTITY.POLICY_CONDITION",
    cause="Statement {statement}: the condition {operator} on {key} is not understood: {reason}.",
    remedy="Use StringEquals or StringNotEquals on g:UserName, IpAddress or NotIpAddress on g:SourceIp.",
    http_status=400,
    exit_code=2,
)
