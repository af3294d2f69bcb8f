"""Chain, tree, checkpoints and proofs agree for every way in which a trace can grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.messages.audit import AuditRecord
from contracts.messages.checkpoint import Checkpoint
from contracts.trace.chain import TraceHead, chain
from contracts.trace.check import TraceCheck
from contracts.trace.checkpoint import sign_checkpoint
from contracts.trace.merkle import Frontier, fold, is_consistent, leaf_hash
from services.audit.domain.queries import first_at
from services.audit.domain.tree import Tree, grow, next_checkpoint, with_checkpoint

KEY = Ed25519PrivateKey.generate()
START = datetime(2026, 1, 1, tzinfo=UTC)
# How much the writer's clock goes on, or back, before each record; whether a checkpoint follows.
GROWTH = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=60)


def grown(steps: list[tuple[int, bool]]) -> tuple[list[AuditRecord], list[Checkpoint]]:
    head, tree, now = TraceHead(), Tree(), START
    records: list[AuditRecord] = []
    checkpoints: list[Checkpoint] = []
    for number, (seconds, is_signed) in enumerate(steps):
        now += timedelta(seconds=seconds)
        record = AuditRecord(
            sequence=0,
            account="acme",
            recorded_at=now,
            message_id=f"m{number}",
            message_type="sms.task.changed:1",
            subject="sms.v1.evt.acme.task.t1.changed",
        )
        placed, head = chain(record, head)
        records.append(placed)
        if is_signed:
            tree, _ = grow(tree, records[tree.size :], account="acme")
            checkpoints.append(sign_checkpoint(next_checkpoint(tree, account="acme", now=now), KEY))
            tree = with_checkpoint(tree, checkpoints[-1])
    return records, checkpoints


def verdict_of(records: list[AuditRecord], checkpoints: list[Checkpoint], *, last: AuditRecord) -> bool:
    check = TraceCheck("acme", KEY.public_key())
    for checkpoint in checkpoints:
        check.add_checkpoint(checkpoint)
    for record in records:
        check.add(record)
    return check.result(sequence=last.sequence, record_hash=last.record_hash).is_intact


@given(GROWTH)
@settings(max_examples=60, deadline=None)
def test_whatever_grows_is_intact_and_its_times_never_go_back(steps: list[tuple[int, bool]]) -> None:
    records, checkpoints = grown(steps)
    assert verdict_of(records, checkpoints, last=records[-1])
    times = [record.recorded_at for record in records]
    assert times == sorted(times)
    assert [record.sequence for record in records] == list(range(1, len(records) + 1))


@given(GROWTH, st.data())
@settings(max_examples=60, deadline=None)
def test_a_record_less_more_or_elsewhere_is_found(steps: list[tuple[int, bool]], data: st.DataObject) -> None:
    records, checkpoints = grown(steps)
    place = data.draw(st.integers(0, len(records) - 1))
    removed = records[:place] + records[place + 1 :]
    assert not verdict_of(removed, checkpoints, last=records[-1])
    assert not verdict_of([*records[: place + 1], records[place], *records[place + 1 :]], checkpoints, last=records[-1])
    if checkpoints:
        # Even when the head is changed with them: the signatures stand.
        head, rewritten = TraceHead(), []
        for number, record in enumerate(records):
            changed = record.model_copy(update={"actor": "x"}) if number == 0 else record
            placed, head = chain(changed, head)
            rewritten.append(placed)
        assert not verdict_of(rewritten, checkpoints, last=rewritten[-1])
        without = data.draw(st.integers(0, len(checkpoints) - 1))
        fewer = checkpoints[:without] + checkpoints[without + 1 :]
        assert verdict_of(records, fewer, last=records[-1]) == (without == len(checkpoints) - 1)


@given(GROWTH)
@settings(max_examples=30, deadline=None)
def test_each_checkpoint_begins_the_next(steps: list[tuple[int, bool]]) -> None:
    records, checkpoints = grown(steps)
    leaves = [leaf_hash(record.record_hash) for record in records]
    for checkpoint in checkpoints:
        tree = Frontier()
        for leaf in leaves[: checkpoint.tree_size]:
            tree.append(leaf)
        assert tree.root().hex() == checkpoint.root_hash == fold(tree.hashes).hex()
        assert is_consistent(
            checkpoint.tree_size,
            checkpoint.tree_size,
            first_root=tree.root(),
            second_root=tree.root(),
            path=[],
        )


@given(st.lists(st.integers(0, 20), max_size=80).map(sorted), st.integers(-1, 21))
@settings(max_examples=60, deadline=None)
async def test_the_first_record_of_a_time_is_found_in_few_steps(times: list[int], wanted: int) -> None:
    looked_at: list[int] = []

    async def recorded_at(sequence: int) -> datetime:
        looked_at.append(sequence)
        return START + timedelta(seconds=times[sequence - 1])

    found = await first_at(START + timedelta(seconds=wanted), last=len(times), recorded_at=recorded_at)
    assert found == 1 + sum(time < wanted for time in times)
    assert len(looked_at) <= len(times).bit_length()
