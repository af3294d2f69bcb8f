"""Small files read and made in one call: the same as by the interpreter, which gets whatever is out of the ordinary."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from transfer_kit import clear_flags, differences, make_odd_tree, snapshot

from agents.compiled import load
from agents.source.copy import read_files
from agents.source.copy.read_entry import Reading, read_small
from agents.source.copy.read_files import read_files as read_together
from agents.target.receive import write_files
from agents.target.receive.metadata import free_umask, inherited_from
from agents.target.receive.write_entries import write_entries
from agents.target.receive.write_files import is_plain, make_files
from agents.transfer.entries import HAS_CONTENT, Entry, EntryKind
from agents.transfer.hashing import CHUNK_BYTES

pytestmark = pytest.mark.root

TIME_NS = 1_234_567_890_123_456_789


@pytest.fixture
def odd_folder(tmp_path: Path):
    folder = tmp_path / "odd"
    make_odd_tree(folder, has_flags=True)
    yield folder
    clear_flags(folder)


@pytest.fixture
def folder(tmp_path: Path):
    folder = tmp_path / "made"
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    yield folder, descriptor
    os.close(descriptor)


def read(folder: Path, names: list[bytes]) -> dict[bytes, Reading | None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return dict(zip(names, read_together(descriptor, names, 4 << 20), strict=True))
    finally:
        os.close(descriptor)


def test_compiled_parts_were_installed() -> None:
    assert load(read_files.__file__) is not None
    assert load(write_files.__file__) is not None


def test_what_is_read_together_is_as_read_one_by_one(odd_folder: Path) -> None:
    names = [name for name in sorted(os.listdir(os.fsencode(odd_folder))) if _is_small(odd_folder, name)]
    together = read(odd_folder, names)
    descriptor = os.open(odd_folder, os.O_RDONLY)
    try:
        alone = {name: read_small(descriptor, name) for name in names}
    finally:
        os.close(descriptor)
    assert len(names) >= 25
    for name, reading in together.items():
        wanted = alone[name]
        assert wanted is not None
        assert reading is not None, name
        for field in Entry.__slots__:
            assert getattr(reading.entry, field) == getattr(wanted.entry, field), (name, field)
        for field in reading.state._fields:
            assert getattr(reading.state, field) == getattr(wanted.state, field), (name, field)


def _is_small(folder: Path, name: bytes) -> bool:
    state = os.lstat(os.path.join(os.fsencode(folder), name))
    return stat.S_ISREG(state.st_mode) and state.st_size <= 1 << 20


def test_what_is_out_of_the_ordinary_is_left_to_the_interpreter(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"contents")
    os.mkfifo(tmp_path / "fifo")
    os.symlink("plain", tmp_path / "link")
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_bytes(bytes(CHUNK_BYTES + 1))
    names = [b"gone", b"fifo", b"link", b"folder", b"large", b"plain"]
    found = read(tmp_path, names)
    assert [name for name, reading in found.items() if reading] == [b"plain"]
    assert bytes(found[b"plain"].entry.data) == b"contents"


def test_more_files_than_are_begun_at_once_are_each_read_and_closed(tmp_path: Path) -> None:
    names = [b"%03d" % number for number in range(100)]
    for name in names[::3] + names[1::3]:
        tmp_path.joinpath(name.decode()).write_bytes(name * int(name))
    open_before = len(os.listdir("/proc/self/fd"))
    found = read(tmp_path, names)
    assert len(os.listdir("/proc/self/fd")) == open_before
    for number, name in enumerate(names):
        reading = found[name]
        assert (reading is None) == (number % 3 == 2), name
        assert reading is None or bytes(reading.entry.data) == name * number


def test_reading_leaves_the_access_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"contents")
    os.utime(tmp_path / "file", ns=(1, TIME_NS))
    assert read(tmp_path, [b"file"])[b"file"].entry.atime_ns == 1
    assert (tmp_path / "file").stat().st_atime_ns == 1


def entries() -> list[Entry]:
    known = {"kind": EntryKind.REGULAR, "flags": HAS_CONTENT}
    acl = bytes.fromhex("02000000010006000000ffff02000700d204000004000400ffffffff10000700ffffffff20000400ffffffff")
    described = [
        Entry(**known, name=b"plain", mode=0o644, data=b"contents", size=8, mtime_ns=TIME_NS, atime_ns=5),
        Entry(**known, name=b"empty", mode=0o600, mtime_ns=-1_500_000_001, atime_ns=-1),
        Entry(**known, name=b"owned", mode=0o4711, uid=1000, gid=2000, data=b"x", size=1, mtime_ns=4_102_444_800 << 30),
        Entry(**known, name=b"\xff name\n", mode=0o000, uid=3, gid=0, data=b"0" * 70_000, size=70_000),
        Entry(
            **known,
            name=b"attributes",
            mode=0o674,
            data=b"a",
            size=1,
            xattrs=((b"system.posix_acl_access", acl), (b"trusted.secret", b"\0binary\xff"), (b"user.empty", b"")),
        ),
    ]
    assert all(is_plain(entry) for entry in described)
    return described


def make(descriptor: int, wanted: list[Entry]) -> list[Entry]:
    return in_a_thread(lambda: make_files(descriptor, wanted, inherited_from(descriptor)))


def in_a_thread(task: Callable[[], list]) -> list:
    """A thread that makes files has a umask of its own; this one keeps the process's."""
    with ThreadPoolExecutor(1, initializer=free_umask) as thread:
        return thread.submit(task).result()


