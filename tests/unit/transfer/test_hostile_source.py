import errno
import os
import struct
import time
from pathlib import Path

import pytest
import zstandard
from transfer_kit import TASK, Pair, set_flags, snapshot

from agents.target.receive.volume import unprotected
from agents.transfer.chunks import Piece, encode_chunk
from agents.transfer.connection import Connection
from agents.transfer.entries import FIRST, HAS_CONTENT, LAST, Entry, EntryKind, encode_group
from agents.transfer.frames import FLAG_COMPRESSED, HEADER, PROTOCOL_VERSION, Frame, Kind
from agents.transfer.messages import Begin, Hello, HelloReply, Join, dump, parse, plan_digest
from agents.transfer.structure import Change, Operation, encode_operations
from agents.transfer.tls import source_context

pytestmark = pytest.mark.root


class Hostile:
    """A source with a good certificate that sends whatever it likes."""

    def __init__(self, pair: Pair) -> None:
        tls = source_context(**pair.authority.leaf("source"))
        self.control = Connection.open(pair.endpoint, tls)
        hello = Hello(task_id=TASK, role="source", plan_digest=plan_digest({0: "/"}))
        self.control.send_control(Kind.HELLO, dump(hello))
        reply = parse(HelloReply, self.control.expect(Kind.HELLO_REPLY))
        self.sequence = reply.highest_seen + 1
        self.control.send_control(Kind.BEGIN, dump(Begin(first=self.sequence, connections=2)))
        self.data = Connection.open(pair.endpoint, tls)
        self.data.send_control(Kind.JOIN, dump(Join(join_token=reply.join_token, stream=1)))

    def send(self, kind: Kind, payload: bytes, flags: int = 0, after: int = 0) -> None:
        self.data.send(Frame(kind, flags, 1, self.sequence, after, payload))
        self.sequence += 1

    def send_raw(self, data: bytes) -> None:
        self.data._socket.sendall(data)
        self.sequence += 1

    def answer(self) -> str:
        """The code of the failure that comes back, or "applied"."""
        self.control.set_timeout(5)
        while True:
            frame = self.control.receive()
            if frame.kind is Kind.FAILURE:
                return frame.payload.decode()
            if frame.kind is Kind.ACK and struct.unpack("<QQ", frame.payload)[0] >= self.sequence - 1:
                return "applied"

    def close(self) -> None:
        for connection in (self.control, self.data):
            connection.close()
            connection.release()


@pytest.fixture
def hostile(tmp_path: Path):
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/victim").write_bytes(b"untouched")
    os.symlink(tmp_path / "outside", tmp_path / "target/escape")
    os.symlink("../outside/victim", tmp_path / "target/file-link")
    before = snapshot(tmp_path / "outside")
    pair = Pair(tmp_path, {0: (tmp_path / "source", tmp_path / "target", "/")})
    peer = Hostile(pair)
    peer.target = tmp_path / "target"
    peer.pair = pair
    yield peer
    peer.close()
    pair.close()
    assert snapshot(tmp_path / "outside") == before
    assert set(os.listdir(tmp_path)) - {"source-state"} == {"outside", "source", "target", "target-state"}


def batch(
    path: bytes, name: bytes, volume: int = 0, kind: EntryKind = EntryKind.REGULAR, data: bytes = b"evil"
) -> bytes:
    entry = Entry(kind, name, mode=0o644, size=len(data), flags=HAS_CONTENT, data=data)
    return b"".join(encode_group(volume, path, [entry]))


BAD_NAMES = [b"..", b".", b"", b"a/b", b"/etc/x", b"nul\0", b"n" * 256, b"../outside/victim"]
BAD_PATHS = [
    b"..",
    b"../outside",
    b"a/../../outside",
    b"/etc",
    b"/",
    b"a//b",
    b"a/",
    b"./a",
    b"a/.",
    b"nul\0",
    b"n" * 256,
    b"a/" * 600_000 + b"a",
]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("kind", [EntryKind.REGULAR, EntryKind.SYMLINK, EntryKind.FIFO, EntryKind.DIRECTORY])
def test_bad_name_is_refused(hostile: Hostile, name: bytes, kind: EntryKind) -> None:
    hostile.send(Kind.BATCH, batch(b"", name, kind=kind))
    assert "SMS.TRANSFER.PROTOCOL" in hostile.answer()


