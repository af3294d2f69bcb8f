"""Checkpoints and proofs on a real store: what is signed, when, and what is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.errors import MigrationError
from contracts.messages.checkpoint import (
    ExportTrace,
    ListCheckpoints,
    MakeCheckpoint,
    ProveConsistency,
    ProveInclusion,
)
from contracts.trace.checkpoint import is_genuine, read_public_key
from contracts.trace.export import check_export
from contracts.trace.merkle import is_consistent, is_included
from services.audit.records import TILES
from shared.signing_key import read_or_make_signing_key
from tests.unit.audit.trace_kit import Trace, asked


@pytest.fixture
async def trace(tmp_path: Path) -> AsyncIterator[Trace]:
    trace = await Trace.open(tmp_path)
    yield trace
    await trace.store.close()


async def checkpoints(trace: Trace, account: str = "acme") -> list[tuple[int, int]]:
    listed = await trace.checkpoints.list_checkpoints(ListCheckpoints(), asked(account))
    return [(each.number, each.tree_size) for each in listed.checkpoints]


async def test_a_checkpoint_is_signed_chained_said_and_not_made_again_without_news(trace: Trace) -> None:
    nothing = await trace.checkpoints.make_checkpoint(MakeCheckpoint(), asked())
    assert nothing.checkpoints == ()
    await trace.record(1, 2, 3)
    first = await trace.make_checkpoint()
    assert (first.number, first.tree_size, first.previous, first.account) == (1, 3, "", "acme")
    assert is_genuine(first, trace.key.public_key())
    # Its own event is recorded, and is no reason for another checkpoint.
    again = await trace.make_checkpoint()
    assert again == first
    verdict = await trace.verify()
    assert (verdict.is_intact, verdict.records, verdict.checkpoints, verdict.last_checkpoint) == (True, 4, 1, 3)
    await trace.record(4)
    second = await trace.make_checkpoint()
    assert (second.number, second.tree_size) == (2, 5)
    assert second.previous != ""
    assert (await trace.verify()).checkpoints == 2
    assert await checkpoints(trace) == [(1, 3), (2, 5)]
    newest = await trace.checkpoints.list_checkpoints(ListCheckpoints(limit=1, newest_first=True), asked())
    assert (newest.checkpoints, newest.has_more) == ((second,), True)
    assert await checkpoints(trace, "other") == []


async def test_no_record_waits_longer_than_an_hour_for_its_checkpoint(trace: Trace) -> None:
    await trace.record(1)
    await trace.record(100, account="other")
    trace.now = datetime.now(UTC) + timedelta(minutes=59)
    await trace.checkpoints.sign_due(3600)
    assert await checkpoints(trace) == []
    trace.now += timedelta(minutes=2)
    await trace.checkpoints.sign_due(3600)
    await trace.relay()
    assert await checkpoints(trace) == [(1, 1)]
    assert await checkpoints(trace, "other") == [(1, 1)]
    trace.now += timedelta(days=1)
    await trace.checkpoints.sign_due(3600)
    assert await checkpoints(trace) == [(1, 1)], "nothing but the checkpoint itself has been recorded since"


async def test_a_tree_that_grew_before_a_kill_is_signed_at_the_next_look(trace: Trace) -> None:
    await trace.record(1, 2)
    await trace.checkpoints._grow_tree("acme")
    await trace.checkpoints.sign_due(3600)
    assert await checkpoints(trace) == [(1, 2)]


async def test_a_broken_trace_is_not_signed(trace: Trace, tmp_path: Path) -> None:
    await trace.record(*range(6))
    await trace.make_checkpoint()
    await trace.record(*range(6, 12))
    with sqlite3.connect(tmp_path / "audit.sqlite") as db:
        db.execute("DELETE FROM records WHERE collection='entries' AND id=?", (f"{9:016}",))
    for _ in range(2):
        with pytest.raises(MigrationError, match="TRACE_BROKEN"):
            await trace.checkpoints.make_checkpoint(MakeCheckpoint(), asked())
    trace.now += timedelta(days=400)
    await trace.checkpoints.sign_due(3600)
    assert await checkpoints(trace) == [(1, 6)]
    assert (await trace.verify()).broken_at == 9
    with pytest.raises(MigrationError, match="TRACE_BROKEN"):
        await trace.export()


async def test_every_record_is_proven_across_kept_nodes_and_tampering_gives_no_proof(
    trace: Trace, tmp_path: Path
) -> None:
    await trace.fill(*range(300))
    small = await trace.make_checkpoint()
    await trace.fill(*range(300, 700))
    large = await trace.make_checkpoint()
    assert len(await trace.store.find(TILES.name, "acme")) == large.tree_size // 256
    key = trace.key.public_key().public_bytes_raw().hex()
    for sequence in (1, 2, 255, 256, 257, 300, 512, 513, 640, large.tree_size):
        for checkpoint in (small, large):
            request = ProveInclusion(sequence=sequence, checkpoint=checkpoint.number)
            if sequence > checkpoint.tree_size:
                with pytest.raises(MigrationError, match="NOT_UNDER_CHECKPOINT"):
                    await trace.proofs.prove_inclusion(request, asked())
                continue
            proof = await trace.proofs.prove_inclusion(request, asked())
            assert (proof.record.sequence, proof.checkpoint, proof.public_key) == (sequence, checkpoint, key)
            assert is_included(
                proof.record.record_hash,
                sequence - 1,
                size=checkpoint.tree_size,
                root=bytes.fromhex(checkpoint.root_hash),
                path=[bytes.fromhex(each) for each in proof.path],
            )
    both = await trace.proofs.prove_consistency(ProveConsistency(first=1), asked())
    assert (both.first, both.second) == (small, large)
    assert is_consistent(
        small.tree_size,
        large.tree_size,
        first_root=bytes.fromhex(small.root_hash),
        second_root=bytes.fromhex(large.root_hash),
        path=[bytes.fromhex(each) for each in both.path],
    )
    for request in (ProveConsistency(first=3), ProveConsistency(first=2, second=1)):
        with pytest.raises(MigrationError, match="CHECKPOINT"):
            await trace.proofs.prove_consistency(request, asked())
    with sqlite3.connect(tmp_path / "audit.sqlite") as db:
        db.execute("UPDATE records SET data='{\"hash\":\"' || printf('%064d', 0) || '\"}' WHERE collection='tiles'")
    with pytest.raises(MigrationError, match="TRACE_BROKEN"):
        await trace.proofs.prove_inclusion(ProveInclusion(sequence=1), asked())


async def test_an_export_pages_over_records_and_is_under_its_own_checkpoint(trace: Trace) -> None:
    with pytest.raises(MigrationError, match="NO_CHECKPOINT"):
        await trace.export()
    await trace.record(*range(3), blob="x" * 300_000)
    await trace.make_checkpoint()
    await trace.fill(*range(3, 700))
    lines = await trace.export()
    verdict = check_export(lines, public_key=trace.key.public_key())
    assert (verdict.is_intact, verdict.records, verdict.checkpoints) == (True, 701, 2)
    for cursor in ("x", "c:1", "r:9:0", "c:1:" + "9" * 16, "r:-1:0"):
        with pytest.raises(MigrationError, match=r"BAD_CURSOR|NO_CHECKPOINT"):
            await trace.checkpoints.export(ExportTrace(cursor=cursor), asked())
    with pytest.raises(MigrationError, match="NO_CHECKPOINT"):
        await trace.checkpoints.export(ExportTrace(cursor="r:1:0"), asked("other"))


async def test_whoever_rewrites_the_whole_store_is_found_by_the_signatures(trace: Trace, tmp_path: Path) -> None:
    """Records, head, tree and checkpoints are right in themselves; the key is not in the store."""
    await trace.record(*range(5))
    await trace.make_checkpoint()
    await trace.store.close()
    (tmp_path / "forged").mkdir()
    forger = await Trace.open(tmp_path / "forged", Ed25519PrivateKey.generate())
    await forger.record(*range(5), forged=True)
    await forger.make_checkpoint()
    assert (await forger.verify()).is_intact
    verdict = await Trace(forger.store, trace.key).verify()
    assert not verdict.is_intact
    assert "not signed by the key" in verdict.reason
    await forger.store.close()
    reopened = await Trace.open(tmp_path, trace.key)
    with sqlite3.connect(tmp_path / "audit.sqlite") as db, sqlite3.connect(tmp_path / "forged/audit.sqlite") as other:
        # The records and head of the forger under the genuine checkpoint.
        for collection in ("entries", "heads", "trees"):
            db.execute("DELETE FROM records WHERE collection=?", (collection,))
            rows = other.execute("SELECT * FROM records WHERE collection=?", (collection,)).fetchall()
            db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
    verdict = await reopened.verify()
    assert (verdict.is_intact, verdict.broken_at) == (False, 5)
    assert "not those under checkpoint 1" in verdict.reason
    await reopened.store.close()


def test_the_signing_key_is_made_once_for_its_owner_alone_and_its_public_part_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "audit.signing"
    key = read_or_make_signing_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_or_make_signing_key(path).private_bytes_raw() == key.private_bytes_raw()
    public = path.with_name("audit.signing.pub")
    assert read_public_key(public.read_text()).public_bytes_raw() == key.public_key().public_bytes_raw()
    public.unlink()
    read_or_make_signing_key(path)
    assert public.exists()
    assert {each.name for each in path.parent.iterdir()} == {path.name, public.name}
    path.write_text("no key")
    with pytest.raises(ValueError, match="PEM"):
        read_or_make_signing_key(path)
