"""The certificate of the HTTPS API: of the installation's authority, under the names by which it is reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from shared.bus_server.installation import ApiFiles, write_api_certificate, write_bus_configuration

NOW = datetime(2026, 3, 4, tzinfo=UTC)


def write(folder: Path, *names: str, now: datetime = NOW) -> ApiFiles:
    write_bus_configuration(folder, listen="127.0.0.1:4222", now=now)
    return write_api_certificate(folder, listen="0.0.0.0:8443", names=names, now=now)


def test_it_is_signed_by_the_authority_that_clients_trust(tmp_path: Path) -> None:
    files = write(tmp_path, "sms.example.org")
    certificate = x509.load_pem_x509_certificate(files.certificate_file.read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "sms.example.org"}
    assert {str(address) for address in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}


def test_its_key_is_its_own_and_for_its_owner_alone(tmp_path: Path) -> None:
    files = write(tmp_path)
    assert files.key_file.stat().st_mode & 0o777 == 0o600
    assert files.key_file.parent.stat().st_mode & 0o777 == 0o700
    certificate = x509.load_pem_x509_certificate(files.certificate_file.read_bytes())
    bus = x509.load_pem_x509_certificate((tmp_path / "bus" / "server.pem").read_bytes())
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert certificate.public_key() != bus.public_key()


def test_it_stays_until_its_names_change_or_its_time_runs_out(tmp_path: Path) -> None:
    first = write(tmp_path, "a.example.org").certificate_file.read_bytes()
    assert write(tmp_path, "a.example.org").certificate_file.read_bytes() == first
    renamed = write(tmp_path, "b.example.org").certificate_file.read_bytes()
    assert renamed != first
    assert write(tmp_path, "b.example.org", now=NOW + timedelta(days=380)).certificate_file.read_bytes() != renamed
