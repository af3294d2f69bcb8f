"""``make demo``: migrate a live server in QEMU, prove that nothing was lost, and say so in a table and as JSON."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from demo.command_line import CommandFailedError, Sms
from demo.ssh import RemoteCommandError
from demo.story import Story

_MARK = ".made-by-the-demo"
REPORT = "demo-report.json"


def main() -> int:
    """Exit status 0 only if everything was proved."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(".sms-demo"), help="data folder; an earlier demo's is emptied"
    )
    parser.add_argument("--chaos", action="store_true", help="kill -9 every process of SMS once during the copy")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        print("The demo needs root: it makes disk images with loop devices and mounts.", file=sys.stderr)
        return 5
    data = chosen.data.absolute()
    if not _make_empty(data):
        print(f"{data} exists and is not from an earlier demo; choose another folder.", file=sys.stderr)
        return 2
    story = None
    try:
        story = Story(data, with_chaos=chosen.chaos)
        report = story.run()
    except (CommandFailedError, RemoteCommandError, TimeoutError, RuntimeError) as error:
        print(f"\nThe demo has failed: {error}\nLogs: {data}/logs and {data}/demo", file=sys.stderr)
        return 1
    finally:
        if story is not None:
            story.close()
    report.write(data / REPORT)
    report.show()
    print(f"report: {data / REPORT}")
    return 0 if report.is_success else 1


def _make_empty(data: Path) -> bool:
    """Make the data folder anew; False when it holds something that no demo has made."""
    if data.exists() and any(data.iterdir()):
        if not (data / _MARK).exists():
            return False
        with suppress(CommandFailedError):
            if (data / "installation.json").exists():
                Sms(data).run("down")
        shutil.rmtree(data)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data / _MARK).touch()
    return True


if __name__ == "__main__":
    sys.exit(main())