def test_what_is_made_together_is_as_made_one_by_one(folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, descriptor = folder
    assert make(descriptor, entries()) == []
    other = tmp_path / "one-by-one"
    other.mkdir()
    monkeypatch.setattr(write_files, "load", lambda _: None)
    second = os.open(other, os.O_RDONLY)
    try:
        assert in_a_thread(lambda: write_entries(None, second, entries())) == []
    finally:
        os.close(second)
    for path in (made, other):
        os.utime(path, ns=(1, 1))
    assert differences(snapshot(made), snapshot(other)) == []
    assert len(snapshot(made)) == 6


def test_a_file_that_is_there_is_left_to_the_interpreter(folder) -> None:
    made, descriptor = folder
    (made / "plain").write_bytes(b"older")
    os.symlink("nowhere", made / "empty")
    assert [entry.name for entry in make(descriptor, entries())] == [b"plain", b"empty"]
    assert (made / "plain").read_bytes() == b"older"
    assert os.readlink(made / "empty") == "nowhere"
    assert (made / "owned").read_bytes() == b"x"


def test_a_file_that_cannot_be_as_wanted_does_not_stay(folder) -> None:
    made, descriptor = folder
    wrong = Entry(kind=EntryKind.REGULAR, name=b"wrong", flags=HAS_CONTENT, xattrs=((b"none.such", b"1"),))
    assert make(descriptor, [*entries(), wrong]) == [wrong]
    assert not (made / "wrong").exists()


def test_where_new_files_inherit_something_the_interpreter_makes_them(folder) -> None:
    made, descriptor = folder
    os.system(f"setfacl -d -m u:1234:rwx {made}")  # noqa: S605 - a path of this test's own
    assert make(descriptor, entries()) == entries()
    assert list(made.iterdir()) == []


@pytest.mark.parametrize("names", [(b"user.a\0b",), (b"",), (b"btrfs.compression",), (b"sms.project",)])
def test_attributes_that_are_none_of_the_kernels_names_are_not_plain(names: tuple[bytes, ...]) -> None:
    entry = Entry(kind=EntryKind.REGULAR, name=b"n", flags=HAS_CONTENT, xattrs=tuple((name, b"v") for name in names))
    assert not is_plain(entry)
