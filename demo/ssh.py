"""Commands and files for a machine over SSH, through one connection that stays open."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from demo.source_image import SourceImage
from demo.source_system import HOST_NAME


class RemoteCommandError(Exception):
    """A command on a machine has failed; the text is what it said."""


@dataclass(frozen=True)
class Ssh:
    """Root on the machine behind a forwarded port. The host key is the image's; no other is accepted.

    One connection is shared by all commands: a new handshake with an emulated machine takes seconds.
    """

    image: SourceImage
    port: int

    def run(self, command: str, *, input_data: bytes = b"", timeout_s: float = 120) -> str:
        """Run a shell command; returns its standard output. Raises RemoteCommandError."""
        try:
            result = subprocess.run(
                [*self._arguments(), command], input=input_data, capture_output=True, timeout=timeout_s
            )
        except subprocess.TimeoutExpired as error:
            raise RemoteCommandError(f"`{command}` took longer than {timeout_s:g} s") from error
        if result.returncode:
            said = (result.stderr or result.stdout).decode(errors="replace").strip()
            raise RemoteCommandError(f"`{command}` ended with {result.returncode}: {said[-2000:]}")
        return result.stdout.decode(errors="replace")

    def send_file(self, local: Path, remote: str, *, mode: str = "0644") -> None:
        """Copy a file; it never has more rights than mode."""
        self.send(local.read_bytes(), remote, mode=mode)

    def send(self, content: bytes, remote: str, *, mode: str = "0600") -> None:
        """Write a file; it never has more rights than mode."""
        self.run(f"umask 077; cat >'{remote}' && chmod {mode} '{remote}'", input_data=content)

    def wait(self, *, timeout_s: float) -> None:
        """Wait until a login works. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.run("true", timeout_s=20)
            except RemoteCommandError as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no login by SSH within {timeout_s:g} s: {error}") from error
                time.sleep(0.5)
            else:
                return

    def close(self) -> None:
        """End the shared connection, if there is one."""
        arguments = self._arguments()
        subprocess.run(
            [*arguments[:-1], "-O", "exit", arguments[-1]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _arguments(self) -> list[str]:
        options = (
            "BatchMode=yes",
            "LogLevel=ERROR",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.image.known_hosts}",
            f"HostKeyAlias={HOST_NAME}",
            "ConnectTimeout=15",
            "ControlMaster=auto",
            # Short, since a socket's path has at most 107 bytes.
            f"ControlPath=/run/sms-demo-{os.getpid()}-{self.port}",
            "ControlPersist=600",
        )
        named = [part for option in options for part in ("-o", option)]
        return ["ssh", "-F", "none", "-i", str(self.image.private_key), "-p", str(self.port), *named, "root@127.0.0.1"]
