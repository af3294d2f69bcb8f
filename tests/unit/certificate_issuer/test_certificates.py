"""What a certificate says, what a hostile request may not do, and that the channel works with it."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contracts.errors import MigrationError
from services.certificate_issuer.adapters.keys import FileSeal, SystemKeys
from services.certificate_issuer.domain.authority import IssuedCertificate, TaskAuthority
from services.certificate_issuer.domain.certificate_request import read_request
from services.certificate_issuer.domain.issuing import issue_leaf, make_authority

NOW = datetime.now(UTC).replace(microsecond=0)
TASK = "0a1b2c3d-0000-4000-8000-000000000001"
ACCOUNT = "acme"


def csr(key, *names: x509.GeneralName, common_name: str = "whatever") -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()


class Issuer:
    def __init__(self, *, task_id: str = TASK, account: str = ACCOUNT) -> None:
        self.key = SystemKeys().new_key()
        self.task_id, self.account = task_id, account
        self.pem = make_authority(self.key, account=account, task_id=task_id, serial=7, now=NOW)

    def issue(self, role: str, csr_pem: str, *, task_id: str | None = None) -> IssuedCertificate:
        task_id = task_id or self.task_id
        return issue_leaf(
            self.pem,
            self.key,
            read_request(csr_pem, account=self.account, task_id=task_id, role=role),
            account=self.account,
            task_id=task_id,
            role=role,
            request_id="r1",
            csr_pem=csr_pem,
            serial=SystemKeys().new_serial(),
            now=NOW,
        )


def test_a_leaf_holds_exactly_what_its_role_needs() -> None:
    issuer = Issuer()
    key = ec.generate_private_key(ec.SECP256R1())
    for role, usage in (("source", ExtendedKeyUsageOID.CLIENT_AUTH), ("target", ExtendedKeyUsageOID.SERVER_AUTH)):
        issued = issuer.issue(role, csr(key, x509.DNSName(f"{role}.{TASK}.sms")))
        leaf = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
        extensions = leaf.extensions
        assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [str(name.value) for name in names] == [f"{role}.{TASK}.sms", f"sms://acme/task/{TASK}/{role}"]
        assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert leaf.not_valid_before_utc == NOW - timedelta(minutes=5)
        assert leaf.not_valid_after_utc == NOW + timedelta(hours=1) == issued.not_after
        assert leaf.public_key() == key.public_key()
        assert f"{leaf.serial_number:x}" == issued.serial
        leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(issuer.pem.encode()))


def test_an_authority_is_bound_to_its_task() -> None:
    authority = x509.load_pem_x509_certificate(Issuer().pem.encode())
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.value.ca, basic.value.path_length, basic.critical) == (True, 0, True)
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert [str(name.value) for name in constraints.value.permitted_subtrees or ()] == [f"{TASK}.sms", "acme"]


def handshake(tmp_path: Path, server: Issuer, client: Issuer, *, server_leaf_task: str = TASK) -> None:
    """A whole mutual TLS 1.3 handshake in memory; raises ssl.SSLError when either side refuses."""

    def context(protocol: int, issuer: Issuer, role: str, task_id: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = tmp_path / f"{role}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate.write_bytes(private + issuer.issue(role, csr(key), task_id=task_id).certificate_pem.encode())
        made = ssl.SSLContext(protocol)
        made.minimum_version = ssl.TLSVersion.TLSv1_3
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(cadata=issuer.pem)
        made.load_cert_chain(certificate)
        return made

    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    target = context(ssl.PROTOCOL_TLS_SERVER, server, "target", server_leaf_task)
    source = context(ssl.PROTOCOL_TLS_CLIENT, client, "source", TASK)
    listening = target.wrap_bio(to_server, to_client, server_side=True)
    dialing = source.wrap_bio(to_client, to_server, server_hostname=f"target.{server_leaf_task}.sms")
    for _ in range(4):
        for side in (dialing, listening):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert dialing.version() == listening.version() == "TLSv1.3"
    assert dialing.getpeercert()
    assert listening.getpeercert()


def test_both_agents_of_a_task_can_talk(tmp_path: Path) -> None:
    issuer = Issuer()
    handshake(tmp_path, issuer, issuer)


def test_the_authority_of_another_task_is_not_trusted(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, Issuer(), Issuer())


def test_a_stolen_authority_cannot_speak_for_another_task(tmp_path: Path) -> None:
    issuer = Issuer()
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        handshake(tmp_path, issuer, issuer, server_leaf_task="another-task")


def refused(csr_pem: str, role: str = "source") -> str:
    with pytest.raises(MigrationError) as error:
        read_request(csr_pem, account=ACCOUNT, task_id=TASK, role=role)
    return error.value.code


def test_a_request_that_names_another_role_task_or_account_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    foreign = [
        x509.DNSName(f"target.{TASK}.sms"),
        x509.DNSName("source.other.sms"),
        x509.DNSName("*"),
        x509.UniformResourceIdentifier(f"sms://other/task/{TASK}/source"),
        x509.UniformResourceIdentifier(f"sms://acme/task/{TASK}/target"),
        x509.RFC822Name("root@example.org"),
    ]
    for name in foreign:
        assert refused(csr(key, x509.DNSName(f"source.{TASK}.sms"), name)) == "SMS.CERT.ROLE_MISMATCH"


def test_a_hostile_request_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    good = csr(key)
    lines = good.splitlines()
    other_lines = csr(ec.generate_private_key(ec.SECP256R1())).splitlines()
    hostile = [
        "",
        "\x00",
        "x" * 100_000,
        good + good,
        good.replace("CERTIFICATE REQUEST", "CERTIFICATE"),
        "\n".join([*lines[:2], "AAAA", *lines[3:]]),
        "\n".join([*lines[:-2], other_lines[-2], lines[-1]]),
        Issuer().pem,
        csr(rsa.generate_private_key(65537, 2048)),
        csr(ed25519.Ed25519PrivateKey.generate()),
        csr(ec.generate_private_key(ec.SECP521R1())),
    ]
    for number, text in enumerate(hostile):
        assert refused(text) == "SMS.CERT.REQUEST_UNREADABLE", number


def test_every_damaged_byte_of_a_request_is_survived() -> None:
    good = csr(ec.generate_private_key(ec.SECP256R1()), x509.DNSName(f"source.{TASK}.sms"))
    for position in range(len(good)):
        damaged = good[:position] + chr(ord(good[position]) ^ 1) + good[position + 1 :]
        # Anything else than a coded refusal would end the handler.
        with suppress(MigrationError):
            read_request(damaged, account=ACCOUNT, task_id=TASK, role="source")


def leaf(request_id: str, **changed: object) -> IssuedCertificate:
    values = {"request_id": request_id, "role": "source", "csr_digest": "d", "serial": request_id}
    values |= {"certificate_pem": "pem", "not_after": NOW + timedelta(hours=1)}
    return IssuedCertificate.model_validate(values | changed)


def test_a_repeated_request_finds_its_certificate_until_it_is_revoked() -> None:
    authority = TaskAuthority(task_id=TASK).with_issued(leaf("a")).with_issued(leaf("b", role="target"))
    assert authority.find("a", "source", "d") == leaf("a")
    assert authority.find("a", "target", "d") is None
    assert authority.find("a", "source", "other key") is None
    revoked, serials = authority.revoke("source", now=NOW)
    assert serials == ("a",)
    assert revoked.find("a", "source", "d") is None
    assert revoked.find("b", "target", "d") is not None
    assert revoked.revoke(None, now=NOW)[1] == ("b",)
    assert authority.revoke(None, now=NOW + timedelta(hours=2))[1] == ()
    again = revoked.with_issued(leaf("a", serial="new"))
    assert again.find("a", "source", "d") == leaf("a", serial="new")


def test_what_an_authority_remembers_is_bounded() -> None:
    authority = TaskAuthority(task_id=TASK)
    for n in range(200):
        authority = authority.with_issued(leaf(str(n)))
    assert len(authority.issued) == 64
    assert authority.find("199", "source", "d") is not None


def test_a_destroyed_authority_keeps_no_key() -> None:
    authority = TaskAuthority(task_id=TASK, sealed_key="sealed", issued=(leaf("a"),)).destroy()
    assert (authority.sealed_key, authority.issued, authority.is_destroyed) == ("", (), True)


def test_a_sealed_key_opens_only_for_its_account_and_task(tmp_path: Path) -> None:
    seal = FileSeal.open_or_create(tmp_path / "keys" / "seal")
    key = SystemKeys().new_key()
    sealed = seal.seal(key, account=ACCOUNT, task_id=TASK)
    again = FileSeal.open_or_create(tmp_path / "keys" / "seal")
    assert again.open(sealed, account=ACCOUNT, task_id=TASK).private_numbers() == key.private_numbers()
    assert (tmp_path / "keys" / "seal").stat().st_mode & 0o777 == 0o600
    other = FileSeal.open_or_create(tmp_path / "other")
    attempts = [(again, "x", TASK, sealed), (again, ACCOUNT, "x", sealed), (other, ACCOUNT, TASK, sealed)]
    attempts += [(again, ACCOUNT, TASK, "AAAA"), (again, ACCOUNT, TASK, "?"), (again, ACCOUNT, TASK, "")]
    for opener, account, task_id, text in attempts:
        with pytest.raises(MigrationError) as error:
            opener.open(text, account=account, task_id=task_id)
        assert error.value.code == "SMS.CERT.SEAL_BROKEN"


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seal").write_text("short")
    with pytest.raises(ValueError, match="seal"):
        FileSeal.open_or_create(tmp_path / "seal")
