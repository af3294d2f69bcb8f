import os
import time
from pathlib import Path

import pytest
from transfer_kit import Pair

from agents.source.copy.verify import Sample

pytestmark = pytest.mark.root


@pytest.fixture
def pair(tmp_path: Path):
    source, target = tmp_path / "source", tmp_path / "target"
    target.mkdir()
    (source / "etc").mkdir(parents=True)
    for name in ("flipped", "large", "owner", "mode", "xattr", "mtime", "missing", "kind", "changed", "same"):
        (source / "etc" / name).write_bytes(os.urandom(3 << 20 if name == "large" else 3000))
    os.symlink("to", source / "etc/link")
    (source / "etc/hard").write_bytes(b"h")
    os.link(source / "etc/hard", source / "etc/hard2")
    pair = Pair(tmp_path, {0: (source, target, "/")})
    pair.source.copy()
    yield pair, source, target
    pair.close()


def flip_bit(path: Path, offset: int) -> None:
    state = path.stat()
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 4]))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_every_tampering_is_found_and_named(pair) -> None:
    pair, source, target = pair
    etc = target / "etc"
    flip_bit(etc / "flipped", 1234)
    flip_bit(etc / "large", 2_500_000)
    os.chown(etc / "owner", 5, 0)
    os.chmod(etc / "mode", 0o600)
    os.setxattr(etc / "xattr", "user.more", b"1")
    os.utime(etc / "mtime", ns=(1, 1))
    (etc / "missing").unlink()
    (etc / "kind").unlink()
    (etc / "kind").mkdir()
    (etc / "link").unlink()
    os.symlink("elsewhere", etc / "link")
    (etc / "hard2").unlink()
    (etc / "hard2").write_bytes(b"h")
    (etc / "extra").write_bytes(b"e")
    (source / "etc/changed").write_bytes(b"changed on the source since")
    flip_bit(etc / "changed", 5)
    os.utime(etc, ns=((source / "etc").stat().st_atime_ns, (source / "etc").stat().st_mtime_ns))
    report = pair.source.verify()
    found = {item.path: item.what for item in report.different_paths}
    assert found["/etc/flipped"] == ("contents",)
    assert found["/etc/large"] == ("contents",)
    assert found["/etc/owner"] == ("owner",)
    assert found["/etc/mode"] == ("mode",)
    assert found["/etc/xattr"] == ("xattrs",)
    assert found["/etc/mtime"] == ("mtime",)
    assert found["/etc/kind"] == ("kind",)
    assert "link_target" in found["/etc/link"]
    assert "hard_link" in found["/etc/hard"]
    assert "hard_link" in found["/etc/hard2"]
    assert "/etc/same" not in found
    assert report.missing_paths == ("/etc/missing",)
    assert report.extra_paths == ("/etc/extra",)
    assert "/etc/changed" in found, "a change on the source excuses no difference of the replica"
    assert report.changed_since_paths == ("/etc/changed",)
    assert (report.missing, report.extra, report.changed_since) == (1, 1, 1)
    counts = {item.path: item for item in report.directories}
    assert counts["/etc"].missing == 1
    assert counts["/etc"].different == len(found)
    assert not report.is_equal


