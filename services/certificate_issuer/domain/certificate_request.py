"""Reading a certificate request that may come from a hostile agent."""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from contracts.errors import MigrationError
from contracts.errors.certificate_issuer import CERT_REQUEST_UNREADABLE, CERT_ROLE_MISMATCH
from contracts.messages.agent import AgentRole

MAX_REQUEST_CHARACTERS: Final = 8192
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)
_HEADER: Final = "-----BEGIN CERTIFICATE REQUEST-----"


def dns_name(task_id: str, role: AgentRole) -> str:
    """The DNS name of an agent on the channel of its task."""
    return f"{role}.{task_id}.sms"


def uri(account: str, task_id: str, role: AgentRole) -> str:
    """The URI of an agent on the channel of its task."""
    return f"sms://{account}/task/{task_id}/{role}"


def request_digest(csr_pem: str) -> str:
    """SHA-256 of the request's text, hex."""
    return hashlib.sha256(csr_pem.encode()).hexdigest()


def read_request(csr_pem: str, *, account: str, task_id: str, role: AgentRole) -> ec.EllipticCurvePublicKey:
    """The public key of a request: nothing else of it gets into a certificate.

    The request must be one PEM block, signed by its own key on P-256 or P-384. Names are not needed; those that
    it has must be this task's and role's. Raises MigrationError SMS.CERT.REQUEST_UNREADABLE or
    SMS.CERT.ROLE_MISMATCH.
    """

    def unreadable(reason: str) -> MigrationError:
        return MigrationError(CERT_REQUEST_UNREADABLE, role=role, task_id=task_id, reason=reason)

    if len(csr_pem) > MAX_REQUEST_CHARACTERS:
        raise unreadable(f"it has {len(csr_pem)} characters, {MAX_REQUEST_CHARACTERS} are allowed")
    if csr_pem.count("-----BEGIN") != 1 or not csr_pem.strip().startswith(_HEADER):
        raise unreadable("it is not one PEM block of a certificate request")
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
        has_signature = request.is_signature_valid
        key = request.public_key()
        found = _names(request)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise unreadable("it cannot be parsed") from error
    if not has_signature:
        raise unreadable("its signature is not that of its key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise unreadable("its key is not on P-256 or P-384")
    wanted = {dns_name(task_id, role), uri(account, task_id, role)}
    if foreign := sorted(found - wanted):
        text = ", ".join(foreign)[:200]
        raise MigrationError(
            CERT_ROLE_MISMATCH, role=role, task_id=task_id, found=text, wanted=", ".join(sorted(wanted))
        )
    return key


def _names(request: x509.CertificateSigningRequest) -> set[str]:
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in names}
