"""Where the one file is that this process was started from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from contracts.errors import MigrationError
from contracts.errors.agent_install import INSTALL_NOT_ONE_FILE


def one_file_program() -> Path:
    """The path of the self-contained agent. Raises MigrationError SMS.AGENT.INSTALL_NOT_ONE_FILE."""
    # sys.executable is inside the unpacked copy; the bundle's first stage says where it was itself.
    path = os.environ.get("STATICX_PROG_PATH", "")  # noqa: TID251 - set by the bundle's loader, no setting
    if not path or not getattr(sys, "frozen", False):
        raise MigrationError(INSTALL_NOT_ONE_FILE, program=sys.executable)
    return Path(path)