def test_links_and_rights_planted_on_the_target_are_named(pair) -> None:
    """Each of them reads as what it stands for: whoever follows links finds no difference."""
    pair, source, target = pair
    etc, away = target / "etc", target.parent / "away"
    away.mkdir()
    (etc / "same").rename(away / "same")
    (etc / "same").symlink_to(away / "same")
    (etc / "planted").symlink_to("/etc/shadow")
    os.link(etc / "flipped", etc / "planted-too")
    for name in ("alike", "as well"):
        (source / "etc" / name).write_bytes(b"the same in two files")
        os.utime(source / "etc" / name, ns=(1, 1))
    pair.source.sync(1)
    (etc / "as well").unlink()
    os.link(etc / "alike", etc / "as well")
    os.chmod(etc / "mode", 0o4644)
    os.setxattr(etc / "xattr", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    report = pair.source.verify()
    found = {item.path: item.what for item in report.different_paths}
    assert found["/etc/same"] == ("kind",)
    assert found["/etc/mode"] == ("mode",)
    assert found["/etc/xattr"] == ("xattrs",)
    assert found["/etc/flipped"] == found["/etc/alike"] == found["/etc/as well"] == ("hard_link",)
    assert report.extra_paths == ("/etc/planted", "/etc/planted-too")

    (target / "etc").rename(away / "etc")
    (target / "etc").symlink_to(away / "etc")
    moved = pair.source.verify()
    assert {item.path: item.what for item in moved.different_paths}["/etc"] == ("kind",)
    assert moved.missing >= 15, "nothing that lies behind a link is the replica's"
    assert not moved.is_equal


def test_untouched_replica_is_equal(pair) -> None:
    pair, _, _ = pair
    report = pair.source.verify()
    assert report.is_equal
    assert report.files == 15


def test_excluded_and_own_paths_and_swap_files_stay_away_and_are_listed(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    target.mkdir()
    for name in (
        "var/cache/a",
        "var/lib/agent/secret",
        "opt/sms-agent",
        "proc/x",
        "home/kept",
        "swap.img",
        "lost+found",
    ):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name == "lost+found" else path.write_bytes(b"x")
    (target / "lost+found").mkdir()
    excludes, own = ("/var/cache", "/proc/*", "/elsewhere/home"), ("/opt/sms-agent", "/var/lib/agent")
    pair = Pair(tmp_path, {0: (source, target, "/")}, excludes=excludes, own_paths=own, swap_files=("/swap.img",))
    try:
        summary = pair.source.copy()
        reasons = {item.path: item.reason for item in summary.skipped_paths}
        assert reasons == {
            "/var/cache": "excluded",
            "/proc/x": "excluded",
            "/swap.img": "swap",
            "/opt/sms-agent": "own",
            "/var/lib/agent": "own",
        }
        present = sorted(str(path.relative_to(target)) for path in target.rglob("*"))
        assert present == ["home", "home/kept", "lost+found", "opt", "proc", "var", "var/lib"]
        assert pair.source.verify().is_equal
    finally:
        pair.close()


def test_changing_and_vanishing_files_end_equal_after_a_quiet_round(tmp_path: Path) -> None:
    import threading

    from transfer_kit import differences, snapshot

    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    for number in range(2000):
        (source / f"f{number}").write_bytes(os.urandom(2000))
    (source / "log").write_bytes(os.urandom(4 << 20))
    pair = Pair(tmp_path, {0: (source, target, "/")}, rate_limit_bit_s=8 * (8 << 20))
    stop = threading.Event()

    def churn() -> None:
        number = 0
        while not stop.is_set():
            with open(source / "log", "ab") as file:
                file.write(b"line\n" * 100)
            (source / f"f{number % 2000}").unlink(missing_ok=True)
            (source / f"new{number}").write_bytes(b"n" * number)
            number += 1
            time.sleep(0.002)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        pair.source.copy()
        pair.source.sync(1)
    finally:
        stop.set()
        thread.join()
    try:
        pair.source.sync(2)
        assert differences(snapshot(source), snapshot(target)) == []
        assert pair.source.verify().is_equal
    finally:
        pair.close()


def test_stop_ends_a_running_copy_with_its_code(tmp_path: Path) -> None:
    import threading

    from contracts.errors.code import MigrationError

    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "big").write_bytes(os.urandom(20 << 20))
    pair = Pair(tmp_path, {0: (source, target, "/")}, rate_limit_bit_s=8 << 20)
    try:
        timer = threading.Timer(0.7, pair.source.request_stop)
        timer.start()
        began = time.monotonic()
        with pytest.raises(MigrationError) as caught:
            pair.source.copy()
        assert caught.value.code == "SMS.TRANSFER.STOPPED"
        assert time.monotonic() - began < 5
        pair.source_options["rate_limit_bit_s"] = None
        summary = pair.new_source().copy()
        assert summary.files_sent == 1
        assert (target / "big").read_bytes() == (source / "big").read_bytes()
    finally:
        pair.close()


def test_a_quick_verification_compares_everything_but_the_contents_outside_of_its_sample(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    for number in range(1000):
        (source / f"f{number}").write_bytes(b"contents %d" % number)
    pair = Pair(tmp_path, {0: (source, target, "/data")})
    try:
        pair.source.copy()
        for number in range(1000):
            flip_bit(target / f"f{number}", 3)
        os.chown(target / "f7", 5, 5)
        sample = Sample(percent=10, seed=77)
        first, again = pair.source.verify(sample), pair.source.verify(sample)
        other = pair.source.verify(Sample(percent=10, seed=78))
    finally:
        pair.close()
    by_contents = {each.path for each in first.different_paths if "contents" in each.what}
    assert 60 < len(by_contents) < 140
    assert first.contents_read == len(by_contents)
    assert first.files == 1001
    assert "owner" in {each.path: each.what for each in first.different_paths}["/data/f7"]
    assert again.different_paths == first.different_paths, "a seed takes the same files"
    assert {each.path for each in other.different_paths} != {each.path for each in first.different_paths}


def test_a_report_names_what_was_left_out(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "var").mkdir(parents=True)
    (source / "etc").mkdir()
    target.mkdir()
    left_out = {"excludes": ("/var/cache",), "own_paths": ("/opt/agent",), "swap_files": ("/swap.img",)}
    pair = Pair(tmp_path, {0: (source, target, "/")}, **left_out)
    try:
        pair.source.copy()
        report = pair.source.verify()
        pair.source_options["only_paths"] = ("/etc",)
        part = pair.new_source().verify()
    finally:
        pair.close()
    assert [(each.path, each.reason) for each in report.exclusions] == [
        ("/var/cache", "excluded"),
        ("/opt/agent", "own"),
        ("/swap.img", "swap"),
    ]
    assert {each.path for each in report.directories} >= {"/"}
    assert part.exclusions[-1].detail == "all but /etc"
