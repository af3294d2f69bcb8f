"""An agent's folder for one task: its key, the command that is being carried out, and what the work keeps there."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contracts.errors import MigrationError
from contracts.errors.agent_work import AGENT_NO_KEY
from contracts.messages.agent import AgentCommand, AgentRole

_TASK_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY: Final = "channel.key"
_COMMAND: Final = "command.json"


class TaskFolder:
    """``<state folder>/tasks/<task id>``, mode 0700. The task id is checked, since it comes from the bus."""

    def __init__(self, state_folder: Path, task_id: str) -> None:
        if not _TASK_ID.fullmatch(task_id):
            raise ValueError("not a task id")
        self.task_id = task_id
        self.path = state_folder / "tasks" / task_id
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def work(self, generation: str) -> Path:
        """Where the data plane keeps its catalogue or journal; a replica that was formatted anew begins afresh."""
        folder = self.path / re.sub(r"[^A-Za-z0-9_-]", "-", generation)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def certificate_request(self, account: str, role: AgentRole) -> str:
        """A certificate request (PEM) for this task's channel; the key is made once and never leaves the folder."""
        path = self.path / _KEY
        if not path.exists():
            _write_private(path, _new_key())
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise MigrationError(AGENT_NO_KEY, task_id=self.task_id)
        names = [
            x509.DNSName(f"{role}.{self.task_id}.sms"),
            x509.UniformResourceIdentifier(f"sms://{account}/task/{self.task_id}/{role}"),
        ]
        builder = x509.CertificateSigningRequestBuilder().subject_name(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{role}.{self.task_id[:32]}.sms")])
        )
        request = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())
        return request.public_bytes(serialization.Encoding.PEM).decode()

    def key_pem(self) -> str:
        """The private key. Raises MigrationError SMS.AGENT.NO_KEY when none was made."""
        try:
            return (self.path / _KEY).read_text(encoding="ascii")
        except FileNotFoundError as error:
            raise MigrationError(AGENT_NO_KEY, task_id=self.task_id) from error

    def remember(self, command: AgentCommand, **kept: int) -> None:
        """Keep the command until `forget_command`, so that a restarted agent goes on without being told."""
        text = command.model_copy(update=kept).model_dump_json()
        _write_private(self.path / _COMMAND, f"{command.TYPE}\n{text}".encode())

    def remembered(self) -> tuple[str, str] | None:
        """(message type, JSON) of the command that was being carried out."""
        try:
            kind, _, text = (self.path / _COMMAND).read_text(encoding="utf-8").partition("\n")
        except FileNotFoundError:
            return None
        return kind, text

    def write(self, name: str, text: str) -> None:
        """Keep a small file of the work's own, on disk when this returns."""
        _write_private(self.path / name, text.encode())

    def read(self, name: str) -> str | None:
        """What `write` kept; None when there is nothing."""
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def forget(self, name: str) -> None:
        """Remove what `write` kept."""
        (self.path / name).unlink(missing_ok=True)

    def forget_command(self) -> None:
        """The command has ended."""
        (self.path / _COMMAND).unlink(missing_ok=True)

    def remove(self) -> None:
        """Every trace of the task."""
        shutil.rmtree(self.path, ignore_errors=True)


def task_folders(state_folder: Path) -> Iterator[TaskFolder]:
    """The folders of all tasks that the agent knows."""
    parent = state_folder / "tasks"
    for path in sorted(parent.iterdir()) if parent.exists() else ():
        if _TASK_ID.fullmatch(path.name):
            yield TaskFolder(state_folder, path.name)


def _new_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
