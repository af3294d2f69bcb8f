"""The programs that are compared: our two agents' copy, and rsync over ssh. Both over loopback."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from benchmarks.rig.authority import Authority
from benchmarks.rig.copy_end import EndSettings
from contracts.messages.agent import AgentRole
from contracts.transfer import CopySummary

# Nobody else has a port in this network.
_SSH_PORT = 2222
_START_LIMIT_S = 20.0
_STOP_LIMIT_S = 300.0
_TASK = "benchmark"


class Contender(Protocol):
    """A way to copy a tree into an empty folder."""

    @property
    def name(self) -> str:
        """As the result calls it."""

    def ready(self, source: Path, target: Path, folder: Path) -> AbstractContextManager[Callable[[], int]]:
        """Start what would run already on a real server; what it gives does the copy, which is measured.

        folder: an empty one for everything else that is needed. The copy returns the bytes that the program
        itself says it sent, and raises if it did not succeed.
        """


class OwnCopy:
    """Source and target agent's copy, each in a process of its own."""

    name = "ours"

    @contextmanager
    def ready(self, source: Path, target: Path, folder: Path) -> Iterator[Callable[[], int]]:
        """See Contender. Both agents are services: interpreters and modules are loaded beforehand."""
        authority = Authority(_TASK)

        def settings(role: AgentRole, path: Path, port: int = 0) -> EndSettings:
            state_folder = folder / role
            state_folder.mkdir()
            return EndSettings(
                task_id=_TASK,
                path=str(path),
                state_folder=str(state_folder),
                credentials=authority.issue(role),
                port=port,
            )

        with _End("target", settings("target", target)) as serving:
            port = int(serving.hear())
            with _End("source", settings("source", source, port)) as sending:
                sending.hear()
                yield lambda: _run(sending, serving)


class RsyncOverSsh:
    """``rsync -aHAXS -e ssh`` with a server of its own; ciphers and all else as ssh comes."""

    name = "rsync"

    @contextmanager
    def ready(self, source: Path, target: Path, folder: Path) -> Iterator[Callable[[], int]]:
        """See Contender. sshd is a service and runs beforehand; programs are read from disk once."""
        for key in ("host_key", "client_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / key], check=True)
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{_SSH_PORT} {(folder / 'host_key.pub').read_text()}")
        (folder / "sshd_config").write_text(_sshd_config(folder))
        for version in (["rsync", "--version"], ["ssh", "-V"]):
            subprocess.run(version, check=True, capture_output=True)
        # setpriv: sshd ends with this process, however that ends.
        command = ["setpriv", "--pdeathsig", "TERM", "/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")]
        server = subprocess.Popen(command)
        try:
            _await_port(_SSH_PORT)
            yield lambda: _rsync(source, target, folder)
        finally:
            server.terminate()
            server.wait()


class _End:
    """An end of our copy, talked to by lines."""

    def __init__(self, role: AgentRole, settings: EndSettings) -> None:
        command = [sys.executable, "-m", "benchmarks.rig.copy_end", role]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin and self._process.stdout  # noqa: S101, PT018 - pipes were asked for
        self._input, self._output = self._process.stdin, self._process.stdout
        self.tell(settings.model_dump_json())

    def __enter__(self) -> _End:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._input.close()
        self._output.close()

    def tell(self, line: str) -> None:
        self._input.write(line + "\n")
        self._input.flush()

    def hear(self) -> str:
        line = self._output.readline().strip()
        if not line:
            raise RuntimeError(f"a process of our copy ended early with {self._process.wait()}")
        return line

    def finish(self) -> None:
        """Let it come to its own end."""
        self._input.close()
        if self.hear() != "on disk" or self._process.wait(_STOP_LIMIT_S):
            raise RuntimeError("the target did not come to its end")


def _run(sending: _End, serving: _End) -> int:
    sending.tell("copy")
    summary = CopySummary.model_validate_json(sending.hear())
    if summary.files_skipped or summary.read_errors or summary.files_changing or summary.reconnects:
        raise RuntimeError(f"not a clean copy: {summary.model_dump_json()}")
    serving.finish()
    return summary.bytes_sent


def _rsync(source: Path, target: Path, folder: Path) -> int:
    remote_shell = ["ssh", "-F", "none", "-i", str(folder / "client_key"), "-p", str(_SSH_PORT)]
    options = {"BatchMode": "yes", "IdentitiesOnly": "yes", "UserKnownHostsFile": str(folder / "known_hosts")}
    for name, value in options.items():
        remote_shell += ["-o", f"{name}={value}"]
    command = ["rsync", "-aHAXS", "--stats", "-e", shlex.join(remote_shell), f"{source}/", f"root@127.0.0.1:{target}/"]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = re.search(r"^Total bytes sent: ([\d,.]+)", said, re.MULTILINE)
    if not found:
        raise RuntimeError(f"rsync did not say what it sent: {said}")
    return int(re.sub(r"\D", "", found[1]))


def _sshd_config(folder: Path) -> str:
    return f"""\
Port {_SSH_PORT}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client_key.pub
AuthenticationMethods publickey
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
PidFile none
LogLevel FATAL
"""


def _await_port(port: int) -> None:
    give_up = time.monotonic() + _START_LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)
        else:
            return
