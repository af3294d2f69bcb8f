"""Failures of installing the agent on a source server."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

INSTALL_NOT_ROOT: Final = ErrorCode(
    code="SMS.AGENT.INSTALL_NOT_ROOT",
    cause="The agent is installed by root; this is user {user_id}.",
    remedy="Run the same command as root or with sudo.",
    exit_code=5,
)
INSTALL_NOT_ONE_FILE: Final = ErrorCode(
    code="SMS.AGENT.INSTALL_NOT_ONE_FILE",
    cause="This agent runs from its source code ({program}), and only the one-file agent can install itself.",
    remedy="Build it with `make agent`, copy dist/sms-agent to the source server, and run `./sms-agent install` there.",
    exit_code=2,
)
INSTALL_FAILED: Final = ErrorCode(
    code="SMS.AGENT.INSTALL_FAILED",
    cause="The agent could not be installed: {what}: {reason}.",
    remedy="Put that right and run the command again: it completes what is there. "
    "`sms-agent uninstall` removes everything that was installed so far.",
)
