"""kill -9 of the host agent before and after every program that it runs for a point: nothing is ever lost.

A wrapper in the place of qemu-img kills its parent at the wanted call, before or after the real one ran.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agents.host.folders import TargetFolder
from agents.host.layers import create_launch_layer, layer_disks
from agents.host.points import collapse, take_point
from agents.host.replica import create_disks, load_replica, top_layers
from contracts.messages.target_provisioner import DiskRequest

REPOSITORY = Path(__file__).parent.parent.parent.parent
BLOCK = 65536
QEMU_IMG_CALLS_OF_A_MERGE = 5

WRAPPER = """#!/bin/sh
count=$(($(cat "$0.count") + 1)); echo $count > "$0.count"
[ "$count" = "$KILL_AT" ] && [ "$KILL_WHEN" = before ] && {{ kill -9 $PPID; exit 1; }}
{real} "$@" || exit $?
[ "$count" = "$KILL_AT" ] && [ "$KILL_WHEN" = after ] && kill -9 $PPID
exit 0
"""


def write(path: str, image_format: str, byte: int, *, block: int) -> None:
    argv = ["qemu-io", "-f", image_format, "-c", f"write -P {byte} {block * BLOCK} {BLOCK}", path]
    subprocess.run(argv, check=True, capture_output=True)


def blocks(path: str, image_format: str, scratch: Path) -> list[int]:
    argv = ["qemu-img", "convert", "-f", image_format, "-O", "raw", path, str(scratch)]
    subprocess.run(argv, check=True, capture_output=True)
    return list(scratch.read_bytes()[::BLOCK])


def full_chain(data: Path) -> TargetFolder:
    """Eight layers, each with a block of its own, and a launch layer over the second."""
    folder = TargetFolder.of(data, "t1")
    create_disks(folder, (DiskRequest(name="vda", size_bytes=16 * BLOCK),))
    for number in range(8):
        top = top_layers(folder, load_replica(folder))[0]
        write(top.path, top.format, number + 1, block=number)
        if number < 7:
            take_point(folder, f"p{number}")
    layer = create_launch_layer(folder, layer_id="l1", point_id="p1")
    write(layer_disks(folder, layer)[0].path, "qcow2", 99, block=15)
    return folder


def take_point_and_be_killed(data: Path, tools: Path, *, at: int, when: str) -> int:
    program = (
        "from pathlib import Path; from agents.host.folders import TargetFolder; "
        f"from agents.host.points import take_point; take_point(TargetFolder.of(Path({str(data)!r}), 't1'), 'p7')"
    )
    real = shutil.which("qemu-img")
    wrapper = tools / "qemu-img"
    wrapper.write_text(WRAPPER.format(real=real))
    wrapper.chmod(0o755)
    (tools / "qemu-img.count").write_text("0")
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "KILL_AT": str(at), "KILL_WHEN": when}
    return subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, env=environment).returncode


@pytest.mark.parametrize("at", range(1, QEMU_IMG_CALLS_OF_A_MERGE + 2))
def test_a_kill_at_any_call_while_a_full_chain_is_merged_loses_nothing(tmp_path: Path, at: int) -> None:
    for when in ("before", "after"):
        data, tools = tmp_path / when, tmp_path / f"tools-{when}"
        tools.mkdir()
        folder = full_chain(data)
        outcome = take_point_and_be_killed(data, tools, at=at, when=when)
        assert outcome == (0 if at > QEMU_IMG_CALLS_OF_A_MERGE else -signal.SIGKILL)
        replica, _ = take_point(folder, "p7")
        assert replica.layer_count == 8
        assert [point.id for point in replica.points] == ["p1", "p2", "p3", "p4", "p5", "p6", "p7"]
        top = top_layers(folder, replica)[0]
        assert blocks(top.path, top.format, tmp_path / "scratch") == [1, 2, 3, 4, 5, 6, 7, 8] + [0] * 8
        layer = layer_disks(folder, create_launch_layer(folder, layer_id="l1", point_id="p1"))[0]
        assert blocks(layer.path, "qcow2", tmp_path / "scratch") == [1, 2] + [0] * 13 + [99]
        again = layer_disks(folder, create_launch_layer(folder, layer_id="l2", point_id="p3"))[0]
        assert blocks(again.path, "qcow2", tmp_path / "scratch") == [1, 2, 3, 4] + [0] * 12
        shutil.rmtree(folder.path / "layers")
        raw = top_layers(folder, collapse(folder))[0]
        assert blocks(raw.path, "raw", tmp_path / "scratch") == [1, 2, 3, 4, 5, 6, 7, 8] + [0] * 8
        assert [path.name for path in folder.replica.iterdir()] == ["vda.raw"]
