"""The verdict over a request, on a real store without a bus: cost, memory, and the root credential's file."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.messages.api import AuthorizeRequest, RequestAuthorization
from services.identity.adapters.seals import FileSeal
from services.identity.authorizer import Authorizer
from services.identity.directory import DIRECTORY_COLLECTIONS, Directory
from services.identity.domain.directory import ROOT_USER_NAME
from services.identity.domain.signatures import is_signed_with
from services.identity.key_uses import KeyUses
from services.identity.principals import CACHE_S, Principals
from services.identity.records import COLLECTIONS, IdentityRecords
from services.identity.root_credential import RootCredential, import_root_credential, read_root_credential
from shared.store import open_store
from shared.store.port import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCESS_KEY = "AKROOT0123456789"
SECRET_KEY = "s" * 43
ENVELOPE = Envelope(type="x", version=1, source="/services/gateway", account="-")


class CountingSeal(FileSeal):
    """Counts what is opened."""

    opened = 0

    def open(self, sealed: object, *, account: str, identifier: str, version: int) -> str:
        type(self).opened += 1
        return super().open(sealed, account=account, identifier=identifier, version=version)  # type: ignore[arg-type]


class World:
    """Identity's parts for requests on one store; now_s is the cache's clock."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.now_s = 0.0
        self.records, self.directory = IdentityRecords(store), Directory(store)
        self.seal = CountingSeal(folder / "seal")
        CountingSeal.opened = 0
        self.principals = Principals(self.records, self.directory, self.seal, monotonic=lambda: self.now_s)
        self.uses = KeyUses(self.records, interval_s=60, clock=lambda: NOW)
        self.authorizer = Authorizer(self.principals, self.uses)

    async def take_over(self, access_key: str = ACCESS_KEY, account: str = "default") -> None:
        credential = RootCredential(account=account, access_key=access_key, secret_key=SecretStr(SECRET_KEY))
        await import_root_credential(self.records, self.directory, self.seal, credential, now=NOW)

    async def ask(self, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> RequestAuthorization:
        return await self.authorizer.authorize(request(access_key, secret_key), ENVELOPE)

    async def disable(self) -> None:
        stored = await self.records.credentials.load("default", ACCESS_KEY)
        assert stored is not None
        changed = stored.value.model_copy(update={"is_active": False})
        await self.records.credentials.save("default", ACCESS_KEY, changed, expected_version=stored.version)


def request(access_key: str, secret_key: str) -> AuthorizeRequest:
    signature = hmac.new(secret_key.encode(), b"text", hashlib.sha256).hexdigest()
    return AuthorizeRequest(access_key=access_key, string_to_sign="text", signature=signature, action="sms:server:list")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    collections = (*COLLECTIONS, *DIRECTORY_COLLECTIONS)
    store = await open_store(f"sqlite:///{tmp_path / 'identity.sqlite'}", "identity", collections)
    made = World(store, tmp_path)
    await made.take_over()
    yield made
    await store.close()


async def test_a_refusal_costs_one_opened_seal_whatever_is_wrong(world: World) -> None:
    assert (await world.ask()).is_allowed
    for access_key, secret_key in (("AKNOBODY", SECRET_KEY), (ACCESS_KEY, "x" * 43), ("AKNOBODY", "x" * 43)):
        before = CountingSeal.opened
        assert await world.ask(access_key, secret_key) == RequestAuthorization(is_genuine=False)
        assert CountingSeal.opened == before + 1


async def test_an_unknown_key_takes_as_long_as_a_wrong_signature(world: World) -> None:
    await world.ask()

    async def seconds(access_key: str) -> float:
        started_at = time.perf_counter()
        for _ in range(50):
            await world.ask(access_key, "x" * 43)
        return time.perf_counter() - started_at

    rounds = [(await seconds(ACCESS_KEY), await seconds("AKNOBODY")) for _ in range(5)]
    known, unknown = min(one for one, _ in rounds), min(one for _, one in rounds)
    assert 0.4 < known / unknown < 2.5


async def test_a_genuine_request_is_answered_from_memory_for_a_moment(world: World) -> None:
    await world.ask()
    before = CountingSeal.opened
    for _ in range(20):
        assert (await world.ask()).is_allowed
    assert CountingSeal.opened == before
    await world.disable()
    assert (await world.ask()).is_genuine, "another replica has not heard of it yet"
    world.now_s += CACHE_S + 0.01
    assert not (await world.ask()).is_genuine


async def test_a_change_in_this_replica_is_seen_at_once(world: World) -> None:
    await world.ask()
    await world.disable()
    world.principals.forget_account("default")
    assert not (await world.ask()).is_genuine


async def test_what_was_being_read_during_a_change_is_not_kept(world: World) -> None:
    credential, secret = await world.principals.secret(ACCESS_KEY)
    assert credential is not None
    reading = world.principals.principal(credential, secret)
    world.principals.forget_account("default")
    before = world.principals._generation
    assert await reading is not None
    assert world.principals._generation == before
    world.principals.forget_account("default")
    assert world.principals.cached(ACCESS_KEY) is None


@pytest.mark.parametrize("signature", ["", "0" * 64, "é", "\ud800", "0" * 63, "0" * 65])
def test_a_signature_of_any_form_is_compared_and_refused(signature: str) -> None:
    assert not is_signed_with(SECRET_KEY, "text", signature)
    assert not is_signed_with(None, "text", signature)


def test_the_signature_of_the_secret_for_unknown_keys_is_refused() -> None:
    signature = hmac.new(b"0" * 43, b"text", hashlib.sha256).hexdigest()
    assert not is_signed_with(None, "text", signature)


async def test_the_last_use_is_written_behind_the_requests(world: World) -> None:
    await world.ask()
    await world.ask("AKNOBODY")
    await world.uses.flush()
    stored = await world.records.key_uses.load("default", ACCESS_KEY)
    assert stored is not None
    assert stored.value.last_used_at == NOW
    assert stored.version == 1
    await world.uses.flush()
    assert await world.records.key_uses.load("default", "AKNOBODY") is None


async def test_the_root_credential_is_taken_over_once(world: World) -> None:
    await world.take_over()
    users = await world.directory.every(world.directory.users, "default")
    assert [(user.name, user.is_root) for user in users] == [(ROOT_USER_NAME, True)]
    await world.disable()
    await world.take_over()
    assert not (await world.ask()).is_genuine, "a key that was disabled stays so"
    with pytest.raises(ValueError, match="another account"):
        await world.take_over(account="other")


async def test_a_second_root_credential_needs_the_first_one_disabled(world: World) -> None:
    with pytest.raises(ValueError, match="another root key"):
        await world.take_over("AKSECOND0123456789")
    await world.disable()
    await world.take_over("AKSECOND0123456789")
    assert (await world.ask("AKSECOND0123456789")).is_allowed


def test_the_file_must_be_private_and_whole_and_no_error_repeats_it(tmp_path: Path) -> None:
    path = tmp_path / "root.json"
    good = f'{{"account": "default", "access_key": "{ACCESS_KEY}", "secret_key": "{SECRET_KEY}"}}'
    path.write_text(good)
    path.chmod(0o640)
    with pytest.raises(ValueError, match="0600"):
        read_root_credential(path)
    path.chmod(0o600)
    assert read_root_credential(path).secret_key.get_secret_value() == SECRET_KEY
    assert SECRET_KEY not in repr(read_root_credential(path))
    for bad in ("", "[]", good[:-1], good.replace(SECRET_KEY, "short"), good.replace("default", "a.b")):
        path.write_text(bad)
        with pytest.raises(ValueError, match="no credential file") as caught:
            read_root_credential(path)
        assert SECRET_KEY not in str(caught.value)
        assert not isinstance(caught.value, MigrationError)
