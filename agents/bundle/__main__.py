"""``make agent``: build the one-file agent and put it into dist/."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from agents.bundle.build import build_agent


def main() -> int:
    """Copy the built agent to dist/sms-agent and say where it is."""
    built = build_agent()
    target = Path("dist/sms-agent")
    target.parent.mkdir(exist_ok=True)
    temporary = target.with_name(".sms-agent.new")
    shutil.copy2(built, temporary)
    temporary.replace(target)
    sys.stdout.write(f"{target} ({target.stat().st_size / 1e6:.1f} MB)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
