"""Paths of a hostile source, in every place of a frame that holds one, and what lies in their way on the target."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_hostile_source import Hostile, batch, hostile  # noqa: F401 - a fixture
from transfer_kit import set_flags, snapshot

from agents.transfer.chunks import Piece, encode_chunk
from agents.transfer.entries import FIRST, HAS_CONTENT, IN_PLACE, LAST, Entry, EntryKind, encode_group
from agents.transfer.frames import Kind
from agents.transfer.structure import Change, Operation, encode_operations
from agents.transfer.verification import EXPECTED, DirectoryPart, encode_part

pytestmark = pytest.mark.root
STAGING = b".sms-receive-"
# Two of each kind, and what else the kind has: all of them where a place has a check of its own.
BAD_PATHS = (
    *(b"..", b"../outside/victim", b"/etc/passwd", b"//", b"a/../../outside", b"a/./b"),
    *(b"a//b", b"a/", b"a\0", b"a\0/../..", b"n" * 256, b"a/" + b"n" * 256),
)
MORE_BAD_PATHS = (
    *(b".", b"../..", b"../outside", b"../" * 40 + b"etc/passwd"),
    *(b"/", b"/etc", b"//etc", b"/proc/self/root/etc", b"/proc/self/fd/3"),
    *(b"a/..", b"a/../..", b"./a", b"a/.", b"a/b/../../../outside"),
    *(b"a///", b"\0", b"\0a", b"..\0", b"a/\0/b", b"n" * 257 + b"/a", b"n" * 5000),
)
OWN_CHECK = {"folder of a batch", "name of a file", "what is moved", "where it is moved"}
Payload = tuple[Kind, bytes]


def file(name: bytes, flags: int = HAS_CONTENT, kind: EntryKind = EntryKind.REGULAR, data: bytes = b"evil") -> Entry:
    return Entry(kind, name, mode=0o4777, size=len(data), flags=flags, data=data)


def group(path: bytes, entry: Entry) -> bytes:
    return b"".join(encode_group(0, path, [entry]))


def chunk(path: bytes, name: bytes, flags: int = HAS_CONTENT | FIRST | LAST) -> Payload:
    entry = Entry(EntryKind.REGULAR, name, mode=0o4777, size=4, flags=flags)
    return Kind.CHUNK, encode_chunk(0, path, entry, [Piece(0, 4, b"evil")])


def change(kind: Change, path: bytes, new_path: bytes = b"") -> Payload:
    return Kind.STRUCTURE, encode_operations([Operation(kind, 0, 1, path, new_path)])


def directory(path: bytes, name: bytes) -> Payload:
    return Kind.DIRECTORIES, group(path, file(name, 0, EntryKind.DIRECTORY, b""))


def verify(path: bytes, name: bytes) -> Payload:
    entry = file(name, 0, data=EXPECTED.pack(bytes(16), bytes(8), 0, 1, 0))
    return Kind.VERIFY_BATCH, encode_part(DirectoryPart(0, path, b"", b"", True, [entry]))


PLACES: dict[str, Callable[[bytes], Payload]] = {
    "folder of a batch": lambda path: (Kind.BATCH, batch(path, b"x")),
    "name of a file": lambda path: (Kind.BATCH, batch(b"", path)),
    "name of a device": lambda path: (Kind.BATCH, batch(b"", path, kind=EntryKind.BLOCK_DEVICE)),
    "folder of a chunk": lambda path: chunk(path, b"x"),
    "name of a chunk's file": lambda path: chunk(b"", path),
    "folder around a folder": lambda path: directory(path, b"x"),
    "name of a folder": lambda path: directory(b"", path),
    "what is taken aside": lambda path: change(Change.STAGE, path),
    "where it is put": lambda path: change(Change.UNSTAGE, b"", path),
    "what is moved": lambda path: change(Change.RENAME, path, b"x"),
    "where it is moved": lambda path: change(Change.RENAME, b"x", path),
    "what is linked": lambda path: change(Change.LINK, path, b"x"),
    "where it is linked": lambda path: change(Change.LINK, b"x", path),
    "folder that is verified": lambda path: verify(path, b"x"),
    "name that is verified": lambda path: verify(b"", path),
}


@pytest.mark.parametrize("place", PLACES)
def test_path_that_leads_elsewhere_is_refused(hostile: Hostile, place: str) -> None:  # noqa: F811
    """15 places, 12 to 33 paths each, and in each place the folder that the target keeps for itself: 286 entries."""
    reserved = hostile.pair.server._volumes[0].staging_name
    assert reserved.startswith(STAGING)
    is_name = place.startswith("name")
    own = () if place.startswith(("folder that is", "name that is")) else (reserved,)
    inside = () if is_name or not own else (reserved + b"/x",)
    before = snapshot(hostile.target)
    more = MORE_BAD_PATHS if place in OWN_CHECK else ()
    for path in (*BAD_PATHS, *more, *own, *inside):
        peer = Hostile(hostile.pair)
        try:
            peer.send(*PLACES[place](path))
            assert "SMS.TRANSFER.PROTOCOL" in peer.answer(), path[:100]
        finally:
            peer.close()
    assert snapshot(hostile.target) == before


def _mounted(path: Path) -> None:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(path)], check=True)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _immutable(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_bytes(b"old")
    set_flags(path, 0x10)


def _full(path: Path) -> None:
    (path / "folder").mkdir(parents=True)
    (path / "folder/file").write_bytes(b"old")


OBSTACLES: dict[str, Callable[[Path], object]] = {
    "link to a folder outside": lambda path: path.symlink_to("../outside"),
    "absolute link outside": lambda path: path.symlink_to(path.parents[1] / "outside"),
    "link to a file outside": lambda path: path.symlink_to("../outside/victim"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link through /proc": lambda path: path.symlink_to(f"/proc/self/root{path.parents[1]}/outside"),
    "dangling link outside": lambda path: path.symlink_to("../new"),
    "character device": lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5)),
    "block device": lambda path: os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(259, 70000)),
    "pipe": os.mkfifo,
    "socket": _socket,
    "file": lambda path: path.write_bytes(b"old"),
    "full folder": _full,
    "immutable folder": _immutable,
    "mount of another file system": _mounted,
    "second name of a file outside": lambda path: os.link(path.parents[1] / "outside/victim", path),
}
DEEDS: dict[str, Callable[[bytes], Payload]] = {
    "file inside": lambda name: (Kind.BATCH, group(name, file(b"victim"))),
    "file deep inside": lambda name: (Kind.BATCH, group(name + b"/a/b", file(b"victim"))),
    "device inside": lambda name: (Kind.BATCH, group(name, file(b"null", kind=EntryKind.CHARACTER_DEVICE))),
    "large file inside": lambda name: chunk(name, b"victim"),
    "file in its place": lambda name: (Kind.BATCH, group(b"", file(name))),
    "metadata": lambda name: (Kind.BATCH, group(b"", file(name, 0, data=b""))),
    "large file in its place": lambda name: chunk(b"", name),
    "part of a large file": lambda name: chunk(b"", name, HAS_CONTENT),
    "folder in its place": lambda name: directory(b"", name),
    "folder inside": lambda name: directory(name, b"victim"),
    "link in its place": lambda name: (Kind.BATCH, group(b"", file(name, kind=EntryKind.SYMLINK, data=b"../outside"))),
    "removal": lambda name: change(Change.STAGE, name),
    "removal inside": lambda name: change(Change.STAGE, name + b"/victim"),
    "move": lambda name: change(Change.RENAME, name, b"moved"),
    "move out of it": lambda name: change(Change.RENAME, name + b"/victim", b"moved"),
    "move over it": lambda name: change(Change.RENAME, b"other", name),
    "second name": lambda name: change(Change.LINK, name, b"linked"),
    "second name inside": lambda name: change(Change.LINK, b"other", name + b"/linked"),
}
# Where a name of the target's is one of a file outside, writing in place is writing there: no source makes such a name.
IN_PLACE_DEEDS = {"metadata", "part of a large file"}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_nothing_in_the_way_leads_out_of_the_volume(hostile: Hostile, obstacle: str) -> None:  # noqa: F811
    """15 obstacles, 18 deeds each, and what is written in place of existing contents too."""
    deeds = dict(DEEDS)
    if obstacle == "second name of a file outside":
        deeds = {name: deed for name, deed in DEEDS.items() if name not in IN_PLACE_DEEDS}
    else:
        in_place = HAS_CONTENT | IN_PLACE
        deeds["contents in place"] = lambda name: (Kind.BATCH, group(b"", file(name, in_place)))
        deeds["large contents in place"] = lambda name: chunk(b"", name, in_place | FIRST | LAST)
    peer = Hostile(hostile.pair)
    for number, (deed, payload) in enumerate(deeds.items()):
        name = f"obstacle-{number}"
        place = hostile.target / name
        OBSTACLES[obstacle](place)
        (hostile.target / "other").write_bytes(b"other")
        try:
            peer.send(*payload(name.encode()))
            peer.send(Kind.END_ROUND, b"\0\0")
            answer = peer.answer()
        finally:
            _clear(obstacle, place)
        if answer != "applied":
            assert "SMS.TARGET.REFUSED" in answer, deed
            peer.close()
            peer = Hostile(hostile.pair)
    peer.close()
    for path in _files(hostile.target) if obstacle.startswith("second name") else ():
        # The fixture compares everything about the file outside, and how many names it has is our doing.
        if path.stat().st_nlink > 1:
            path.unlink()


def _clear(obstacle: str, place: Path) -> None:
    if obstacle.startswith("mount"):
        assert os.listdir(place) == []
        subprocess.run(["umount", str(place)], check=True)
    if obstacle.startswith("immutable"):
        for path in place.parent.glob("*"):
            if path.is_dir() and not path.is_symlink():
                set_flags(path, 0)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if path.is_file() and not path.is_symlink()]


class Swapper:
    """Swaps a folder and a link that leads out, back and forth, about ten times in the time that a frame takes."""

    EXCHANGE, PAUSE_S = 2, 0.000_02

    def __init__(self, target: Path) -> None:
        self.done = 0
        self.is_over = False
        self._folder, self._link = target / "race", target / "aside"
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.is_over = True
        self._thread.join()

    def _run(self) -> None:
        one, other = os.fsencode(self._folder), os.fsencode(self._link)
        while not self.is_over:
            if self._libc.renameat2(-100, one, -100, other, self.EXCHANGE) == 0 and self._is_link_left():
                self.done += 1
                time.sleep(self.PAUSE_S)
                continue
            with contextlib.suppress(OSError):
                self._make_again()

    def _is_link_left(self) -> bool:
        return self._link.is_symlink() or self._folder.is_symlink()

    def _make_again(self) -> None:
        """The receiver has put a folder in place of the link, or taken one of them away."""
        shutil.rmtree(self._link, ignore_errors=True)
        self._folder.mkdir(exist_ok=True)
        # Absolute: a relative one would end at the root of the volume's own mount.
        self._link.symlink_to(self._link.parents[1] / "outside")


def race(hostile: Hostile, *, swaps: int, rounds: int) -> None:  # noqa: F811
    """rounds: of 40 frames; a session ends with the first frame that is refused."""
    swapper = Swapper(hostile.target)
    swapper.start()
    done = 0
    while swapper.done < swaps or done < rounds:
        peer = Hostile(hostile.pair)
        with contextlib.suppress(OSError, EOFError):
            for _ in range(5):
                for deed in ("file inside", "file deep inside", "large file inside", "folder inside", "removal inside"):
                    peer.send(*DEEDS[deed](b"race"))
                peer.send(*change(Change.RENAME, b"race/victim", b"race/moved"))
                peer.send(*change(Change.LINK, b"race/moved", b"race/victim"))
                peer.send(*directory(b"", b"race"))
            peer.answer()
            done += 1
        peer.close()
        assert (hostile.target.parent / "outside/victim").read_bytes() == b"untouched"
        assert os.listdir(hostile.target.parent / "outside") == ["victim"]
    swapper.stop()
    print(swapper.done, "swaps,", done, "rounds of 40 frames")  # noqa: T201 - the figure is reported


def test_folder_that_is_swapped_for_a_link_while_it_is_written_to_leads_nowhere(hostile: Hostile) -> None:  # noqa: F811
    race(hostile, swaps=3_000, rounds=20)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_fuzz_folder_that_is_swapped_for_a_link_100000_times(hostile: Hostile) -> None:  # noqa: F811
    race(hostile, swaps=100_000, rounds=500)
