"""Every oddity that a Linux file can have, in one folder; and a second state of it for a sync round."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import socket
import stat
import struct
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20
LARGE_BYTES: Final = 70 * MIB
SMALL_FILES: Final = 5000
_FS_IOC_GETFLAGS, _FS_IOC_SETFLAGS = 0x80086601, 0x40086602
IMMUTABLE, APPEND_ONLY, NO_DUMP, NO_ATIME, NO_COPY_ON_WRITE = 0x10, 0x20, 0x40, 0x80, 0x800000
_UNSUPPORTED: Final = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY)
# version 2, one effective capability: CAP_NET_BIND_SERVICE
_CAPABILITY: Final = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
_NO_ID: Final = 0xFFFFFFFF
_BIRTHDAYS: Final = {
    "before-1970": -86_400 * 365 * 3 - 1,
    "in-1902": -2_147_483_647,
    "after-2038": 2**31 + 12_345,
    "in-2100": 4_102_444_800,
}


def make_odd_tree(folder: Path, seed: int) -> None:
    """Fill a new folder."""
    noise = random.Random(seed)
    folder.mkdir()
    for part in (_contents, _small_files, _modes, _attributes, _names, _links, _nodes, _times, _directories):
        part(folder, noise)
    _flags(folder)


def change_odd_tree(folder: Path, seed: int) -> None:
    """What happens to files between two rounds, one of each kind."""
    noise = random.Random(seed + 1)
    with (folder / "large").open("r+b") as file:
        file.seek(33 * MIB + 17)
        file.write(noise.randbytes(100_000))
    with (folder / "grows").open("ab") as file:
        file.write(noise.randbytes(3 * MIB))
    os.truncate(folder / "shrinks", 5)
    (folder / "empty").write_bytes(b"not any more")
    os.rename(folder / "small/000/00.txt", folder / "small/001/moved in")
    os.rename(folder / "small/002", folder / "small/002 renamed")
    _swap(folder / "small/003/00.txt", folder / "small/003/01.txt")
    (folder / "small/004/00.txt").unlink()
    for path in (folder / "small/005").iterdir():
        path.unlink()
    (folder / "small/005").rmdir()
    (folder / "mode-0644").chmod(0o4711)
    os.chown(folder / "large-owner", 70_001, 3_000_000_000)
    os.setxattr(folder / "xattr-user", b"user.colour", b"green")
    os.removexattr(folder / "xattr-user", b"user.empty")
    os.utime(folder / "times/before-1970", ns=(0, -1))
    (folder / "links/one").write_bytes(b"through one name")
    os.link(folder / "links/one", folder / "links/yet another")
    (folder / "links/sub/two").unlink()
    (folder / "dangling").unlink()
    os.symlink("now elsewhere", folder / "dangling")
    (folder / "kind-changes").unlink()
    (folder / "kind-changes").mkdir()
    (folder / "kind-changes/inside").write_bytes(b"x")
    os.chown(folder / "absolute-link", 5, 6, follow_symlinks=False)
    set_flags(folder / "flag-immutable", 0)
    (folder / "flag-immutable").write_bytes(b"thawed for a moment")
    set_flags(folder / "flag-immutable", IMMUTABLE | NO_DUMP)
    with (folder / "flag-append-only").open("ab") as file:
        file.write(b"one more line\n")
    with (folder / "hole-middle").open("r+b") as file:
        file.seek(5 * MIB)
        file.write(b"an island in the hole")
    (folder / "character-device").unlink()
    os.mknod(folder / "character-device", stat.S_IFCHR | 0o640, os.makedev(1, 5))
    os.link(folder / "block-device", folder / "links/block device too")
    (folder / "fifo").chmod(0o600)
    os.rename(folder / "fifo", folder / "fifo renamed")
    (folder / "new").mkdir()
    (folder / "new/file").write_bytes(noise.randbytes(123_456))
    os.mkfifo(folder / "new/fifo")


def _swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def _contents(folder: Path, noise: random.Random) -> None:
    with (folder / "large").open("wb") as file:
        for _ in range(LARGE_BYTES // MIB):
            file.write(noise.randbytes(MIB))
    (folder / "grows").write_bytes(noise.randbytes(2 * MIB))
    (folder / "shrinks").write_bytes(noise.randbytes(300_000))
    (folder / "empty").touch()
    (folder / "zeros").write_bytes(bytes(200_000))
    (folder / "kind-changes").write_bytes(b"a file at first")
    _sparse(folder / "hole-start", 20 * MIB, {19 * MIB: noise.randbytes(MIB)})
    _sparse(folder / "hole-middle", 20 * MIB, {0: noise.randbytes(4097), 20 * MIB - 1: b"x"})
    _sparse(folder / "hole-end", 20 * MIB, {0: noise.randbytes(1000)})
    _sparse(folder / "hole-only", 3 << 30, {})
    _sparse(folder / "hole-small", 100_000, {50_000: b"in the middle"})


def _sparse(path: Path, size_bytes: int, pieces: dict[int, bytes]) -> None:
    with path.open("wb") as file:
        file.truncate(size_bytes)
        for offset, piece in pieces.items():
            file.seek(offset)
            file.write(piece)


def _small_files(folder: Path, noise: random.Random) -> None:
    for directory in range(SMALL_FILES // 50):
        inner = folder / f"small/{directory:03}"
        inner.mkdir(parents=True)
        for number in range(50):
            (inner / f"{number:02}.txt").write_bytes(noise.randbytes(noise.randrange(4000)))


def _modes(folder: Path, _noise: random.Random) -> None:
    for mode in (0o644, 0o000, 0o111, 0o4755, 0o2755, 0o6711, 0o1777, 0o7777):
        path = folder / f"mode-{mode:04o}"
        path.write_bytes(b"mode")
        path.chmod(mode)
        inner = folder / f"directory-mode-{mode:04o}"
        inner.mkdir()
        (inner / "file").write_bytes(b"inside")
        inner.chmod(mode)
    (folder / "large-owner").write_bytes(b"owner")
    os.chown(folder / "large-owner", 4_000_000_000, 65_537)


def _attributes(folder: Path, _noise: random.Random) -> None:
    path = folder / "xattr-user"
    path.write_bytes(b"attributes")
    os.setxattr(path, b"user.colour", b"blue")
    os.setxattr(path, b"user.empty", b"")
    os.setxattr(path, b"user.binary", bytes(range(256)))
    os.setxattr(path, "user.näme".encode(), b"\xff")
    os.setxattr(path, b"trusted.secret", b"root only")
    (folder / "capability").write_bytes(b"#!/bin/true")
    (folder / "capability").chmod(0o755)
    os.setxattr(folder / "capability", b"security.capability", _CAPABILITY)
    (folder / "xattr-directory").mkdir()
    os.setxattr(folder / "xattr-directory", b"user.on.directory", b"yes")
    os.symlink("target", folder / "xattr-link")
    os.setxattr(folder / "xattr-link", b"trusted.on.link", b"yes", follow_symlinks=False)
    (folder / "acl").write_bytes(b"acl")
    os.setxattr(folder / "acl", b"system.posix_acl_access", _acl(1000, 70_000))
    inherits = folder / "acl-default"
    inherits.mkdir()
    (inherits / "made before").write_bytes(b"without")
    os.setxattr(inherits, b"system.posix_acl_default", _acl(1001, 1002))
    (inherits / "made after").write_bytes(b"with")
    (inherits / "directory").mkdir()
    (folder / "set-gid").mkdir()
    os.chown(folder / "set-gid", 0, 4321)
    (folder / "set-gid").chmod(0o2775)
    (folder / "set-gid/inherits").write_bytes(b"group")
    (folder / "set-gid/own group").write_bytes(b"group")
    os.chown(folder / "set-gid/own group", 0, 0)


def _acl(*users: int) -> bytes:
    """Owner rwx, the given users r-x, group r--, mask rwx, others none."""
    entries = [(0x01, 7, _NO_ID), *((0x02, 5, user) for user in users), (0x04, 4, _NO_ID), (0x10, 7, _NO_ID)]
    entries.append((0x20, 0, _NO_ID))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def _names(folder: Path, _noise: random.Random) -> None:
    names = folder / "names"
    names.mkdir()
    odd = [b"not utf-8 \xff\xfe", b"new\nline", b"-rf", b" ", b"...", b"a" * 255, "ä".encode() * 127, b"back\\slash"]
    odd += [b"quote'\"", b"*?[]", b"\x01\x7f", b"trailing ", b"$(touch x)", b"%s%n"]
    for name in odd:
        with open(os.fsencode(names) + b"/" + name, "wb") as file:
            file.write(name)
    _deep(folder / "deep")


def _deep(folder: Path) -> None:
    """A path of about 8,000 bytes."""
    folder.mkdir()
    directory = os.open(folder, os.O_RDONLY)
    for level in range(40):
        name = f"{level:03}" + "d" * 200
        os.mkdir(name, dir_fd=directory)
        inner = os.open(name, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = inner
    file = os.open("bottom", os.O_CREAT | os.O_WRONLY, 0o640, dir_fd=directory)
    os.write(file, b"beyond PATH_MAX")
    os.close(file)
    os.symlink("bottom", "link", dir_fd=directory)
    os.link("bottom", "hard", src_dir_fd=directory, dst_dir_fd=directory)
    os.close(directory)


def _links(folder: Path, _noise: random.Random) -> None:
    links = folder / "links"
    (links / "sub").mkdir(parents=True)
    (links / "one").write_bytes(b"one inode")
    os.link(links / "one", links / "sub/two")
    os.link(links / "one", folder / "three")
    os.link(folder / "large", links / "large too")
    os.symlink("nothing here", folder / "dangling")
    os.symlink("/etc/hostname", folder / "absolute-link")
    os.symlink("..", folder / "up-link")
    _long_link(folder / "long-link")
    os.symlink("n" * 1023, folder / "long-link-of-xfs")
    os.symlink(b"not utf-8 \xff", os.fsencode(folder / "odd-link"))
    os.link(folder / "dangling", links / "a hard link to a symlink", follow_symlinks=False)


def _long_link(path: Path) -> None:
    """XFS takes 1,024 bytes, ext4 less than a block of 4,096."""
    try:
        os.symlink("l" * 4095, path)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise


def _nodes(folder: Path, _noise: random.Random) -> None:
    os.mkfifo(folder / "fifo", 0o622)
    os.mknod(folder / "character-device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(folder / "block-device", stat.S_IFBLK | 0o660, os.makedev(259, 70_000))
    os.chown(folder / "block-device", 0, 6)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"/proc/self/fd/{(descriptor := os.open(folder, os.O_RDONLY))}/socket")
    listener.close()
    os.close(descriptor)


def _times(folder: Path, _noise: random.Random) -> None:
    (folder / "times").mkdir()
    for name, seconds in _BIRTHDAYS.items():
        path = folder / "times" / name
        path.write_bytes(b"time")
        os.utime(path, ns=(seconds * 10**9 + 1, seconds * 10**9 + 123_456_789))
    os.symlink("time", folder / "times/link")
    os.utime(folder / "times/link", ns=(5, 987_654_321), follow_symlinks=False)
    os.utime(folder / "times", ns=(1, 999_999_999))


def _directories(folder: Path, _noise: random.Random) -> None:
    (folder / "empty-directories/a/b/c").mkdir(parents=True)
    (folder / "empty-directories/d").mkdir()


def _flags(folder: Path) -> None:
    wanted = {"immutable": IMMUTABLE, "append-only": APPEND_ONLY, "nodump": NO_DUMP, "noatime": NO_ATIME}
    for name, flags in (wanted | {"nocow": NO_COPY_ON_WRITE}).items():
        (folder / f"flag-{name}").write_bytes(b"flags\n")
        set_flags(folder / f"flag-{name}", flags)
    inner = folder / "flag-directory"
    inner.mkdir()
    (inner / "inside").write_bytes(b"in an immutable directory")
    os.link(inner / "inside", folder / "links/inside too")
    set_flags(inner, IMMUTABLE)


def set_flags(path: Path, flags: int) -> None:
    """Set these inode flags and no other of theirs, as far as the file system knows them."""
    mask = IMMUTABLE | APPEND_ONLY | NO_DUMP | NO_ATIME | NO_COPY_ON_WRITE
    descriptor = os.open(path, os.O_RDONLY)
    try:
        current = struct.unpack("l", fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, bytes(8)))[0]
        fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, struct.pack("l", (current & ~mask) | flags))
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)
