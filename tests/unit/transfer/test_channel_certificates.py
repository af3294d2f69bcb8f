import datetime
import os
import socket
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from transfer_kit import TASK, Authority, Pair

from agents.transfer.connection import Connection
from agents.transfer.tls import check_peer, source_context, target_context
from contracts.errors.code import MigrationError


def der(leaf: dict[str, str]) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_pem_x509_certificate(leaf["certificate"].encode()).public_bytes(Encoding.DER)


BOTH = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]


@pytest.mark.parametrize(
    "options",
    [
        {"usage": []},
        {"usage": BOTH},
        {"usage": [ExtendedKeyUsageOID.SERVER_AUTH]},
        {"task": "another"},
        {"uri": f"sms://account/task/{TASK}/target"},
        {"uri": f"https://account/task/{TASK}/source"},
        {"uri": f"sms:///task/{TASK}/source"},
        {"uri": f"sms://account/task/{TASK}/source/more"},
        {"valid_s": -10},
    ],
)
def test_leaf_that_is_not_exactly_right_is_refused(options) -> None:
    with pytest.raises(MigrationError) as caught:
        check_peer(der(Authority().leaf("source", **options)), task_id=TASK, role="source")
    assert caught.value.code == "SMS.TRANSFER.PEER_REFUSED"


def test_right_leaf_is_accepted_until_it_expires() -> None:
    expires_at = check_peer(der(Authority().leaf("source")), task_id=TASK, role="source")
    assert expires_at > datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize("case", ["other authority", "target's leaf", "no usage"])
def test_source_without_the_right_certificate_copies_nothing(tmp_path: Path, case: str) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "source/file").write_bytes(b"x")
    pair = Pair(tmp_path, {0: (tmp_path / "source", tmp_path / "target", "/")}, retry_s=1)
    try:
        authority = pair.authority
        leaf = {
            "other authority": lambda: {**Authority().leaf("source"), "authority": authority.pem},
            "target's leaf": lambda: authority.leaf("target"),
            "no usage": lambda: authority.leaf("source", usage=[]),
        }[case]()
        pair.source.use_tls(source_context(**leaf))
        with pytest.raises(MigrationError) as caught:
            pair.source.copy()
        assert caught.value.code == "SMS.TRANSFER.PEER_REFUSED"
        assert list((tmp_path / "target").iterdir()) == []
    finally:
        pair.close()


def test_connection_ends_when_the_certificate_expires(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "source/file").write_bytes(bytes(range(256)) * 40_000)
    limit = 8 << 20
    pair = Pair(tmp_path, {0: (tmp_path / "source", tmp_path / "target", "/")}, retry_s=1, rate_limit_bit_s=limit)
    try:
        (tmp_path / "source/random").write_bytes(os.urandom(8 << 20))
        pair.source.use_tls(source_context(**pair.authority.leaf("source", valid_s=2)))
        with pytest.raises(MigrationError) as caught:
            pair.source.copy()
        assert caught.value.code in ("SMS.TRANSFER.CERTIFICATE_EXPIRED", "SMS.TRANSFER.CONNECTION_LOST")
    finally:
        pair.close()


EXPIRED, REFUSED = "SMS.TRANSFER.CERTIFICATE_EXPIRED", "SMS.TRANSFER.PEER_REFUSED"
BAD_LEAVES = {
    "expired": (lambda authority, role: authority.leaf(role, valid_s=-10), EXPIRED),
    "not yet valid": (lambda authority, role: authority.leaf(role, begins_s=600), REFUSED),
    "another task's authority of the same name": (lambda _, role: Authority().leaf(role), REFUSED),
    "self-signed": (lambda _, role: Authority.self_signed(role), REFUSED),
    "for the other role": (lambda authority, role: authority.leaf(OTHER[role]), REFUSED),
    "named for the other role": (
        lambda authority, role: authority.leaf(role, uri=f"sms://account/task/{TASK}/{OTHER[role]}"),
        REFUSED,
    ),
    "for another task": (lambda authority, role: authority.leaf(role, task="task-2"), REFUSED),
    "for any role": (lambda authority, role: authority.leaf(role, usage=BOTH), REFUSED),
    "for no role": (lambda authority, role: authority.leaf(role, usage=[]), REFUSED),
}
OTHER = {"source": "target", "target": "source"}


@pytest.fixture
def pair(tmp_path: Path):
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "source/file").write_bytes(b"x")
    pair = Pair(tmp_path, {0: (tmp_path / "source", tmp_path / "target", "/")}, retry_s=8)
    yield pair
    pair.close()
    assert list((tmp_path / "target").iterdir()) == []


def code_of(pair: Pair) -> str:
    with pytest.raises(MigrationError) as caught:
        pair.source.copy()
    return caught.value.code


def logged(caplog: pytest.LogCaptureFixture) -> set[str]:
    """What the target notes once the connection is closed, which the source need not wait for."""
    until = time.monotonic() + 10
    while not caplog.records and time.monotonic() < until:
        time.sleep(0.02)
    return {record.getMessage() for record in caplog.records}


@pytest.mark.parametrize("case", BAD_LEAVES)
def test_target_refuses_a_source_and_both_know_why(pair: Pair, case: str, caplog: pytest.LogCaptureFixture) -> None:
    make, code = BAD_LEAVES[case]
    leaf = {**make(pair.authority, "source"), "authority": pair.authority.pem}
    pair.source.use_tls(source_context(**leaf))
    assert code_of(pair) == code
    assert logged(caplog) == {f"refused a connection: {REFUSED}"}


@pytest.mark.parametrize("case", BAD_LEAVES)
def test_source_refuses_a_target(pair: Pair, case: str) -> None:
    make, code = BAD_LEAVES[case]
    leaf = {**make(pair.authority, "target"), "authority": pair.authority.pem}
    pair.server.use_tls(target_context(**leaf))
    assert code_of(pair) == code


def test_neither_end_speaks_an_older_tls(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    good = {"authority": pair.authority.pem}
    old_source = source_context(**{**pair.authority.leaf("source"), **good})
    old_source.minimum_version = old_source.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        Connection.open(pair.endpoint, old_source)
    assert logged(caplog) == {f"refused a connection: {REFUSED}"}
    old_target = target_context(**{**pair.authority.leaf("target"), **good})
    old_target.minimum_version = old_target.maximum_version = ssl.TLSVersion.TLSv1_2
    pair.server.use_tls(old_target)
    assert code_of(pair) == "SMS.TRANSFER.PROTOCOL"


def test_peer_without_a_certificate_or_without_tls_gets_no_further(pair: Pair) -> None:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
    with pytest.raises((OSError, EOFError)):
        Connection.open(pair.endpoint, bare).receive()
    with socket.create_connection(pair.endpoint, timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        plain.shutdown(socket.SHUT_WR)
        assert len(plain.recv(4096)) < 100  # an alert at most
