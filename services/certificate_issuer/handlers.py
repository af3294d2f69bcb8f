"""One coroutine per command: load, decide, save with the events that answer it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from contracts.base import Message, Model
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.certificate_issuer import CERT_NO_AUTHORITY
from contracts.messages.certificate_issuer import (
    AuthorityCreated,
    AuthorityDestroyed,
    CertificateIssued,
    CertificateRefused,
    CertificatesRevoked,
    CreateAuthority,
    DestroyAuthority,
    IssueCertificate,
    RevokeCertificates,
)
from contracts.subjects import evt, token
from services.certificate_issuer.domain.authority import IssuedCertificate, TaskAuthority
from services.certificate_issuer.domain.certificate_request import read_request, request_digest
from services.certificate_issuer.domain.issuing import issue_leaf, make_authority
from services.certificate_issuer.domain.ports import Keys, Seal
from shared.store import Collection, OutgoingMessage, Store, Stored, TypedCollection
from shared.telemetry import bound, log

SERVICE: Final = "certificate_issuer"
AUTHORITIES: Final = Collection(name="authorities")
REFUSALS: Final = Collection(name="refusals")


class Refusal(Model):
    """A request for a task that has no authority, whose answer needs a record to leave with."""

    task_id: str


class Handlers:
    """Every command may come again: the same message has no effect, a repeated request the same answer."""

    def __init__(self, store: Store, seal: Seal, keys: Keys) -> None:
        self._authorities = TypedCollection(store, AUTHORITIES, TaskAuthority)
        self._refusals = TypedCollection(store, REFUSALS, Refusal)
        self._seal = seal
        self._keys = keys

    async def on_create_authority(self, command: CreateAuthority, envelope: Envelope) -> None:
        """Make the authority, or answer again with the one that is there."""
        account, task_id = envelope.account, token(command.task_id)
        with bound(task_id=task_id):
            stored = await self._authorities.load(account, task_id)
            if stored is None:
                authority = self._new_authority(account, task_id)
                log("authority created")
            else:
                authority = stored.value
            answer: Message = AuthorityCreated(task_id=task_id, authority_pem=authority.certificate_pem)
            if authority.is_destroyed:
                answer = AuthorityDestroyed(task_id=task_id)
            await self._save(authority, stored, answer, envelope)

    async def on_issue_certificate(self, command: IssueCertificate, envelope: Envelope) -> None:
        """Certify the agent's key, or refuse with the reason; a repeated request gets the same certificate."""
        account, task_id = envelope.account, token(command.task_id)
        with bound(task_id=task_id):
            stored = await self._authorities.load(account, task_id)
            if stored is None:
                await self._refuse_unknown(command, envelope)
                return
            try:
                issued = self._issue(stored.value, command, account)
            except MigrationError as error:
                log("certificate refused", role=command.role, code=error.code, cause=error.failure.cause)
                await self._save(stored.value, stored, _refused(command, error), envelope)
                return
            answer = CertificateIssued(
                task_id=task_id,
                role=command.role,
                request_id=command.request_id,
                certificate_pem=issued.certificate_pem,
                authority_pem=stored.value.certificate_pem,
                serial=issued.serial,
                not_after=issued.not_after,
            )
            log("certificate issued", role=command.role, serial=issued.serial, not_after=issued.not_after)
            await self._save(stored.value.with_issued(issued), stored, answer, envelope)

    async def on_revoke_certificates(self, command: RevokeCertificates, envelope: Envelope) -> None:
        """What was issued is void from now on; both agents are told by the task service."""
        stored = await self._authorities.load(envelope.account, command.task_id)
        if stored is None:
            log("nothing to revoke", task_id=command.task_id)
            return
        authority, serials = stored.value.revoke(command.role, now=datetime.now(UTC))
        answer = CertificatesRevoked(task_id=command.task_id, serials=serials)
        log("certificates revoked", task_id=command.task_id, serials=serials)
        await self._save(authority, stored, answer, envelope)

    async def on_destroy_authority(self, command: DestroyAuthority, envelope: Envelope) -> None:
        """Forget the key for good. Also for a task that never had one: none is made for it later."""
        account, task_id = envelope.account, token(command.task_id)
        stored = await self._authorities.load(account, task_id)
        authority = stored.value if stored else TaskAuthority(task_id=task_id)
        log("authority destroyed", task_id=task_id)
        await self._save(authority.destroy(), stored, AuthorityDestroyed(task_id=task_id), envelope)

    def _new_authority(self, account: str, task_id: str) -> TaskAuthority:
        key = self._keys.new_key()
        certificate_pem = make_authority(
            key, account=account, task_id=task_id, serial=self._keys.new_serial(), now=datetime.now(UTC)
        )
        sealed = self._seal.seal(key, account=account, task_id=task_id)
        return TaskAuthority(task_id=task_id, certificate_pem=certificate_pem, sealed_key=sealed)

    def _issue(self, authority: TaskAuthority, command: IssueCertificate, account: str) -> IssuedCertificate:
        if authority.is_destroyed:
            raise MigrationError(CERT_NO_AUTHORITY, task_id=command.task_id, reason="it was destroyed with its task")
        known = authority.find(command.request_id, command.role, request_digest(command.csr_pem))
        if known is not None:
            return known
        public_key = read_request(command.csr_pem, account=account, task_id=command.task_id, role=command.role)
        return issue_leaf(
            authority.certificate_pem,
            self._seal.open(authority.sealed_key, account=account, task_id=command.task_id),
            public_key,
            account=account,
            task_id=command.task_id,
            role=command.role,
            request_id=command.request_id,
            csr_pem=command.csr_pem,
            serial=self._keys.new_serial(),
            now=datetime.now(UTC),
        )

    async def _refuse_unknown(self, command: IssueCertificate, envelope: Envelope) -> None:
        error = MigrationError(CERT_NO_AUTHORITY, task_id=command.task_id, reason="none was made")
        answer = _answer(_refused(command, error), command.task_id, envelope)
        stored = await self._refusals.load(envelope.account, command.task_id)
        await self._refusals.save(
            envelope.account,
            command.task_id,
            Refusal(task_id=command.task_id),
            expected_version=stored.version if stored else 0,
            outbox=[answer],
            applied=envelope.id,
        )

    async def _save(
        self, authority: TaskAuthority, stored: Stored[TaskAuthority] | None, answer: Message, envelope: Envelope
    ) -> None:
        await self._authorities.save(
            envelope.account,
            authority.task_id,
            authority,
            expected_version=stored.version if stored else 0,
            outbox=[_answer(answer, authority.task_id, envelope)],
            applied=envelope.id,
        )


_WHAT: Final[dict[type[Message], str]] = {
    AuthorityCreated: "authority-created",
    AuthorityDestroyed: "authority-destroyed",
    CertificateIssued: "issued",
    CertificateRefused: "refused",
    CertificatesRevoked: "revoked",
}


def _answer(message: Message, task_id: str, envelope: Envelope) -> OutgoingMessage:
    subject = evt(envelope.account, "certificate", task_id, _WHAT[type(message)])
    return OutgoingMessage.of(subject, message, source=SERVICE, account=envelope.account, cause=envelope)


def _refused(command: IssueCertificate, error: MigrationError) -> CertificateRefused:
    return CertificateRefused(
        task_id=command.task_id, role=command.role, request_id=command.request_id, failure=error.failure
    )
