"""The bus server's files: keys that stay, certificates that are renewed, nothing readable for others."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nkeys
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import nkey
from contracts.permissions import BUS_USERS
from shared.bus_server.installation import BusFiles, write_bus_configuration

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def written(folder: Path, *, now: datetime = NOW, names: tuple[str, ...] = ("bus.example",)) -> BusFiles:
    return write_bus_configuration(folder, listen="0.0.0.0:4222", advertise="10.0.0.1:4222", names=names, now=now)


def names_in(files: BusFiles) -> set[str]:
    certificate = x509.load_pem_x509_certificate((files.configuration.parent / "server.pem").read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def test_nats_server_accepts_the_configuration(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "nats-server"
    checked = subprocess.run([program, "-t", "-c", written(tmp_path).configuration], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_everything_but_the_authority_is_for_the_owner_alone(tmp_path: Path) -> None:
    files = written(tmp_path)
    assert files.keys_folder.stat().st_mode & 0o777 == 0o700
    secret = [*files.keys_folder.iterdir(), files.configuration, files.configuration.parent / "server.key"]
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}


def test_written_again_it_keeps_every_key(tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in written(tmp_path).keys_folder.iterdir()}
    files = written(tmp_path, now=NOW + timedelta(days=200))
    assert {path: path.read_bytes() for path in files.keys_folder.iterdir()} == before
    assert set(before) >= {files.seed_file(user) for user in BUS_USERS}


def test_the_certificate_names_what_clients_connect_to(tmp_path: Path) -> None:
    assert names_in(written(tmp_path)) == {"localhost", "127.0.0.1", "::1", "10.0.0.1", "bus.example"}


def test_a_changed_name_and_a_near_end_renew_the_certificate_only(tmp_path: Path) -> None:
    files = written(tmp_path)
    certificate, authority = files.configuration.parent / "server.pem", files.ca_file.read_bytes()
    first = certificate.read_bytes()
    written(tmp_path)
    assert certificate.read_bytes() == first
    written(tmp_path, now=NOW + timedelta(days=380))
    second = certificate.read_bytes()
    assert second != first
    assert "other.example" in names_in(written(tmp_path, now=NOW + timedelta(days=380), names=("other.example",)))
    assert files.ca_file.read_bytes() == authority


def test_services_reach_a_server_that_listens_everywhere_over_loopback(tmp_path: Path) -> None:
    assert written(tmp_path).url == "tls://127.0.0.1:4222"


def test_no_service_may_publish_or_hear_everything() -> None:
    for user in BUS_USERS.values():
        for subject in (*user.publishes(), *user.subscribes()):
            assert not subject.startswith((">", "*", "sms.v1.>", "sms.>", "$JS.>", "$JS.API.>", "$SYS.>")), user.name
            assert "STREAM.DELETE" not in subject
            assert "STREAM.PURGE" not in subject


def test_our_nkeys_are_those_of_the_reference_library() -> None:
    key = Ed25519PrivateKey.generate()
    for prefix in (nkey.USER, nkey.ACCOUNT):
        seed = nkey.seed_text(key, prefix=prefix)
        reference = nkeys.from_seed(bytearray(seed.encode()))
        assert bytes(reference.public_key).decode() == nkey.public_text(key.public_key(), prefix=prefix)
        assert nkey.read_seed(seed, prefix=prefix).private_bytes_raw() == key.private_bytes_raw()


def test_a_mistyped_nkey_is_refused_without_being_repeated() -> None:
    seed = nkey.seed_text(Ed25519PrivateKey.generate(), prefix=nkey.USER)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    mistyped = [seed[:-1] + letter for letter in letters if letter != seed[-1]]
    for wrong in (*mistyped, seed[:-2], "", "é" * 58, seed.lower()):
        with pytest.raises(ValueError, match=r"nkey|seed") as caught:
            nkey.read_seed(wrong, prefix=nkey.USER)
        assert seed[5:20] not in str(caught.value)
    with pytest.raises(ValueError, match="not a seed of this type"):
        nkey.read_seed(seed, prefix=nkey.ACCOUNT)
