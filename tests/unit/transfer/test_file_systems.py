"""Between real file systems of different kinds, mounted from image files."""

import os
import subprocess
from pathlib import Path

import pytest
from transfer_kit import Pair, clear_flags, differences, make_odd_tree, snapshot

pytestmark = pytest.mark.root


@pytest.fixture
def mounted(tmp_path: Path):
    mounts: list[Path] = []

    def mount(name: str, *mkfs: str) -> Path:
        image, point = tmp_path / f"{name}.img", tmp_path / name
        with open(image, "wb") as file:
            file.truncate(400 << 20)
        subprocess.run([*mkfs, str(image)], check=True, capture_output=True)
        point.mkdir()
        subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=True)
        mounts.append(point)
        return point

    yield mount
    for point in reversed(mounts):
        clear_flags(point)
        subprocess.run(["umount", str(point)], check=True)


@pytest.mark.parametrize("kinds", [("ext4", "xfs"), ("xfs", "ext4")])
def test_oddities_cross_from_one_kind_to_another(mounted, tmp_path: Path, kinds: tuple[str, str]) -> None:
    commands = {"ext4": ("mkfs.ext4", "-q", "-b", "4096", "-I", "256"), "xfs": ("mkfs.xfs", "-q")}
    source, target = (mounted(f"{side}-{kind}", *commands[kind]) for side, kind in zip("st", kinds, strict=True))
    make_odd_tree(source, has_flags=True)
    pair = Pair(tmp_path, {0: (source, target, "/")})
    try:
        pair.source.copy()
        report = pair.source.verify()
    finally:
        pair.close()
    hidden = (b"lost+found",)
    assert differences(snapshot(source, leave_out=hidden), snapshot(target, leave_out=hidden)) == []
    assert report.is_equal, report
    assert not [name for name in os.listdir(target) if name.startswith(".sms")]


def test_what_lies_under_a_mount_point_is_copied_and_the_mount_is_not(mounted, tmp_path: Path) -> None:
    root, target = mounted("root", "mkfs.ext4", "-q"), tmp_path / "target"
    target.mkdir()
    (root / "data").mkdir(mode=0o750)
    (root / "data/hidden").write_bytes(b"under the mount")
    subprocess.run(["mount", "-t", "tmpfs", "none", str(root / "data")], check=True)
    try:
        (root / "data/on-top").write_bytes(b"other file system")
        pair = Pair(tmp_path, {0: (root, target, "/")})
        try:
            pair.source.copy()
        finally:
            pair.close()
        assert os.listdir(target / "data") == ["hidden"]
        assert (target / "data").stat().st_mode & 0o777 == 0o750
    finally:
        subprocess.run(["umount", str(root / "data")], check=True)


def test_full_target_fails_with_its_code_and_the_copy_can_go_on(mounted, tmp_path: Path) -> None:
    from contracts.errors.code import MigrationError

    source, target = tmp_path / "source", mounted("small", "mkfs.ext4", "-q")
    source.mkdir()
    filler = target / "filler"
    filler.write_bytes(bytes(300 << 20))
    for number in range(6):
        (source / f"f{number}").write_bytes(os.urandom(20 << 20))
    pair = Pair(tmp_path, {0: (source, target, "/")})
    try:
        with pytest.raises(MigrationError) as caught:
            pair.source.copy()
        assert caught.value.code == "SMS.TARGET.ENOSPC"
        assert caught.value.failure.is_resumable
        failure = pair.server.failure()
        assert failure is not None
        filler.unlink()
        pair.source.copy()
        assert pair.server.failure() is None
        assert pair.source.verify().is_equal
    finally:
        pair.close()
