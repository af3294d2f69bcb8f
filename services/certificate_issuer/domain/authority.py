"""The state of a task's authority, and its changes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from contracts.base import Model
from contracts.messages.agent import AgentRole

# A certificate holds for an hour: after twice that, only its repetition by a very late command could be asked for.
_REMEMBERED: Final = 64


class IssuedCertificate(Model):
    """One leaf. csr_digest: SHA-256 of the request, hex; a repeated request is one that equals in it too."""

    request_id: str
    role: AgentRole
    csr_digest: str
    serial: str
    certificate_pem: str
    not_after: datetime
    is_revoked: bool = False


class TaskAuthority(Model):
    """sealed_key is "" once it is destroyed; the record stays, so that nothing is issued for the task again."""

    task_id: str
    certificate_pem: str = ""
    sealed_key: str = ""
    is_destroyed: bool = False
    issued: tuple[IssuedCertificate, ...] = ()

    def find(self, request_id: str, role: AgentRole, csr_digest: str) -> IssuedCertificate | None:
        """What was issued for this very request before."""
        for known in self.issued:
            if (known.request_id, known.role, known.csr_digest) == (request_id, role, csr_digest):
                return None if known.is_revoked else known
        return None

    def with_issued(self, certificate: IssuedCertificate) -> TaskAuthority:
        """The newest ones are remembered; a revoked one of the same request is replaced."""
        identity = (certificate.request_id, certificate.role, certificate.csr_digest)
        others = [known for known in self.issued if (known.request_id, known.role, known.csr_digest) != identity]
        return self.model_copy(update={"issued": (*others, certificate)[-_REMEMBERED:]})

    def revoke(self, role: AgentRole | None, *, now: datetime) -> tuple[TaskAuthority, tuple[str, ...]]:
        """Mark what was issued to the role (None: to both); also the serials of those that had not expired."""
        void = [known for known in self.issued if role in (None, known.role) and not known.is_revoked]
        serials = tuple(known.serial for known in void if known.not_after > now)
        issued = tuple(
            known.model_copy(update={"is_revoked": True}) if known in void else known for known in self.issued
        )
        return self.model_copy(update={"issued": issued}), serials

    def destroy(self) -> TaskAuthority:
        """Without key and history."""
        return TaskAuthority(task_id=self.task_id, certificate_pem=self.certificate_pem, is_destroyed=True)