@pytest.mark.parametrize("path", BAD_PATHS)
def test_bad_directory_is_refused(hostile: Hostile, path: bytes) -> None:
    hostile.send(Kind.BATCH, batch(path, b"x"))
    assert "SMS.TRANSFER.PROTOCOL" in hostile.answer()


@pytest.mark.parametrize("path", [*BAD_PATHS[:10], b"escape/../.."])
@pytest.mark.parametrize("change", list(Change))
def test_bad_path_of_a_change_is_refused(hostile: Hostile, path: bytes, change: Change) -> None:
    for operation in (Operation(change, 0, 1, path, b"ok"), Operation(change, 0, 1, b"ok", path)):
        hostile.send(Kind.STRUCTURE, encode_operations([operation]))
    assert "SMS.TRANSFER.PROTOCOL" in hostile.answer()


def test_symlinked_folder_is_replaced_and_never_followed(hostile: Hostile) -> None:
    hostile.send(Kind.BATCH, batch(b"escape", b"victim"))
    assert hostile.answer() == "applied"
    assert not (hostile.target / "escape").is_symlink()
    assert (hostile.target / "escape/victim").read_bytes() == b"evil"


def test_symlink_in_place_of_a_file_is_never_written_through(hostile: Hostile) -> None:
    entry = Entry(EntryKind.REGULAR, b"file-link", mode=0o4777, size=4, flags=HAS_CONTENT | 2, data=b"evil")
    hostile.send(Kind.BATCH, b"".join(encode_group(0, b"", [entry])))
    metadata = Entry(EntryKind.REGULAR, b"other", mode=0o4777)
    os.symlink("../outside/victim", hostile.target / "other")
    hostile.send(Kind.BATCH, b"".join(encode_group(0, b"", [metadata])))
    chunk = Entry(EntryKind.REGULAR, b"chunk", size=4, flags=HAS_CONTENT)
    os.symlink("../outside/victim", hostile.target / "chunk")
    hostile.send(Kind.CHUNK, encode_chunk(0, b"", chunk, [Piece(0, 4, b"evil")]))
    assert hostile.answer() == "applied"


def test_symlink_swapped_in_between_is_never_followed(hostile: Hostile) -> None:
    for _ in range(200):
        link = Entry(EntryKind.SYMLINK, b"swap", mode=0o777, flags=HAS_CONTENT, data=b"../outside")
        hostile.send(Kind.BATCH, b"".join(encode_group(0, b"", [link])))
        hostile.send(Kind.BATCH, batch(b"swap", b"victim"))
        first = Entry(EntryKind.REGULAR, b"victim", size=4, flags=HAS_CONTENT | FIRST | LAST)
        hostile.send(Kind.BATCH, b"".join(encode_group(0, b"", [link])))
        hostile.send(Kind.CHUNK, encode_chunk(0, b"swap", first, [Piece(0, 4, b"evil")]))
    assert hostile.answer() == "applied"


@pytest.mark.parametrize(
    "data",
    [
        HEADER.pack(PROTOCOL_VERSION, Kind.BATCH, 0, 1, (4 << 20) + 1, 1, 0, 0),
        HEADER.pack(PROTOCOL_VERSION, Kind.BATCH, 0, 1, 0xFFFFFFFF, 1, 0, 0),
        HEADER.pack(99, Kind.BATCH, 0, 1, 0, 1, 0, 0),
        HEADER.pack(PROTOCOL_VERSION, 200, 0, 1, 0, 1, 0, 0),
        HEADER.pack(PROTOCOL_VERSION, Kind.BATCH, 128, 1, 0, 1, 0, 0),
        HEADER.pack(PROTOCOL_VERSION, Kind.BATCH, 0, 1, 4, 1, 0, 12345) + b"data",
    ],
    ids=["too-long", "4-gib", "version", "kind", "flags", "checksum"],
)
def test_bad_frame_is_refused(hostile: Hostile, data: bytes) -> None:
    hostile.send_raw(data)
    assert "SMS.TRANSFER.PROTOCOL" in hostile.answer()


