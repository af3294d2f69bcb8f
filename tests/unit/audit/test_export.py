"""An export, checked without any service: every edit of it is found."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contracts.messages.audit import AuditRecord
from contracts.messages.checkpoint import Checkpoint
from contracts.trace.chain import TraceHead, canonical_json, chain
from contracts.trace.checkpoint import hash_of_checkpoint, is_genuine, sign_checkpoint
from contracts.trace.export import (
    ExportEnd,
    ExportHead,
    check_export,
    checkpoint_line,
    end_line,
    head_line,
    record_line,
)
from contracts.trace.merkle import Frontier, leaf_hash
from tests.unit.audit.trace_kit import Trace

EDITS = 1_000
Lines = list[bytes]


@dataclass(frozen=True)
class Export:
    lines: Lines
    key: Ed25519PublicKey
    checkpoints: tuple[Checkpoint, ...]
    records: tuple[AuditRecord, ...]

    def check(self, lines: Lines, *, is_pinned: bool = True, kept: Checkpoint | None = None):
        return check_export(lines, public_key=self.key if is_pinned else None, kept=kept)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    async def make(folder: Path) -> tuple[Lines, Ed25519PublicKey]:
        trace = await Trace.open(folder)
        for part in range(4):
            await trace.record(*range(part * 9, part * 9 + 9))
            await trace.make_checkpoint()
        await trace.record(40, 41)
        lines = await trace.export()
        await trace.store.close()
        return lines, trace.key.public_key()

    lines, key = asyncio.run(make(tmp_path_factory.mktemp("export")))
    parsed = [json.loads(line) for line in lines]
    return Export(
        lines=lines,
        key=key,
        checkpoints=tuple(Checkpoint.model_validate(line["checkpoint"]) for line in parsed if "checkpoint" in line),
        records=tuple(AuditRecord.model_validate(line["record"]) for line in parsed if "record" in line),
    )


def encoded(*lines: str) -> Lines:
    return [line.encode() + b"\n" for line in lines]


def forged_export(
    records: list[AuditRecord], sizes: list[int], key: Ed25519PrivateKey, like: tuple[Checkpoint, ...]
) -> Lines:
    """A complete export that is right in itself, by somebody who knows all rules and has a key of his own."""
    head, tree = TraceHead(), Frontier()
    chained: list[AuditRecord] = []
    checkpoints: list[Checkpoint] = []
    for record in records:
        placed, head = chain(record, head)
        chained.append(placed)
        tree.append(leaf_hash(placed.record_hash))
        if tree.size in sizes:
            changed = like[len(checkpoints)].model_copy(
                update={
                    "tree_size": tree.size,
                    "root_hash": tree.root().hex(),
                    "record_hash": placed.record_hash,
                    "previous": hash_of_checkpoint(checkpoints[-1]) if checkpoints else "",
                }
            )
            checkpoints.append(sign_checkpoint(changed, key))
    public = key.public_key().public_bytes_raw().hex()
    start = ExportHead(format=1, account="acme", public_key=public, checkpoint=checkpoints[-1])
    end = ExportEnd(checkpoints=len(checkpoints), records=len(chained))
    return encoded(head_line(start), *map(checkpoint_line, checkpoints), *map(record_line, chained), end_line(end))


def test_an_export_is_intact_and_says_which_key_signed_it(export: Export) -> None:
    verdict = export.check(export.lines, kept=export.checkpoints[2])
    assert (verdict.is_intact, verdict.reason) == (True, "")
    # 38 records of the test, and the events of the first four checkpoints.
    assert (verdict.records, verdict.checkpoints, verdict.last_checkpoint) == (42, 5, 42)
    assert verdict.public_key == export.key.public_bytes_raw().hex()
    assert verdict.last_hash == export.records[-1].record_hash
    assert all(is_genuine(checkpoint, export.key) for checkpoint in export.checkpoints)
    assert json.loads(export.lines[0])["export"]["public_key"] == verdict.public_key


# --- edits: each changes the lines, and returns them

Edit = Callable[[Export, random.Random], Lines]


def flip_a_bit(export: Export, rng: random.Random) -> Lines:
    lines = list(export.lines)
    place = rng.randrange(len(lines))
    line = bytearray(lines[place])
    line[rng.randrange(len(line))] ^= 1 << rng.randrange(8)
    lines[place] = bytes(line)
    return b"".join(lines).splitlines(keepends=True)


def remove_lines(export: Export, rng: random.Random) -> Lines:
    first = rng.randrange(len(export.lines))
    return export.lines[:first] + export.lines[first + rng.choice([1, 1, 2, 9]) :]


def repeat_a_line(export: Export, rng: random.Random) -> Lines:
    source, place = rng.randrange(len(export.lines)), rng.randrange(len(export.lines) + 1)
    return [*export.lines[:place], export.lines[source], *export.lines[place:]]


def swap_lines(export: Export, rng: random.Random) -> Lines:
    lines = list(export.lines)
    one, two = rng.sample(range(len(lines)), 2)
    lines[one], lines[two] = lines[two], lines[one]
    return lines


def cut_the_end_off(export: Export, rng: random.Random) -> Lines:
    whole = b"".join(export.lines)
    return whole[: rng.randrange(len(whole))].splitlines(keepends=True)


def cut_records_off_and_mend_the_end(export: Export, rng: random.Random) -> Lines:
    kept = rng.randrange(len(export.records))
    begin = export.lines[: len(export.lines) - 1 - len(export.records) + kept]
    return [*begin, *encoded(end_line(ExportEnd(checkpoints=len(export.checkpoints), records=kept)))]


def change_a_value(export: Export, rng: random.Random) -> Lines:
    """Spelled canonically, so that only hashes and signatures can tell."""
    lines = list(export.lines)
    place = rng.randrange(len(lines))
    (kind, content), *_ = json.loads(lines[place]).items()
    name = rng.choice(sorted(content))
    if kind == "export" and name == "checkpoint":
        content, name = content[name], rng.choice(sorted(content[name]))
        line = json.loads(lines[place])
        line["export"]["checkpoint"] = content
    else:
        line = {kind: content}
    old = content[name]
    content[name] = {
        int: lambda: old + rng.choice([-1, 1, 100]),
        str: lambda: "2026-01-01T00:00:00Z" if name.endswith("_at") else old + rng.choice("ab01"),
        dict: lambda: {**old, rng.choice(["number", "new"]): rng.random()},
    }[type(old)]()
    lines[place] = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    return lines


def add_a_field(export: Export, rng: random.Random) -> Lines:
    lines = list(export.lines)
    place = rng.randrange(len(lines))
    line = json.loads(lines[place])
    rng.choice([line, next(iter(line.values()))])["unknown"] = "x"
    lines[place] = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    return lines


def spell_a_line_otherwise(export: Export, rng: random.Random) -> Lines:
    lines = list(export.lines)
    place = rng.randrange(len(lines))
    line = json.loads(lines[place])
    lines[place] = rng.choice([json.dumps(line), " " + lines[place].decode().rstrip("\n")]).encode() + b"\n"
    return lines


def insert_a_record(export: Export, rng: random.Random) -> Lines:
    place = rng.randrange(len(export.records))
    before = export.records[place]
    head = TraceHead(sequence=before.sequence, record_hash=before.record_hash)
    forged, _ = chain(before.model_copy(update={"message_id": "forged"}), head)
    first = len(export.lines) - 1 - len(export.records)
    return [
        *export.lines[: first + place + 1],
        *encoded(record_line(forged)),
        *export.lines[first + place + 1 :],
    ]


def rewrite_from_the_middle(export: Export, rng: random.Random) -> Lines:
    """All records behind one are chained anew; only the checkpoints cannot be made again without the key."""
    first = rng.randrange(len(export.records))
    before = export.records[first - 1] if first else None
    head = TraceHead(sequence=before.sequence, record_hash=before.record_hash) if before else TraceHead()
    rewritten = []
    for number, record in enumerate(export.records[first:]):
        changed = record.model_copy(update={"actor": "nobody"}) if number == 0 else record
        placed, head = chain(changed, head)
        rewritten.append(record_line(placed))
    start = len(export.lines) - 1 - len(export.records)
    return [*export.lines[: start + first], *encoded(*rewritten), export.lines[-1]]


def make_all_of_it_up(export: Export, rng: random.Random) -> Lines:
    records = list(export.records)
    place = rng.randrange(len(records))
    records[place] = records[place].model_copy(update={"actor": "nobody"})
    sizes = [checkpoint.tree_size for checkpoint in export.checkpoints]
    return forged_export(records, sizes, Ed25519PrivateKey.generate(), export.checkpoints)


def go_back_to_an_older_checkpoint(export: Export, rng: random.Random) -> Lines:
    """Right in itself, as it was exported then: only a checkpoint that was kept elsewhere can tell."""
    number = rng.randrange(1, len(export.checkpoints))
    older = export.checkpoints[number - 1]
    start = ExportHead(format=1, account="acme", public_key=export.key.public_bytes_raw().hex(), checkpoint=older)
    end = ExportEnd(checkpoints=number, records=older.tree_size)
    checkpoints = map(checkpoint_line, export.checkpoints[:number])
    return encoded(head_line(start), *checkpoints, *map(record_line, export.records[: older.tree_size]), end_line(end))


EDIT_KINDS: tuple[Edit, ...] = (
    flip_a_bit,
    remove_lines,
    repeat_a_line,
    swap_lines,
    cut_the_end_off,
    cut_records_off_and_mend_the_end,
    change_a_value,
    add_a_field,
    spell_a_line_otherwise,
    insert_a_record,
    rewrite_from_the_middle,
    make_all_of_it_up,
    go_back_to_an_older_checkpoint,
)
NEEDS_MORE_THAN_THE_FILE = {make_all_of_it_up, go_back_to_an_older_checkpoint}


def test_every_one_of_a_thousand_random_edits_of_an_export_is_found(
    export: Export, random_source: random.Random
) -> None:
    missed = []
    reasons = set()
    for number in range(EDITS):
        edit = EDIT_KINDS[number % len(EDIT_KINDS)]
        lines = edit(export, random_source)
        assert lines != export.lines or edit in {flip_a_bit}, edit.__name__
        verdict = export.check(lines, kept=export.checkpoints[-1])
        found = [verdict]
        if edit not in NEEDS_MORE_THAN_THE_FILE:
            found.append(export.check(lines, is_pinned=False))
        reasons |= {each.reason for each in found}
        if any(each.is_intact or not each.reason or each.broken_at < 1 for each in found):
            missed.append((number, edit.__name__, found))
    assert missed == []
    assert len(reasons) > 20, "the edits must reach many places"


def test_what_only_the_key_or_a_kept_checkpoint_tells(export: Export, random_source: random.Random) -> None:
    made_up = make_all_of_it_up(export, random_source)
    verdict = export.check(made_up, is_pinned=False)
    assert verdict.is_intact
    assert verdict.public_key != export.key.public_bytes_raw().hex()
    assert "another key" in export.check(made_up).reason
    older = go_back_to_an_older_checkpoint(export, random_source)
    assert export.check(older).is_intact
    assert "ends before" in export.check(older, kept=export.checkpoints[-1]).reason
    sizes = [checkpoint.tree_size for checkpoint in export.checkpoints]
    own_key = Ed25519PrivateKey.generate()
    another_story = forged_export(list(export.records), sizes[:-1], own_key, export.checkpoints)
    told = export.check(another_story, is_pinned=False, kept=export.checkpoints[0])
    assert "is not the one that was kept" in told.reason


@pytest.mark.parametrize("hostile", [b"", b"\n", b"{}\n", b"[1]\n", b"\xff\n", b'{"export":null}\n', b'{"end":{}}\n'])
def test_what_is_no_export_is_broken_and_no_error(hostile: bytes) -> None:
    verdict = check_export([hostile] if hostile else [])
    assert not verdict.is_intact
    assert verdict.broken_at == 1


def test_a_line_is_canonical(export: Export) -> None:
    for record in export.records:
        line = record_line(record)
        assert json.loads(line)["record"]["sequence"] == record.sequence
        assert line == f'{{"record":{canonical_json(record)}}}'
