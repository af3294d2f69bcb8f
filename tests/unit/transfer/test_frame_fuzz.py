"""Frames of either end, made from good ones by random changes: nothing outside is touched, nothing hangs."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_hostile_source import Hostile, batch, hostile  # noqa: F401 - a fixture
from test_hostile_target import Target, Victim, reply, verdict
from transfer_kit import Pair, snapshot

from agents.transfer.chunks import Piece, encode_chunk
from agents.transfer.connection import Connection
from agents.transfer.entries import FIRST, HAS_CONTENT, LAST, Entry, EntryKind
from agents.transfer.frames import Kind
from agents.transfer.messages import ACK, LostEntries, dump
from agents.transfer.structure import Change, Operation, encode_operations
from agents.transfer.verification import RESULT
from contracts.errors import MigrationError
from contracts.errors.transfer import STOPPED, TARGET_EIO

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
@pytest.mark.parametrize("part", range(5))
def test_frames_of_a_source_fuzz_for_4_minutes(
    hostile: Hostile,  # noqa: F811
    pytestconfig: pytest.Config,
    tmp_path: Path,
    part: int,
) -> None:
    seed = pytestconfig.getoption("--seed") + part
    print(fuzz(hostile.pair, seed, seconds=240), "frames")  # noqa: T201 - the figure is reported
    hostile.pair.source.copy()
    assert (tmp_path / "outside/victim").read_bytes() == b"untouched"


# By the sequence of the first frame that the target has got.
SAID: tuple[Callable[[int], tuple[Kind, bytes]], ...] = (
    lambda sequence: (Kind.ACK, ACK.pack(sequence, 0)),
    lambda sequence: (Kind.ACK, ACK.pack(sequence, sequence)),
    lambda _: (Kind.LOST_ENTRIES, dump(LostEntries(rows=(2, 3)))),
    lambda _: (Kind.FAILURE, dump(TARGET_EIO.failure(volume=0, path="/folder/3", reason="I/O error"))),
    lambda _: (Kind.VERIFY_RESULT, verdict(b"folder", RESULT.pack(4, 0), name=b"3")),
    lambda _: (Kind.HELLO_REPLY, reply()),
)
LONGEST_S = 20


def fuzz_source(folder: Path, seed: int, *, seconds: float) -> int:
    """Copies to targets that say something else than a target would, until the time is over; how many they were."""
    print("seed", seed)  # noqa: T201 - replays a failure
    rng, ends, copies = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        victim = Victim(folder / str(copies))
        code = code_of_copy(victim, rng)
        assert not code or code.startswith(("SMS.TRANSFER.", "SMS.TARGET."))
        assert code != STOPPED.code, "it would have waited for ever"
        assert snapshot(victim.tree) == victim.before
        copies += 1
    return copies


def code_of_copy(victim: Victim, rng: random.Random) -> str:
    """Empty when the words happened to be those of a target that has taken everything."""

    def speak(control: Connection, sequence: int) -> None:
        for _ in range(rng.randrange(1, 4)):
            kind, payload = rng.choice(SAID)(sequence)
            control.send_control(kind, mutated(rng, payload))
        # The source comes back, and hears a word or two more, until nobody is there.
        control.close()
        if rng.random() < 0.5:
            target.stop()

    said = mutated(rng, reply()) if rng.random() < 0.3 else None
    target = Target(reply=said, speak=speak, waits_for=None)
    session = victim.session(target.start(victim.authority), retry_s=0.5)
    timer = threading.Timer(LONGEST_S, session.request_stop)
    timer.start()
    failure = None
    try:
        session.copy()
    except MigrationError as error:
        failure = error.failure
    finally:
        timer.cancel()
        target.stop()
    assert failure is None or failure.cause.isprintable()
    return failure.code if failure else ""


def test_changed_words_of_a_target_harm_nothing(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    assert fuzz_source(tmp_path, pytestconfig.getoption("--seed"), seconds=2) > 1


@pytest.mark.long
@pytest.mark.parametrize("part", range(2))
def test_words_of_a_target_fuzz_for_4_minutes(tmp_path: Path, pytestconfig: pytest.Config, part: int) -> None:
    seed = pytestconfig.getoption("--seed") + part
    print(fuzz_source(tmp_path, seed, seconds=240), "copies")  # noqa: T201 - the figure is reported
