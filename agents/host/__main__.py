"""The host agent as a process: ``python -m agents.host SETTINGS.json``, as root."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from agents.host.bus import serve
from agents.host.desk import Desk
from agents.host.settings import HostSettings, load_settings

_THREADS: Final = 32
_logger: Final = logging.getLogger("sms.host")


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM. Exit codes: 0 stopped, 1 bus closed for good or another host agent runs, 2 usage."""
    named = sys.argv[1:] if arguments is None else arguments
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if len(named) != 1:
        sys.stderr.write("usage: python -m agents.host SETTINGS.json\n")
        return 2
    try:
        settings = load_settings(Path(named[0]))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if os.geteuid() != 0:
        sys.stderr.write("the host agent needs root: it mounts, attaches loop devices and starts machines\n")
        return 2
    os.umask(0o077)
    lock = _only_one(settings)
    if lock is None:
        sys.stderr.write(f"another host agent serves {settings.data_folder}\n")
        return 1
    with lock:
        return asyncio.run(_run(settings))


def _only_one(settings: HostSettings) -> IO[str] | None:
    """The lock of the data folder, held while the process lives; None when another process holds it."""
    folder = settings.data_folder / "host"
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


async def _run(settings: HostSettings) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # The default is a handful of threads: long work on some targets must not hold up all others.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="verb"))
    desk = Desk(settings)
    watching = asyncio.create_task(desk.watch(), name="host-watch")
    serving = asyncio.create_task(serve(desk, settings, stop), name="host-serve")
    await asyncio.wait([watching, serving], return_when=asyncio.FIRST_COMPLETED)
    for task in (watching, serving):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return 0 if stop.is_set() else 1


if __name__ == "__main__":
    raise SystemExit(main())
