"""Canaries: a secret in any dress that our own parts give it does not survive masking, and plain text does."""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from contracts import nkey
from contracts.masking import MASK, mask_text

DRESSES: tuple[Callable[[str, str], str], ...] = (
    lambda name, value: f"{name}={value}",
    lambda name, value: f"INFO x {name}: {value} and more",
    lambda name, value: f'{{"{name}": "{value}", "other": 1}}',
    lambda name, value: f"{{'{name}': '{value}'}}",
    lambda name, value: f"Options({name}='{value}', bus='tls://h:1')",
    lambda name, value: f"GET /x?{name}={value}&y=1",
    lambda name, value: f"SMS_AGENT_{name.upper()}={value}",
    lambda name, value: f"--{name.replace('_', '-')} {value}",
    lambda name, value: f"--{name.replace('_', '-')}={value}",
)
NAMES = ("secret_key", "secret", "password", "passphrase", "token", "token_secret", "sk", "private_key", "api_key")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dress", DRESSES)
def test_a_named_secret_is_hidden_however_short(name: str, dress: Callable[[str, str], str]) -> None:
    for canary in ("hunter2", secrets.token_urlsafe(32), secrets.token_hex(16)):
        assert canary not in mask_text(dress(name, canary))


def test_keys_of_ours_are_hidden_without_any_name() -> None:
    seed = nkey.seed_text(Ed25519PrivateKey.generate(), prefix=nkey.USER)
    access_key = "AK" + secrets.token_hex(9).upper()
    for canary in (seed, access_key, *(secrets.token_urlsafe(32) for _ in range(300))):
        masked = mask_text(f"WARNING sms the bus refuses the login with {canary} (3 times)")
        assert canary not in masked
        assert masked.startswith("WARNING sms the bus refuses the login with ")


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_is_hidden_whole_cut_off_at_either_end_or_on_one_line(form: PrivateFormat) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    body = [line for line in pem.splitlines() if "-----" not in line]
    text = f"before\n{pem}after\n"
    masked = mask_text(text)
    assert masked == f"before\n{MASK}\nafter\n"
    one_line = json.dumps({"key_pem": pem})
    for start in range(len(text)):
        masked = mask_text(text[start:])
        assert not any(line in masked for line in body if line in text[start:])
        assert not any(line in mask_text(text[:start]) for line in body)
    assert not any(line in mask_text(one_line) for line in body)


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: SDK-HMAC-SHA256 Access=CANARYKEY, SignedHeaders=host, Signature=CANARYSIG",
        "authorization: Bearer CANARYTOKEN-0123456789",
        "sent Basic Q0FOQVJZOkNBTkFSWQ== CANARY"[:34],
        "X-Auth-Token: CANARY x y",
        "Cookie: id=CANARY; other=CANARY",
        "tls://user:CANARY@host:4222 cannot be reached",
        "jwt eyJhbGciOiJFZERTQSJ9.eyJDQU5BUlkiOjF9CANARY.CANARY-signature",
        "SDK-HMAC-SHA256 Access=CANARY",
    ],
)
def test_headers_and_addresses_are_hidden(line: str) -> None:
    masked = mask_text(f"a\n{line}\nb")
    assert "CANARY" not in masked
    assert "Q0FOQVJZ" not in masked
    assert masked.startswith("a\n")
    assert masked.endswith("\nb")


def test_what_is_no_secret_stays_readable() -> None:
    plain = (
        "2026-11-26T05:22:36Z INFO sms.agent command copy of task 0f8f2c2e-77f4-4b0c-9a39-1d7c0a0a7f31, begins\n"
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 of /usr/lib/x86_64-linux-gnu/libc.so\n"
        "/var/lib/sms-agent/tasks/0f8f2c2e-77f4-4b0c-9a39-1d7c0a0a7f31/catalogue.sqlite: 12 MiB/s, ask again\n"
        "the bus cannot be reached: no server answers at tls://10.0.0.1:4222\n"
        "tokens of the parser: 17; no passwords were read; the keynote is at 5\n"
    )
    assert mask_text(plain) == plain


def test_masking_is_done_once_and_for_all() -> None:
    text = "password=hunter2 token: abc\nAuthorization: x y z"
    assert mask_text(mask_text(text)) == mask_text(text)


def test_hostile_text_is_masked_in_linear_time(random_source: random.Random) -> None:
    hostile = [
        "A" * 300_000,
        "-----BEGIN PRIVATE KEY-----" * 10_000,
        "-----END PRIVATE KEY-----" * 4_000,
        "a_" * 150_000,
        "password=" * 40_000,
        "\\n" * 150_000,
        "eyJ" + "A." * 100_000,
        "://" + "a:" * 100_000,
        "".join(random_source.choice("aA0/+-_=:.\n \"'") for _ in range(300_000)),
    ]
    for text in hostile:
        started = time.process_time()
        mask_text(text)
        assert time.process_time() - started < 2, text[:30]
