"""The replica's disks attached and mounted, with the receiver of the copy in front of them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from agents.target.disks import PreparedDisks
from agents.target.receive.server import TargetServer
from agents.target.surroundings import Surroundings
from agents.task_folder import TaskFolder
from agents.transfer.tls import target_context
from contracts.messages.agent import ChannelEnd, PrepareTarget

_PORT_FILE: Final = "port"


class ReplicaServing:
    """From `start` to `stop` one task's replica can be written to by its source."""

    def __init__(
        self, command: PrepareTarget, *, folder: TaskFolder, work_folder: Path, surroundings: Surroundings
    ) -> None:
        self._surroundings = surroundings
        self._command = command
        self._folder = folder
        self._disks = PreparedDisks(work_folder)
        self._server: TargetServer | None = None

    def start(self) -> int:
        """Attach, format if that has not been done, mount, listen; returns the port.

        The port stays the same over restarts, so that a source that has lost the link finds it again.
        """
        # Devices have other names after a restart: they are looked up every time.
        command = self._surroundings.command(self._command)
        self._disks.attach(command.disks)
        if not command.is_formatted:
            self._disks.partition_and_format(command.layout)
        volumes = self._disks.mount_volumes(command.layout)
        work = self._folder.work(command.generation)
        self._server = TargetServer(
            task_id=command.task_id,
            listen=(command.listen_address, self._surroundings.listen_port or _known_port(work)),
            tls=self._tls(command.channel),
            volumes=volumes,
            mount_points={volume.index: volume.mount_point for volume in command.layout.volumes},
            state_folder=work,
            applied_survives_restart=command.applied_survives_restart,
            backings=self._disks.fat_folders(),
        )
        _, port = self._server.start()
        (work / _PORT_FILE).write_text(str(port), encoding="ascii")
        return port

    def use_certificate(self, channel: ChannelEnd) -> None:
        """Present this certificate from the next connection on, also after a restart of the agent."""
        self._command = self._command.model_copy(update={"channel": channel, "is_formatted": True})
        self._folder.remember(self._command)
        if self._server is not None:
            self._server.use_tls(self._tls(channel))

    def _tls(self, channel: ChannelEnd) -> ssl.SSLContext:
        return target_context(
            certificate=channel.certificate_pem, key=self._folder.key_pem(), authority=channel.authority_pem
        )

    def stop(self) -> None:
        """Drain and sync to disk, then unmount and detach."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        self._disks.detach()


def _known_port(work: Path) -> int:
    try:
        return int((work / _PORT_FILE).read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return 0
