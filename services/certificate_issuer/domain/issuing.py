"""The certificates themselves: the authority's own, and the leaves under it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contracts.messages.agent import AgentRole
from services.certificate_issuer.domain.authority import IssuedCertificate
from services.certificate_issuer.domain.certificate_request import dns_name, request_digest, uri

# Clocks of sources may be behind by minutes.
BACK_DATED: Final = timedelta(minutes=5)
LEAF_VALIDITY: Final = timedelta(hours=1)
# Continuous sync may last months; the authority is destroyed with its task, not by its date.
AUTHORITY_VALIDITY: Final = timedelta(days=730)
_USAGE: Final = {"source": ExtendedKeyUsageOID.CLIENT_AUTH, "target": ExtendedKeyUsageOID.SERVER_AUTH}


def make_authority(key: ec.EllipticCurvePrivateKey, *, account: str, task_id: str, serial: int, now: datetime) -> str:
    """The authority's self-signed certificate, PEM. now: UTC.

    Its path length 0 and name constraint make a stolen key useless for anything but this task's two names.
    """
    name = _name(f"SMS task {task_id}"[:64])
    constraint = x509.NameConstraints(
        permitted_subtrees=[x509.DNSName(f"{task_id}.sms"), x509.UniformResourceIdentifier(account)],
        excluded_subtrees=None,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - BACK_DATED)
        .not_valid_after(now + AUTHORITY_VALIDITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(is_authority=True), critical=True)
        .add_extension(constraint, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pem(builder.sign(key, hashes.SHA256()))


def issue_leaf(
    authority_pem: str,
    authority_key: ec.EllipticCurvePrivateKey,
    public_key: ec.EllipticCurvePublicKey,
    *,
    account: str,
    task_id: str,
    role: AgentRole,
    request_id: str,
    csr_pem: str,
    serial: int,
    now: datetime,
) -> IssuedCertificate:
    """Certify an agent's key, valid from now - 300 s to now + 3600 s, for one role of one task.

    public_key: what `read_request` returned for csr_pem. now: UTC.
    """
    authority = x509.load_pem_x509_certificate(authority_pem.encode())
    not_after = now + LEAF_VALIDITY
    names = [x509.DNSName(dns_name(task_id, role)), x509.UniformResourceIdentifier(uri(account, task_id, role))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(f"{role} of SMS task {task_id}"[:64]))
        .issuer_name(authority.subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(now - BACK_DATED)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_USAGE[role]]), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    return IssuedCertificate(
        request_id=request_id,
        role=role,
        csr_digest=request_digest(csr_pem),
        serial=f"{serial:x}",
        certificate_pem=_pem(builder.sign(authority_key, hashes.SHA256())),
        # A certificate's times have no fractions.
        not_after=not_after.replace(microsecond=0),
    )


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
