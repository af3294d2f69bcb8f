"""A rehearsal's process: ``python -m agents.host.rehearsal FOLDER``, the order on standard input."""

from __future__ import annotations

import os
import sys

from agents.host.rehearsal.records import RehearsalOrder
from agents.host.rehearsal.run import rehearse


def main() -> int:
    """Exit code 0 whatever the verdict: the report has it. The folder on the command line is how it is found."""
    os.umask(0o077)
    rehearse(RehearsalOrder.model_validate_json(sys.stdin.read()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