@pytest.mark.parametrize(
    "payload",
    [
        zstandard.ZstdCompressor().compress(bytes(64 << 20)),
        zstandard.ZstdCompressor(write_content_size=False).compress(bytes(64 << 20)),
        b"\x28\xb5\x2f\xfd" + b"\xff" * 30,
        b"not zstd",
        b"",
    ],
    ids=["bomb", "bomb-without-size", "torn", "other", "empty"],
)
def test_compressed_bomb_or_rubbish_is_refused(hostile: Hostile, payload: bytes) -> None:
    hostile.send(Kind.BATCH, payload, flags=FLAG_COMPRESSED)
    assert "SMS.TRANSFER.PROTOCOL" in hostile.answer()


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.BATCH, batch(b"", b"x", volume=7)),
        (Kind.BATCH, struct.pack("<HII", 0, 0, 0xFFFFFFFF)),
        (Kind.BATCH, struct.pack("<HII", 0, 0xFFFFFFFF, 1)),
        (Kind.BATCH, batch(b"", b"x")[:-2]),
        (Kind.BATCH, batch(b"", b"x", kind=EntryKind.SYMLINK, data=b"a\0b")),
        (Kind.BATCH, batch(b"", b"x", kind=EntryKind.SYMLINK, data=b"x" * 5000)),
        (Kind.BATCH, b"".join(encode_group(0, b"", [Entry(EntryKind.REGULAR, b"x", row=(1 << 62) + 1)]))),
        (Kind.CHUNK, encode_chunk(0, b"", Entry(EntryKind.REGULAR, b"x", size=1 << 63, flags=FIRST | LAST), [])),
        (Kind.STRUCTURE, encode_operations([Operation(Change.STAGE, 9, 1, b"a")])),
        (Kind.STRUCTURE, encode_operations([Operation(Change.LINK, 0, (1 << 62) + 1, b"not there", b"a")])),
        (Kind.STRUCTURE, struct.pack("<BHQII", 77, 0, 1, 0, 0)),
        (Kind.END_ROUND, b"\x07\x00"),
        (Kind.HELLO, b"{}"),
        (Kind.CHUNK, encode_chunk(0, b"", Entry(EntryKind.FIFO, b"x"), [])),
        (
            Kind.CHUNK,
            encode_chunk(0, b"", Entry(EntryKind.REGULAR, b"x", size=1, flags=FIRST), [Piece(1 << 40, 4, b"evil")]),
        ),
    ],
)
def test_malformed_payload_is_refused(hostile: Hostile, kind: Kind, payload: bytes) -> None:
    hostile.send(kind, payload)
    assert "SMS.TRANSFER.PROTOCOL" in hostile.answer()


def test_frame_that_waits_for_a_later_one_is_refused(hostile: Hostile) -> None:
    hostile.send(Kind.BATCH, batch(b"", b"x"), after=hostile.sequence + 10)
    assert "SMS.TRANSFER.PROTOCOL" in hostile.answer()


def test_frame_with_a_number_beyond_all_that_are_counted_is_refused(hostile: Hostile) -> None:
    hostile.sequence = 1 << 63
    hostile.send(Kind.BATCH, batch(b"", b"x"))
    assert "SMS.TRANSFER.PROTOCOL" in hostile.answer()
    hostile.close()
    hostile.pair.source.copy()


def test_silent_peer_does_not_keep_others_out(hostile: Hostile) -> None:
    hostile.send(Kind.BATCH, batch(b"", b"x"))
    assert hostile.answer() == "applied"
    began = time.monotonic()
    hostile.pair.source.copy()
    assert time.monotonic() - began < 5


def test_immutable_target_file_is_replaced(hostile: Hostile) -> None:
    (hostile.target / "fixed").write_bytes(b"old")
    set_flags(hostile.target / "fixed", 0x10)
    hostile.send(Kind.BATCH, batch(b"", b"fixed"))
    assert hostile.answer() == "applied"
    assert (hostile.target / "fixed").read_bytes() == b"evil"


def test_directory_that_another_thread_has_freed_meanwhile_is_no_failure(tmp_path: Path) -> None:
    attempts = []

    def write() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise PermissionError(errno.EPERM, "immutable, until a moment ago")
        return "written"

    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        assert unprotected(descriptor, b"file", write) == "written"
    finally:
        os.close(descriptor)
