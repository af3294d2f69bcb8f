"""Run the helper's disk programs: by argument list, with a time limit, their last words in the error."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.disks import PROGRAM_FAILED

_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_SHOWN_CHARACTERS: Final = 600


def run_program(
    command: Sequence[str],
    *,
    disk: str,
    input_text: str = "",
    timeout_s: float = 600,
    environment: Mapping[str, str] | None = None,
    accepted: Sequence[int] = (0,),
    folder: Path | None = None,
) -> str:
    """The program's standard output. folder: its working directory.

    Raises MigrationError SMS.DISK.PROGRAM_FAILED for any other status.
    """
    try:
        done = subprocess.run(
            command,
            input=input_text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=_ENVIRONMENT | dict(environment or {}),
            cwd=folder,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MigrationError(PROGRAM_FAILED, program=command[0], disk=disk, status="-", output=error) from error
    if done.returncode not in accepted:
        output = (done.stderr.strip() or done.stdout.strip())[-_SHOWN_CHARACTERS:]
        raise MigrationError(PROGRAM_FAILED, program=command[0], disk=disk, status=done.returncode, output=output)
    return done.stdout
