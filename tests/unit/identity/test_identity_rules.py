"""Identity's rules and seals, without a bus."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agents.session.credential import Credential
from agents.session.own_key import OwnKey
from contracts import nkey
from contracts.errors import MigrationError
from contracts.login import decode_bytes, encode_bytes, user_name
from services.identity.adapters.seals import FileSeal
from services.identity.adapters.user_jwt import SERVER_PREFIX, AnswerSigner, read_login_request
from services.identity.denials import DenialTrace
from services.identity.domain.grants import grant_agent, grant_enrolment
from services.identity.domain.logins import (
    DeniedError,
    has_private_key,
    has_shared_secret,
    is_timely,
    read_claim,
)
from services.identity.domain.ports import Denial
from services.identity.records import COLLECTIONS, IdentityRecords
from shared.store import open_store

NOW = datetime.now(UTC)


def test_a_secret_is_opened_only_for_the_record_it_was_sealed_for(tmp_path: Path) -> None:
    seal = FileSeal(tmp_path / "seal")
    sealed = seal.seal("secret", account="a", identifier="AK1", version=1)
    again = FileSeal(tmp_path / "seal")
    assert again.open(sealed, account="a", identifier="AK1", version=1) == "secret"
    for account, identifier, version in (("b", "AK1", 1), ("a", "AK2", 1), ("a", "AK1", 2)):
        with pytest.raises(MigrationError, match=r"SMS\.IDENTITY\.SECRET_UNREADABLE"):
            again.open(sealed, account=account, identifier=identifier, version=version)
    assert (tmp_path / "seal").stat().st_mode & 0o777 == 0o600
    assert sealed != seal.seal("secret", account="a", identifier="AK1", version=1)


def test_another_key_file_opens_nothing(tmp_path: Path) -> None:
    sealed = FileSeal(tmp_path / "one").seal("secret", account="a", identifier="AK1", version=1)
    with pytest.raises(MigrationError, match=r"SMS\.IDENTITY\.SECRET_UNREADABLE"):
        FileSeal(tmp_path / "two").open(sealed, account="a", identifier="AK1", version=1)


def test_a_login_by_access_key_needs_its_secret_key() -> None:
    credential = Credential(form="ak", identifier="AK1", secret="right")  # noqa: S106 - for this test
    claim = read_claim(credential.user_name, credential.password())
    assert has_shared_secret(claim, "right")
    assert not has_shared_secret(claim, "wrong")
    assert not has_shared_secret(claim, None)
    assert is_timely(claim, now=datetime.now(UTC))
    assert not is_timely(claim, now=datetime.now(UTC) + timedelta(seconds=400))


def test_an_agents_login_needs_its_private_key(tmp_path: Path) -> None:
    key = OwnKey.read_or_make(tmp_path)
    claim = read_claim(user_name("agent", "id1"), key.password("id1"))
    assert has_private_key(claim, key.public_text)
    other = nkey.public_text(Ed25519PrivateKey.generate().public_key(), prefix=nkey.USER)
    assert not has_private_key(claim, other)
    assert not has_private_key(claim, None)
    assert not has_private_key(read_claim(user_name("agent", "id2"), key.password("id1")), key.public_text)


def test_an_unknown_access_key_costs_as_much_as_a_wrong_signature() -> None:
    credential = Credential(form="ak", identifier="AK1", secret="right")  # noqa: S106 - for this test
    claim = read_claim(credential.user_name, credential.password())

    def seconds(secret: str | None) -> float:
        started_at = time.perf_counter()
        for _ in range(2000):
            has_shared_secret(claim, secret)
        return time.perf_counter() - started_at

    known, unknown = (min(seconds(secret) for _ in range(5)) for secret in ("wrong", None))
    assert 0.5 < known / unknown < 2


@pytest.mark.parametrize(
    "user", ["", "ak", "ak:", "ak:*", "ak:a.b", "agent:>", "root:x", "service:task", "ak:" + "x" * 200]
)
def test_names_that_are_no_login_are_refused(user: str) -> None:
    password = Credential(form="ak", identifier="AK1", secret="x").password()  # noqa: S106 - for this test
    with pytest.raises(DeniedError):
        read_claim(user, password)


def test_grants_name_exact_subjects_only() -> None:
    assert grant_agent("acc", "id1").publish == ("sms.v1.agent.acc.id1.status.>",)
    assert grant_agent("acc", "id1").subscribe == ("sms.v1.agent.acc.id1.cmd.>", "_INBOX_agent_id1.>")
    assert grant_enrolment("ak", "acc", "AK1").publish == ("sms.v1.enrol.acc.AK1",)
    assert grant_enrolment("ak", "acc", "AK1").subscribe == ("_INBOX_enrol_AK1.>",)
    with pytest.raises(ValueError, match="not a subject token"):
        grant_agent("acc", "*")


def signed_request(server: Ed25519PrivateKey, claims: dict[str, object]) -> str:
    parts = [encode_bytes(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, claims)]
    signed = ".".join(parts)
    return f"{signed}.{encode_bytes(server.sign(signed.encode()))}"


def request_claims(server: Ed25519PrivateKey) -> dict[str, object]:
    identifier = nkey.public_text(server.public_key(), prefix=SERVER_PREFIX)
    return {
        "iss": identifier,
        "aud": "nats-authorization-request",
        "nats": {"server_id": {"id": identifier}, "user_nkey": "UX", "connect_opts": {"user": "ak:AK1", "pass": "p"}},
    }


def test_only_requests_that_a_server_signed_are_read() -> None:
    server, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    claims = request_claims(server)
    assert read_login_request(signed_request(server, claims)).nats.connect_opts.password == "p"  # noqa: S105
    for forged in (signed_request(other, claims), signed_request(server, claims | {"aud": "x"}), "x.y.z", "", "…"):
        with pytest.raises(ValueError, match="no login request") as caught:
            read_login_request(forged)
        assert "pass" not in str(caught.value)


def test_answers_are_signed_by_the_issuer_and_name_the_connection() -> None:
    issuer, server = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    signer = AnswerSigner(nkey.seed_text(issuer, prefix=nkey.ACCOUNT))
    request = read_login_request(signed_request(server, request_claims(server)))
    answer = signer.let_in(request, grant_agent("acc", "id1"), now=NOW)
    claims = _verified(answer, issuer)
    assert (claims["sub"], claims["aud"]) == ("UX", request.iss)
    user = _verified(claims["nats"]["jwt"], issuer)
    assert user["nats"]["pub"] == {"allow": ["sms.v1.agent.acc.id1.status.>"]}
    assert user["nats"]["resp"]["max"] == 1
    assert "jwt" not in _verified(signer.refuse(request, now=NOW), issuer)["nats"]


def _verified(text: str, issuer: Ed25519PrivateKey) -> dict[str, object] | object:
    signed, _, signature = text.rpartition(".")
    issuer.public_key().verify(decode_bytes(signature), signed.encode())
    return json.loads(decode_bytes(signed.partition(".")[2]))


async def test_a_flood_of_denials_is_traced_within_bounds(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'identity.sqlite'}", "identity", COLLECTIONS)
    trace = DenialTrace(IdentityRecords(store))
    for number in range(1000):
        trace.add(Denial(f"ak:AK{number}\r\n", "unknown", "10.0.0.1", ""))
    await trace.flush()
    rows = await store.pending(5000)
    assert 200 <= len(rows) <= 205
    assert "800 further logins" in rows[-1].message.payload
    assert all("\n" not in value for row in rows for value in row.message.headers.values())
    await store.close()


async def test_a_nonce_is_used_once_and_forgotten_after_its_time(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'identity.sqlite'}", "identity", COLLECTIONS)
    records = IdentityRecords(store)
    assert await records.use_nonce("a", "n1", now=NOW)
    assert not await records.use_nonce("a", "n1", now=NOW + timedelta(seconds=599))
    assert await records.forget_nonces(now=NOW + timedelta(seconds=599)) == 0
    assert await records.forget_nonces(now=NOW + timedelta(seconds=601)) == 1
    await store.close()
