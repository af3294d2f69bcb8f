"""File systems that stand still for a bounded time: frozen and thawed by a process that outlives the agent.

Nothing may keep a server's file systems frozen: not an agent that was killed, hangs or waits for a link. So a small
process of its own, with its memory locked, freezes them, and thaws them at the limit, at the agent's word, or as soon
as the agent is gone, whichever comes first.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from contracts.cutover import FrozenVolume

_FIFREEZE: Final = 0xC0045877
_FITHAW: Final = 0xC0045878
_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
# Locks what is there and what comes, without making a copy of every page that is still shared with the agent.
_MCL_ONFAULT: Final = 4
_HELD: Final = b"held"
_libc = ctypes.CDLL(None, use_errno=True)


def file_system_of(path: Path) -> str:
    """Which file system a folder is on: the same for all subvolumes of one Btrfs, unlike its device number."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        facts = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
        device = os.fstat(descriptor).st_dev
    finally:
        os.close(descriptor)
    mount = next((line.split()[1] for line in facts.splitlines() if line.startswith("mnt_id:")), "")
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split(" ", 3)
        if fields[0] == mount:
            return fields[2]
    return f"{os.major(device)}:{os.minor(device)}"


class Freeze:
    """``with Freeze(volumes, limit_s=…) as freeze``: frozen inside, unless `volumes` says otherwise.

    volumes: mount point and a folder on that file system. The root file system goes last, since everything else on the
    server waits for it. Leave out what the agent itself must write to. Entering takes as long as the file systems need
    to write what is pending, at most limit_s.
    """

    def __init__(self, volumes: Sequence[tuple[str, Path]], *, limit_s: float) -> None:
        self._order = sorted(volumes, key=lambda volume: (volume[0] == "/", -len(volume[0])))
        self._limit_s = limit_s
        self._process = 0
        self._line: socket.socket | None = None
        self.volumes: tuple[FrozenVolume, ...] = ()

    def __enter__(self) -> Freeze:
        roots = [os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for _, path in self._order]
        try:
            for root in roots:
                # What is pending is written while the server still works; the freeze itself is then short.
                _libc.syncfs(root)
            ours, theirs = socket.socketpair()
            self._line = ours
            self._process = os.fork()
            if self._process == 0:
                _stand_guard(theirs.detach(), roots, self._limit_s)
            theirs.close()
        finally:
            for root in roots:
                os.close(root)
        answers = self._receive(len(self._order), self._limit_s)
        self.volumes = tuple(
            FrozenVolume(mount_point=mount_point, is_frozen=number == 0, reason=_reason(number))
            for (mount_point, _), number in zip(self._order, answers, strict=True)
        )
        return self

    def thaw(self) -> bool:
        """Whether everything stood still until now. May be repeated."""
        if self._line is None:
            return False
        with suppress(OSError):
            self._line.send(b"thaw")
        has_held = self._ask() == _HELD
        self._line.close()
        self._line = None
        with suppress(ChildProcessError):
            os.waitpid(self._process, 0)
        return has_held

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thaw()

    def _ask(self) -> bytes:
        assert self._line  # noqa: S101 - only called while it is there
        try:
            return self._line.recv(len(_HELD))
        except OSError:
            return b""

    def _receive(self, count: int, limit_s: float) -> list[int]:
        """An error number for each file system; those that do not answer in time will be thawed by the guard."""
        assert self._line  # noqa: S101 - set by the caller
        deadline = time.monotonic() + limit_s
        answers = b""
        while len(answers) < count:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._line], [], [], left)[0]:
                break
            part = self._line.recv(count - len(answers))
            if not part:
                break
            answers += part
        if len(answers) < count:
            self.thaw()
        return [*answers, *([_TIMED_OUT] * (count - len(answers)))]


_TIMED_OUT: Final = 255


def _reason(number: int) -> str:
    if number == 0:
        return ""
    return "it was not frozen in time" if number == _TIMED_OUT else os.strerror(number)


def _stand_guard(line: int, roots: Sequence[int], limit_s: float) -> None:
    """In the forked process: never returns, and runs nothing of the agent's."""
    frozen: list[int] = []
    status = b""
    try:
        deadline = time.monotonic() + limit_s
        _leave_the_agent(line, roots)
        for root in roots:
            number = _freeze(root)
            if number == 0:
                frozen.append(root)
            os.write(line, bytes([min(number, _TIMED_OUT - 1)]))
        asked = select.select([line], [], [], max(0.0, deadline - time.monotonic()))[0]
        # Nothing to read but the end of the line: the agent is gone.
        status = _HELD if asked and os.read(line, 16) else b""
    except BaseException:  # noqa: BLE001, S110 - whatever happens here, the file systems are thawed
        pass
    finally:
        for root in reversed(frozen):
            with suppress(OSError):
                fcntl.ioctl(root, _FITHAW, 0)
        with suppress(OSError):
            os.write(line, status)
        os._exit(0)


def _leave_the_agent(line: int, roots: Sequence[int]) -> None:
    """Survive it, hold nothing of it, and need nothing from a disk any more."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    signal.set_wakeup_fd(-1)
    os.setsid()
    kept = {line, *roots}
    for descriptor in range(max(kept) + 1):
        if descriptor not in kept:
            with suppress(OSError):
                os.close(descriptor)
    os.closerange(max(kept) + 1, 65536)
    with suppress(OSError):
        oom = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(oom, b"-1000")
        os.close(oom)
    if _libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        _libc.mlockall(_MCL_CURRENT | _MCL_FUTURE)  # before Linux 4.4


def _end(number: int, _frame: object) -> None:
    raise SystemExit(number)


def _freeze(root: int) -> int:
    try:
        fcntl.ioctl(root, _FIFREEZE, 0)
    except OSError as error:
        return error.errno or _TIMED_OUT - 1
    return 0
