"""Secrets at rest open with their own key, for their own record, and otherwise not at all."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from shared.sealing import KeyFileSeal, SealBrokenError


def test_what_is_sealed_opens_again_and_is_not_readable_meanwhile(tmp_path: Path) -> None:
    seal = KeyFileSeal.open_or_create(tmp_path / "keys" / "a.seal")
    sealed = seal.seal(b"correct horse", bound_to=b"one")
    assert b"horse" not in base64.b64decode(sealed)
    assert KeyFileSeal.open_or_create(tmp_path / "keys" / "a.seal").open(sealed, bound_to=b"one") == b"correct horse"


def test_the_same_secret_is_never_sealed_to_the_same_text(tmp_path: Path) -> None:
    seal = KeyFileSeal.open_or_create(tmp_path / "a.seal")
    assert len({seal.seal(b"secret", bound_to=b"one") for _ in range(20)}) == 20


def test_a_sealed_text_moved_to_another_record_does_not_open(tmp_path: Path) -> None:
    seal = KeyFileSeal.open_or_create(tmp_path / "a.seal")
    with pytest.raises(SealBrokenError):
        seal.open(seal.seal(b"secret", bound_to=b"one"), bound_to=b"two")


def test_another_key_does_not_open(tmp_path: Path) -> None:
    sealed = KeyFileSeal.open_or_create(tmp_path / "a.seal").seal(b"secret", bound_to=b"one")
    with pytest.raises(SealBrokenError):
        KeyFileSeal.open_or_create(tmp_path / "b.seal").open(sealed, bound_to=b"one")


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    seal = KeyFileSeal.open_or_create(tmp_path / "a.seal")
    data = bytearray(base64.b64decode(seal.seal(b"s", bound_to=b"one")))
    for position in range(len(data) * 8):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(SealBrokenError):
            seal.open(base64.b64encode(changed).decode(), bound_to=b"one")


def test_the_key_file_is_its_owners_alone_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    KeyFileSeal.open_or_create(tmp_path / "a.seal")
    assert (tmp_path / "a.seal").stat().st_mode & 0o777 == 0o600
    (tmp_path / "b.seal").write_text("c2hvcnQ=")
    with pytest.raises(ValueError, match="32"):
        KeyFileSeal.open_or_create(tmp_path / "b.seal")
