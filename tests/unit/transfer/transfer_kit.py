"""Certificates, trees with every oddity, and a comparison that shares no code with what it checks."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import random
import socket
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agents.source.copy.session import SourceSession
from agents.target.receive.journal import Journal
from agents.target.receive.server import TargetServer
from agents.transfer.tls import source_context, target_context
from contracts.layout import CopyVolume

TASK = "task-1"
_USAGES = {"source": ExtendedKeyUsageOID.CLIENT_AUTH, "target": ExtendedKeyUsageOID.SERVER_AUTH}


class Authority:
    """A task's certificate authority for tests."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        now = datetime.datetime.now(datetime.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=2))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    @classmethod
    def self_signed(cls, role: str) -> dict[str, str]:
        """A leaf that is right in everything but who signed it: it is its own authority."""
        own = cls()
        own.certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, role)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, role)]))
            .public_key(own.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(own.certificate.not_valid_before_utc)
            .not_valid_after(own.certificate.not_valid_after_utc)
            .add_extension(x509.ExtendedKeyUsage([_USAGES[role]]), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"sms://account/task/{TASK}/{role}")]),
                critical=False,
            )
            .sign(own.key, hashes.SHA256())
        )
        key = own.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {"certificate": own.pem, "key": key.decode()}

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def leaf(
        self, role: str, *, task: str = TASK, begins_s: float = -300, valid_s: float = 3600, usage=None, uri=None
    ) -> dict[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, role)]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(seconds=begins_s))
            .not_valid_after(now + datetime.timedelta(seconds=valid_s))
        )
        usage = [_USAGES[role]] if usage is None else usage
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        name = x509.UniformResourceIdentifier(uri or f"sms://account/task/{task}/{role}")
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return {
            "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
            "key": key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode(),
            "authority": self.pem,
        }


class Pair:
    """Both ends in this process, over TLS on loopback."""

    def __init__(self, folder: Path, volumes: dict[int, tuple[Path, Path, str]], backings=None, **options) -> None:
        self.folder = folder
        self.authority = Authority()
        self.source_options = options
        self._held = (volumes, backings)
        self.server = self._new_server(("127.0.0.1", 0), volumes, backings)
        self.endpoint = self.server.start()
        self.volumes = [
            CopyVolume(
                index=index,
                mount_point=mount,
                source_path=str(source),
                target_disk="vda",
                target_partition=1,
                kind="ext4",
            )
            for index, (source, _, mount) in volumes.items()
        ]
        self.progress = []
        self.source = self.new_source()

    def _new_server(
        self, listen: tuple[str, int], volumes: dict[int, tuple[Path, Path, str]], backings
    ) -> TargetServer:
        return TargetServer(
            task_id=TASK,
            listen=listen,
            tls=target_context(**self.authority.leaf("target")),
            volumes={index: target for index, (_, target, _) in volumes.items()},
            mount_points={index: mount for index, (_, _, mount) in volumes.items()},
            state_folder=self.folder / "target-state",
            applied_survives_restart=True,
            backings=backings,
        )

    @contextlib.contextmanager
    def without_target(self) -> Iterator[Journal]:
        """While the target is down; its journal."""
        self.server.stop()
        journal = Journal(self.folder / "target-state/receive.journal")
        try:
            yield journal
        finally:
            journal.close()
            self.server = self._new_server(self.endpoint, *self._held)
            self.server.start()

    def new_source(self) -> SourceSession:
        options = {"excludes": (), "own_paths": (), "retry_s": 20, **self.source_options}
        return SourceSession(
            task_id=TASK,
            volumes=self.volumes,
            endpoints=[self.endpoint],
            tls=source_context(**self.authority.leaf("source")),
            state_folder=self.folder / "source-state",
            on_progress=self.progress.append,
            **options,
        )

    def close(self) -> None:
        self.server.stop()


