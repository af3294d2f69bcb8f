"""The programs that are compared: our two agents' copy, rsync, tar with zstd, all but the first over ssh; bare TCP."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from benchmarks.rig.ends import End, OwnEnds
from benchmarks.rig.links import Link

# Nobody else has a port in this network.
_SSH_PORT: Final = 2222
_START_LIMIT_S: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a copy happens. target: empty at first. folder: an empty one for everything else that is needed."""

    source: Path
    target: Path
    folder: Path
    link: Link


Copy = Callable[[], None]


class Contender(Protocol):
    """A way to copy a tree."""

    @property
    def name(self) -> str:
        """As the result calls it."""

    @property
    def is_faithful(self) -> bool:
        """Whether everything about a file is copied, not only its contents."""

    def ready(self, place: Place) -> AbstractContextManager[Copy]:
        """Start what would run already on a real server; what it gives does the copy, which is measured.

        Called again, it brings the target up to date. It raises if it did not succeed.
        """


@dataclass(frozen=True)
class OwnCopy:
    """Source and target agent's copy, each in a process of its own. by_changes: see EndSettings."""

    name: str = field(default="ours", init=False)
    is_faithful: bool = field(default=True, init=False)
    by_changes: bool = False

    @contextmanager
    def ready(self, place: Place) -> Iterator[Copy]:
        """See Contender. Both agents are services: interpreters and modules are loaded beforehand."""
        with OwnEnds(place.source, place.target, place.folder, place.link, by_changes=self.by_changes) as ends:
            yield ends.copy


@dataclass(frozen=True)
class RsyncOverSsh:
    """rsync with a server of its own; ciphers and all else as ssh comes."""

    name: str = "rsync"
    options: tuple[str, ...] = ("-aHAXS",)
    is_faithful: bool = field(default=True, init=False)

    @contextmanager
    def ready(self, place: Place) -> Iterator[Copy]:
        """See Contender. Programs are read from disk once."""
        subprocess.run(["rsync", "--version"], check=True, capture_output=True)
        with _ssh(place) as ssh:
            into = f"root@{place.link.address}:{place.target}/"
            command = ["rsync", *self.options, "-e", shlex.join(ssh), f"{place.source}/", into]
            yield lambda: _run(command)


class TarOverSsh:
    """``tar | zstd | ssh``, with everything that tar can keep."""

    name = "tar-zstd"
    is_faithful = True

    @contextmanager
    def ready(self, place: Place) -> Iterator[Copy]:
        """See Contender."""
        kept = "--xattrs --xattrs-include=* --acls --numeric-owner"
        pack = f"tar -C {place.source} {kept} --sparse --format=posix -cf - . | zstd -q -c"
        with _ssh(place) as ssh:
            remote = f"zstd -q -d -c | tar -C {place.target} {kept} -xpf -"
            address = f"root@{place.link.address}"
            command = f"set -o pipefail; {pack} | {shlex.join([*ssh, address, remote])}"
            yield lambda: _run(["bash", "-c", command])


class BareTcp:
    """A plain TCP connection, sendfile at one end and a file at the other: what the link itself can do."""

    name = "bare-tcp"
    is_faithful = False

    @contextmanager
    def ready(self, place: Place) -> Iterator[Copy]:
        """See Contender. It copies the files of one folder."""
        listen = [sys.executable, "-m", "benchmarks.rig.bare_tcp", place.link.address, str(place.target)]
        with End(place.link.at_target(listen)) as receiving, place.link.reach(int(receiving.hear())) as port:

            def copy() -> None:
                with socket.create_connection((place.link.address, port)) as wire:
                    for path in sorted(place.source.iterdir()):
                        wire.sendall(f"{path.stat().st_size} {path.name}\n".encode())
                        with path.open("rb") as file:
                            wire.sendfile(file)
                    wire.shutdown(socket.SHUT_WR)
                    if wire.recv(2) != b"ok":
                        raise RuntimeError("the receiver did not get everything")

            yield copy


@dataclass(frozen=True)
class BlocksOverSsh:
    """The disk of a file system instead of its files: a program that reads it, zstd, ssh, and one that writes an image.

    reads, writes: commands; DISK and IMAGE stand for paths. The image is mounted over the target when it is on disk.
    """

    name: str
    reads: str
    writes: str
    is_faithful: bool = field(default=True, init=False)

    @contextmanager
    def ready(self, place: Place) -> Iterator[Copy]:
        """See Contender. The source must be a file system by itself, on which nothing is written meanwhile."""
        find = ["findmnt", "-n", "-o", "SOURCE", "-T", str(place.source)]
        disk = subprocess.run(find, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        image = place.folder / "image"
        with _ssh(place) as ssh, ExitStack() as stack:
            remote = f"zstd -q -d -c | {self.writes.replace('IMAGE', str(image))} && sync {image}"
            pipe = f"{self.reads.replace('DISK', disk)} | zstd -q -c | "
            command = f"set -o pipefail; {pipe}{shlex.join([*ssh, f'root@{place.link.address}', remote])}"

            def copy() -> None:
                # partclone tells its progress there, whatever it is asked for.
                done = subprocess.run(["bash", "-c", command], stderr=subprocess.PIPE, text=True)
                if done.returncode:
                    raise RuntimeError(f"{self.name} failed: {done.stderr[-2000:]}")
                _run(["mount", "-o", "loop", str(image), str(place.target)])
                stack.callback(_run, ["umount", str(place.target)])

            yield copy


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)


@contextmanager
def _ssh(place: Place) -> Iterator[list[str]]:
    """Start sshd on the target's end, as a service that runs beforehand; gives the command to reach it."""
    folder, link = place.folder, place.link
    for key in ("host_key", "client_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / key], check=True)
    (folder / "sshd_config").write_text(_sshd_config(folder, link.address))
    # setpriv: sshd ends with this process, however that ends.
    command = ["setpriv", "--pdeathsig", "TERM", "/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")]
    with ExitStack() as stack:
        server = subprocess.Popen(link.at_target(command))
        stack.callback(server.wait)
        stack.callback(server.terminate)
        _await_port(link.address)
        port = stack.enter_context(link.reach(_SSH_PORT))
        host_key = (folder / "host_key.pub").read_text()
        (folder / "known_hosts").write_text(f"[{link.address}]:{port} {host_key}")
        ssh = ["ssh", "-F", "none", "-i", str(folder / "client_key"), "-p", str(port)]
        options = {"BatchMode": "yes", "IdentitiesOnly": "yes", "UserKnownHostsFile": str(folder / "known_hosts")}
        for name, value in options.items():
            ssh += ["-o", f"{name}={value}"]
        # Programs are read from disk once, at both ends.
        subprocess.run([*ssh, f"root@{link.address}", "zstd --version; tar --version"], check=True, capture_output=True)
        yield ssh


def _sshd_config(folder: Path, address: str) -> str:
    return f"""\
Port {_SSH_PORT}
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client_key.pub
AuthenticationMethods publickey
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
PidFile none
LogLevel FATAL
"""


def _await_port(address: str) -> None:
    give_up = time.monotonic() + _START_LIMIT_S
    while True:
        try:
            socket.create_connection((address, _SSH_PORT), timeout=1).close()
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)
        else:
            return
