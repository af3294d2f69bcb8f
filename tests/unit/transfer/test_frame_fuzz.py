"""Frames of a hostile source, made from good ones by random changes: nothing outside is touched, nothing hangs."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from test_hostile_source import Hostile, batch, hostile  # noqa: F401 - a fixture
from transfer_kit import Pair

from agents.transfer.chunks import Piece, encode_chunk
from agents.transfer.entries import FIRST, HAS_CONTENT, LAST, Entry, EntryKind
from agents.transfer.frames import Kind
from agents.transfer.structure import Change, Operation, encode_operations

pytestmark = pytest.mark.root
SOURCES = (
    lambda: (Kind.BATCH, batch(b"dir", b"file")),
    lambda: (Kind.BATCH, batch(b"", b"link", kind=EntryKind.SYMLINK, data=b"../outside")),
    lambda: (Kind.BATCH, batch(b"", b"pipe", kind=EntryKind.FIFO)),
    lambda: (Kind.STRUCTURE, encode_operations([Operation(Change.RENAME, 0, 1, b"dir/file", b"other")])),
    lambda: (Kind.STRUCTURE, encode_operations([Operation(Change.LINK, 0, 2, b"other", b"dir/link")])),
    lambda: (Kind.DIRECTORIES, batch(b"", b"dir", kind=EntryKind.DIRECTORY, data=b"")),
    lambda: (
        Kind.CHUNK,
        encode_chunk(
            0,
            b"dir",
            Entry(EntryKind.REGULAR, b"big", size=9, flags=HAS_CONTENT | FIRST | LAST),
            [Piece(0, 4, b"data")],
        ),
    ),
    lambda: (Kind.END_ROUND, b"\0\0"),
)
# A size that a single bit can make too large to be written is no subject here: the disk would be full.
MAX_CHANGES = 4


def mutated(rng: random.Random, payload: bytes) -> bytes:
    data = bytearray(payload)
    for _ in range(rng.randrange(MAX_CHANGES)):
        place = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0 if data:
                data[place % len(data)] ^= 1 << rng.randrange(8)
            case 1:
                data[place:place] = rng.choice((b"..", b"/", b"\0", b"../outside/victim", rng.randbytes(3)))
            case 2:
                del data[place : place + rng.randrange(8)]
            case _:
                data[place : place + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x7f" * 4))
    return bytes(data)


def fuzz(pair: Pair, seed: int, *, seconds: float) -> int:
    print("seed", seed)  # noqa: T201 - replays a failure
    rng = random.Random(seed)
    ends = time.monotonic() + seconds
    sent = 0
    while time.monotonic() < ends:
        peer = Hostile(pair)
        try:
            for _ in range(20):
                kind, payload = rng.choice(SOURCES)()
                peer.send(kind, mutated(rng, payload))
                sent += 1
            answer = peer.answer()
            assert answer == "applied" or "SMS.T" in answer, answer
        except (OSError, EOFError):
            pass  # refused in the middle of a write
        finally:
            peer.close()
    return sent


def test_changed_frames_harm_nothing(hostile: Hostile, pytestconfig: pytest.Config) -> None:  # noqa: F811
    assert fuzz(hostile.pair, pytestconfig.getoption("--seed"), seconds=3) > 20
    hostile.pair.source.copy()


@pytest.mark.long
@pytest.mark.timeout(2000)
def test_frames_fuzz_for_25_minutes(hostile: Hostile, pytestconfig: pytest.Config, tmp_path: Path) -> None:  # noqa: F811
    print(fuzz(hostile.pair, pytestconfig.getoption("--seed"), seconds=25 * 60), "frames")  # noqa: T201 - the figure
    hostile.pair.source.copy()
    assert (tmp_path / "outside/victim").read_bytes() == b"untouched"