def set_flags(path: bytes | Path, flags: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        current = struct.unpack("l", fcntl.ioctl(descriptor, 0x80086601, bytes(8)))[0]
        fcntl.ioctl(descriptor, 0x40086602, struct.pack("l", (current & ~0x8000F0) | flags))
    finally:
        os.close(descriptor)


def get_flags(path: bytes) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return struct.unpack("l", fcntl.ioctl(descriptor, 0x80086601, bytes(8)))[0] & 0x8000F0
    except OSError:
        return 0
    finally:
        os.close(descriptor)


def make_odd_tree(root: Path, *, has_flags: bool) -> None:
    """Every oddity that a file system can hold."""
    b = os.fsencode(root)
    root.mkdir(exist_ok=True)
    (root / "plain").write_bytes(b"contents\n")
    (root / "empty").write_bytes(b"")
    (root / "exactly-1MiB").write_bytes(os.urandom(1 << 20))
    (root / "just-above-1MiB").write_bytes(os.urandom((1 << 20) + 1))
    (root / "large").write_bytes(os.urandom(5 << 20) + bytes(2 << 20) + b"end" * 1000)
    (root / "compressible").write_bytes(b"abcdefgh" * (1 << 18))
    with open(root / "holes", "wb") as file:
        file.write(b"start")
        file.seek(40 << 20)
        file.write(b"middle" * 3000)
        file.truncate(200 << 20)
    with open(root / "all-hole", "wb") as file:
        file.truncate(30 << 20)
    with open(root / "small-hole", "wb") as file:
        file.seek(500_000)
        file.write(b"x")
    for name in (b"\xff\xfe not utf-8", b"new\nline", b"-rf", b"*", b" ", b"n" * 255, "üñï".encode(), b"\\x41"):
        with open(b + b"/" + name, "wb") as file:
            file.write(name)
    for mode in (0o4755, 0o2755, 0o1777, 0o000, 0o6711):
        (root / f"mode-{mode:o}").write_bytes(b"m")
        os.chown(root / f"mode-{mode:o}", 1000, 2000)
        os.chmod(root / f"mode-{mode:o}", mode)
    old = root / "before-1970"
    old.write_bytes(b"old")
    os.utime(old, ns=(-1_500_000_001, -86_400_000_000_123))
    (root / "nanoseconds").write_bytes(b"n")
    os.utime(root / "nanoseconds", ns=(1, 1_234_567_890_123_456_789))
    (root / "after-2038").write_bytes(b"far")
    os.utime(root / "after-2038", ns=(1, 4_102_444_800_000_000_007))
    attributes = root / "attributes"
    attributes.write_bytes(b"a")
    os.setxattr(attributes, "user.long", os.urandom(2000))
    os.setxattr(attributes, "user.empty", b"")
    os.setxattr(attributes, "trusted.secret", b"\0binary\xff")
    os.setxattr(attributes, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    subprocess.run(["setfacl", "-m", "u:1234:rwx,g:77:r", str(root / "attributes")], check=True)
    acl = root / "acl-folder"
    acl.mkdir()
    subprocess.run(["setfacl", "-d", "-m", "u:1234:rwx", str(acl)], check=True)
    (acl / "inherits").write_bytes(b"i")
    setgid = root / "setgid-folder"
    setgid.mkdir()
    os.chown(setgid, 5, 6)
    os.chmod(setgid, 0o2775)  # noqa: S103 - a mode like any other here
    (setgid / "file").write_bytes(b"g")
    links = root / "links"
    links.mkdir()
    (links / "a").write_bytes(b"linked")
    os.link(links / "a", links / "b")
    (root / "zz").mkdir()
    os.link(links / "a", root / "zz" / "c")
    (links / "large-a").write_bytes(os.urandom(3 << 20))
    os.link(links / "large-a", root / "zz" / "large-b")
    os.symlink("/etc/passwd", links / "absolute")
    os.symlink(b"\xff dangling", b + b"/links/dangling")
    os.link(links / "dangling", links / "symlink-twice", follow_symlinks=False)
    os.setxattr(b + b"/links/absolute", "trusted.link", b"on a symlink", follow_symlinks=False)
    os.utime(links / "absolute", ns=(5, 123_456_789), follow_symlinks=False)
    os.chown(links / "absolute", 7, 8, follow_symlinks=False)
    special = root / "special"
    special.mkdir()
    os.mknod(special / "null", 0o640 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(special / "disk", 0o600 | stat.S_IFBLK, os.makedev(259, 70000))
    os.mkfifo(special / "pipe", 0o4622)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(special / "sock"))
    listener.close()
    (root / "empty-folder").mkdir(mode=0o711)
    os.utime(root / "empty-folder", ns=(3, 3_000_000_007))
    deep = os.open(root, os.O_RDONLY)
    for _ in range(60):
        os.mkdir(b"d" * 100, dir_fd=deep)
        inner = os.open(b"d" * 100, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=deep))
    os.close(deep)
    many = root / "many"
    many.mkdir()
    for index in range(1500):
        (many / f"{index}").write_bytes(b"%d" % index * (index % 50))
    if has_flags:
        (root / "immutable").write_bytes(b"fixed")
        os.link(root / "immutable", root / "immutable-link")
        set_flags(root / "immutable", 0x10)
        (root / "append").write_bytes(b"log")
        set_flags(root / "append", 0x20 | 0x40)
        frozen = root / "frozen-folder"
        frozen.mkdir()
        (frozen / "inside").write_bytes(b"i")
        (frozen / "empty").mkdir()
        set_flags(frozen, 0x10)
        for name, flags in (("no-dump", 0x40), ("no-atime", 0x80), ("nocow", 0x800000)):
            (root / name).touch()
            with contextlib.suppress(OSError):  # nocow is of Btrfs
                set_flags(root / name, flags)
            (root / name).write_bytes(b"flags")
    os.utime(root, ns=(1, 1_111_111_111_000_000_001))


def get_project(path: Path) -> tuple[int, bool]:
    """The project of quotas, and whether what is made in a folder gets it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        flags, _, _, project, _ = struct.unpack("<5I8x", fcntl.ioctl(descriptor, 0x801C581F, bytes(28)))
    finally:
        os.close(descriptor)
    return project, bool(flags & 0x200)


def set_project(path: Path, project: int, *, inherits: bool) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        flags, *others = struct.unpack("<5I8x", fcntl.ioctl(descriptor, 0x801C581F, bytes(28)))
        flags = flags | 0x200 if inherits else flags & ~0x200
        fcntl.ioctl(descriptor, 0x401C5820, struct.pack("<5I8x", flags, *others[:2], project, others[3]))
    finally:
        os.close(descriptor)


def clear_flags(root: Path) -> None:
    for name in ("immutable", "append", "frozen-folder"):
        if (root / name).exists():
            set_flags(root / name, 0)


def snapshot(root: Path, *, leave_out=()) -> dict[bytes, tuple]:
    """Everything about every entry, by path; walks with descriptors only."""
    result: dict[bytes, tuple] = {}
    groups: dict[int, list[bytes]] = {}

    def visit(descriptor: int, path: bytes) -> None:
        result[path or b"."] = _facts(descriptor, b".", os.fstat(descriptor))
        for text in sorted(os.listdir(descriptor)):
            name = os.fsencode(text)
            full = path + b"/" + name if path else name
            state = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISSOCK(state.st_mode) or full in leave_out:
                continue
            if stat.S_ISDIR(state.st_mode):
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
                try:
                    visit(inner, full)
                finally:
                    os.close(inner)
                continue
            if state.st_nlink > 1:
                groups.setdefault(state.st_ino, []).append(full)
            result[full] = _facts(descriptor, name, state)

    top = os.open(root, os.O_RDONLY)
    try:
        visit(top, b"")
    finally:
        os.close(top)
    for names in groups.values():
        for name in names:
            result[name] += (tuple(sorted(names)),)
    return result


def _facts(descriptor: int, name: bytes, state: os.stat_result) -> tuple:
    proc = b"/proc/self/fd/%d/%s" % (descriptor, name)
    xattrs = tuple(
        (key, os.getxattr(proc, key, follow_symlinks=False))
        for key in sorted(os.listxattr(proc, follow_symlinks=False))
        if not key.startswith("trusted.SGI_ACL")  # how XFS shows the same ACL once more
    )
    content: object = None
    flags = 0
    if stat.S_ISREG(state.st_mode):
        file = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        digest = __import__("hashlib").sha256()
        while data := os.read(file, 1 << 20):
            digest.update(data)
        os.close(file)
        content = (state.st_size, digest.hexdigest())
    elif stat.S_ISLNK(state.st_mode):
        content = os.readlink(name, dir_fd=descriptor)
    elif stat.S_ISCHR(state.st_mode) or stat.S_ISBLK(state.st_mode):
        content = state.st_rdev
    if stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode):
        flags = get_flags(proc)
    return (oct(state.st_mode), state.st_uid, state.st_gid, state.st_mtime_ns, content, xattrs, flags)


def differences(one: dict[bytes, tuple], other: dict[bytes, tuple]) -> list[str]:
    return [
        f"{path[:80]!r}: {one.get(path)} != {other.get(path)}"[:600]
        for path in sorted(one.keys() | other.keys())
        if one.get(path) != other.get(path)
    ]


def random_tree(root: Path, rng: random.Random, files: int) -> None:
    root.mkdir(exist_ok=True)
    folders = [root]
    for index in range(files):
        if rng.random() < 0.1:
            folder = rng.choice(folders) / f"d{index}"
            folder.mkdir()
            folders.append(folder)
        (rng.choice(folders) / f"f{index}").write_bytes(rng.randbytes(rng.choice((0, 10, 3000, 40_000))))
