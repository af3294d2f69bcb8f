import datetime
import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from transfer_kit import TASK, Authority, Pair

from agents.transfer.tls import check_peer, source_context
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
        # A refusal during the handshake may be cut off by the reset that follows it.
        assert caught.value.code in ("SMS.TRANSFER.PEER_REFUSED", "SMS.TRANSFER.CONNECTION_LOST")
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
