"""What is known of a directory's entries by one scan: the same with and without the compiled part."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from transfer_kit import random_tree

from agents.source.scan.directory_scan import CompiledScanner, InterpretedScanner, Look, Scan, Scanner, new_scanner
from agents.source.tracking.handles import generation
from agents.transfer.paths import open_directory, open_root

SCANNERS: tuple[Callable[[], Scanner], ...] = (new_scanner, InterpretedScanner)


def scan(folder: Path, kind: Callable[[], Scanner] = new_scanner) -> Scan:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return kind().scan(descriptor)
    finally:
        os.close(descriptor)


def test_compiled_part_was_installed_and_is_used() -> None:
    assert isinstance(new_scanner(), CompiledScanner)


def test_both_scanners_say_the_same_as_lstat(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    seed = pytestconfig.getoption("--seed")
    print("seed", seed)  # noqa: T201 - replays a failure
    random_tree(tmp_path, random.Random(seed), 80)
    os.utime(tmp_path, ns=(-5, -5_000_000_001))
    for name in (b"\xff not text", b"new\nline", b"n" * 255, b"...", b".hidden"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    os.utime(tmp_path / ".hidden", ns=(-1, -7_000_000_001))
    os.mkfifo(tmp_path / "fifo")
    os.symlink("nowhere", tmp_path / "link")
    for folder in (tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir() and not path.is_symlink())):
        compiled, interpreted = (scan(folder, kind) for kind in SCANNERS)
        assert compiled == interpreted
        found = {name: (identity, is_regular) for name, identity, is_regular in compiled.entries()}
        assert sorted(found) == sorted(os.listdir(os.fsencode(folder)))
        for name, (identity, is_regular) in found.items():
            path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
            state = path.lstat()
            is_folder = path.is_dir() and not path.is_symlink()
            wanted = (0, 0, 0) if is_folder else (state.st_size, state.st_mtime_ns, state.st_ctime_ns)
            assert identity == (state.st_ino, *wanted)
            assert is_regular == (path.is_file() and not path.is_symlink())
        regular = [path for path in folder.iterdir() if path.is_file() and not path.is_symlink()]
        assert compiled.regular_bytes == sum(path.stat().st_size for path in regular)
        assert compiled.count == len(found) == compiled.files + compiled.directories


def test_directory_of_more_entries_than_one_call_takes(tmp_path: Path) -> None:
    for number in range(7000):
        (tmp_path / f"{number:060}").touch()
    (tmp_path / "inner").mkdir()
    compiled, interpreted = (scan(tmp_path, kind) for kind in SCANNERS)
    assert compiled == interpreted
    assert (compiled.count, compiled.directories) == (7001, 1)


@pytest.mark.parametrize("kind", SCANNERS)
def test_scan_begins_at_the_beginning_each_time(tmp_path: Path, kind: Callable[[], Scanner]) -> None:
    (tmp_path / "file").touch()
    scanner = kind()
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        assert scanner.scan(descriptor) == scanner.scan(descriptor)
        assert scanner.scan(descriptor).count == 1
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("kind", SCANNERS)
def test_what_is_no_directory_is_an_error(tmp_path: Path, kind: Callable[[], Scanner]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        scan(tmp_path / "file", kind)


def test_digest_shows_each_change_but_those_below(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one")
    (tmp_path / "inner").mkdir()
    before = scan(tmp_path).digest()
    assert scan(tmp_path).digest() == before
    (tmp_path / "inner/new").touch()
    assert scan(tmp_path).digest() == before
    seen = {before}
    times = (tmp_path / "file").stat()
    for change in (
        lambda: (tmp_path / "file").write_bytes(b"two"),
        # The same size and mtime again: the ctime tells.
        lambda: os.utime(tmp_path / "file", ns=(times.st_atime_ns, times.st_mtime_ns)),
        lambda: (tmp_path / "file").chmod(0o600),
        lambda: (tmp_path / "file").rename(tmp_path / "other"),
        lambda: (tmp_path / "inner").rename(tmp_path / "moved"),
        (tmp_path / "new").touch,
    ):
        time.sleep(0.02)
        change()
        digest = scan(tmp_path).digest()
        assert digest not in seen
        seen.add(digest)


OPENAT2 = 437


def looked_at(root: Path, paths: list[bytes], digests: list[bytes | None] | None = None) -> list[Look | None]:
    descriptor = open_root(root)
    try:
        return new_scanner().look(descriptor, paths, digests or [None] * len(paths))
    finally:
        os.close(descriptor)


def one_by_one(root: Path, path: bytes) -> Look:
    top = open_root(root)
    descriptor = open_directory(top, path)
    try:
        found, state = InterpretedScanner().scan(descriptor), os.fstat(descriptor)
        identity = (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        counts = (found.files, found.directories, found.regular_bytes)
        return Look(identity, generation(descriptor), *counts, found)
    finally:
        os.close(descriptor)
        os.close(top)


def folders_below(root: Path) -> list[bytes]:
    found = (path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())
    return [b"", *(os.fsencode(path.relative_to(root)) for path in found)]


def check_looks(root: Path) -> None:
    """Also called by the test of an older kernel, in a process of its own."""
    paths = folders_below(root)
    assert looked_at(root, paths) == [one_by_one(root, path) for path in paths]
    assert looked_at(root, [b"link", b"link/inner", b"file", b"gone"]) == [None] * 4


def make_folders(root: Path, seed: int) -> None:
    random_tree(root, random.Random(seed), 80)
    (root / "real/inner").mkdir(parents=True)
    (root / "link").symlink_to("real")
    (root / "file").touch()


def test_many_directories_are_looked_at_as_each_one(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    seed = pytestconfig.getoption("--seed")
    print("seed", seed)  # noqa: T201 - replays a failure
    make_folders(tmp_path, seed)
    check_looks(tmp_path)


def test_a_kernel_without_openat2_shows_the_same(tmp_path: Path) -> None:
    make_folders(tmp_path, 1)
    code = (
        f"import sys; from pathlib import Path; import test_directory_scan as t; t.check_looks(Path({str(tmp_path)!r}))"
    )
    folders = os.pathsep.join([str(Path(__file__).parent), os.getcwd()])
    command = [sys.executable, "-m", "tests.userland.old_kernel", f"without:{OPENAT2}", sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": folders}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_listing_that_is_known_is_not_given_again(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"contents")
    digest = one_by_one(tmp_path, b"one").scan.digest()  # type: ignore[union-attr]
    one, other = looked_at(tmp_path, [b"one", b"other"], [digest, digest])
    assert one
    assert other
    assert (one.scan, one.files, one.regular_bytes) == (None, 1, 8)
    assert other.scan
    assert other.scan.digest() != digest


def test_directories_for_which_there_is_no_room_are_left_to_their_turn(tmp_path: Path) -> None:
    names = [b"a", b"b", b"c", b"small"]
    for name in names[:3]:
        folder = tmp_path / os.fsdecode(name)
        folder.mkdir()
        for number in range(7000):
            (folder / str(number)).touch()
    (tmp_path / "small").mkdir()
    found = looked_at(tmp_path, names)
    assert [look and look.files for look in found] == [7000, None, None, 0]
    assert looked_at(tmp_path, names[1:2]) == [one_by_one(tmp_path, b"b")]
