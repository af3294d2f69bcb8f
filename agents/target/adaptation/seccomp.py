"""A system call filter for the copied system's programs, as classic BPF for x86-64."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_ARCHITECTURE_X86_64: Final = 0xC000003E
_X32_BIT: Final = 0x40000000
_RETURN_ALLOW: Final = 0x7FFF0000
_RETURN_ERROR: Final = 0x00050000 | 1  # EPERM
_RETURN_KILL: Final = 0x80000000
_LOAD_WORD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_GREATER_EQUAL: Final = 0x35
_RETURN: Final = 0x06

# What a builder of boot files never needs, and what has led out of a chroot. open_by_handle_at above all: with
# CAP_DAC_READ_SEARCH it opens any inode of a mounted file system, also those outside of the root.
DENIED_CALLS: Final = {
    "ptrace": 101, "syslog": 103, "ustat": 136, "personality": 135, "vhangup": 153, "modify_ldt": 154,
    "pivot_root": 155, "_sysctl": 156, "adjtimex": 159, "acct": 163, "settimeofday": 164, "mount": 165,
    "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171,
    "iopl": 172, "ioperm": 173, "create_module": 174, "init_module": 175, "delete_module": 176,
    "quotactl": 179, "lookup_dcookie": 212, "clock_settime": 227, "kexec_load": 246, "add_key": 248,
    "request_key": 249, "keyctl": 250, "unshare": 272, "move_pages": 279, "perf_event_open": 298,
    "fanotify_init": 300, "name_to_handle_at": 303, "open_by_handle_at": 304, "clock_adjtime": 305,
    "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313,
    "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425, "io_uring_enter": 426,
    "io_uring_register": 427, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431,
    "fsmount": 432, "fspick": 433, "pidfd_getfd": 438, "mount_setattr": 442, "quotactl_fd": 443,
}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _instruction(code: int, value: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jump_true, jump_false, value)


def filter_program() -> bytes:
    """The instructions: foreign architectures die, denied and x32 calls get EPERM, the rest is allowed."""
    calls = sorted(DENIED_CALLS.values())
    lines = [
        _instruction(_LOAD_WORD, 4),
        _instruction(_JUMP_EQUAL, _ARCHITECTURE_X86_64, 1, 0),
        _instruction(_RETURN, _RETURN_KILL),
        _instruction(_LOAD_WORD, 0),
        _instruction(_JUMP_GREATER_EQUAL, _X32_BIT, len(calls) + 1, 0),
    ]
    for index, number in enumerate(calls):
        lines.append(_instruction(_JUMP_EQUAL, number, len(calls) - index, 0))
    return b"".join([*lines, _instruction(_RETURN, _RETURN_ALLOW), _instruction(_RETURN, _RETURN_ERROR)])


def install_filter() -> None:
    """Confine the calling process and all that it starts, for good. Raises OSError."""
    code = filter_program()
    program = _Program(len(code) // 8, code)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the system call filter was refused")


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    if _libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def drop_capabilities(kept: frozenset[int]) -> None:
    """Take every other capability from the bounding set, so that no program started later has it."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_bytes())
    for capability in range(last + 1):
        if capability not in kept:
            _prctl(24, capability)  # PR_CAPBSET_DROP
    os.umask(0o022)
