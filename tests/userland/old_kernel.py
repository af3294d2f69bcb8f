"""Run a program as an older kernel would: ``old_kernel LAST_SYSTEM_CALL COMMAND…``, or as one that was built without a
system call: ``old_kernel without:NUMBER COMMAND…``.

A seccomp filter answers ENOSYS to every x86-64 system call with a higher number: they were given out in the order of
their invention (298 is the last of Linux 2.6.32, 308 of 3.0). uname says 2.6, as far as the kernel knows how to say it.
What a real old kernel does differently in the calls that it has is not imitated.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2
_UNAME26: Final = 0x0020000
_LOAD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_GREATER: Final = 0x25
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_ERRNO: Final = 0x00050000
_ENOSYS: Final = 38
_X86_64: Final = 0xC000003E
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4


def filter_after(last: int) -> bytes:
    """The BPF program that knows no system call behind last."""
    return _filter(_JUMP_GREATER, last)


def filter_without(number: int) -> bytes:
    """The BPF program that does not know one system call."""
    return _filter(_JUMP_EQUAL, number)


def _filter(jump: int, number: int) -> bytes:
    steps = (
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, _X86_64),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (jump, 0, 1, number),
        (_RETURN, 0, 0, _ERRNO | _ENOSYS),
        (_RETURN, 0, 0, _ALLOW),
    )
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def main(program: bytes, command: list[str], *, says_old: bool) -> None:
    """Becomes the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions))
    if says_old and libc.personality(_UNAME26) < 0:
        raise OSError(ctypes.get_errno(), "personality")
    for arguments in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _MODE_FILTER, described, 0, 0)):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "prctl")
    os.execvp(command[0], command)  # noqa: S606 - the argument vector comes from a test


if __name__ == "__main__":
    kind, _, number = sys.argv[1].rpartition(":")
    main((filter_without if kind else filter_after)(int(number)), sys.argv[2:], says_old=not kind)
