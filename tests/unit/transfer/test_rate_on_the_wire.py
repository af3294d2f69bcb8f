"""The limit of the sending rate against the counters of a network interface, packets as on a real cable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from transfer_kit import Authority

from agents.source.copy.rate_limit import estimated_wire_bytes

RUN_END = Path(__file__).with_name("run_end.py")
MBIT = 1_000_000
ADDRESSES = ("198.18.77.1", "198.18.77.2")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def cable() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a pair of interfaces between them; no packet is larger than Ethernet carries."""
    names = (f"sms-a{os.getpid()}", f"sms-b{os.getpid()}")
    with ExitStack() as stack:
        for name in names:
            run("ip", "netns", "add", name)
            stack.callback(run, "ip", "netns", "del", name)
        run("ip", "-n", names[0], "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", names[1])
        for name, address in zip(names, ADDRESSES, strict=True):
            run("ip", "-n", name, "address", "add", f"{address}/30", "dev", "wire")
            # Without this the kernel hands over 64 KiB under one header, which no cable does.
            run("ip", "-n", name, "link", "set", "wire", "gso_max_segs", "1", "up")
        yield names


def sent_bytes(namespace: str) -> int:
    found = json.loads(run("ip", "-n", namespace, "-s", "-j", "link", "show", "dev", "wire"))
    return int(found[0]["stats64"]["tx"]["bytes"])


def rate_mbit_s(namespace: str, seconds: float) -> float:
    before, began = sent_bytes(namespace), time.monotonic()
    time.sleep(seconds)
    return (sent_bytes(namespace) - before) * 8 / MBIT / (time.monotonic() - began)


@pytest.mark.root
@pytest.mark.parametrize(("limit_mbit_s", "content"), [(80, "large"), pytest.param(8, "small", marks=pytest.mark.long)])
def test_what_is_on_the_wire_is_the_limit_within_three_percent(tmp_path: Path, limit_mbit_s: int, content: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    # Random, so that nothing shrinks on its way. A frame of 1 MiB more or less is 1.4 % of what is measured.
    size, count = (4 << 20, 32) if content == "large" else (2000, 10_000)
    for number in range(count):
        (source / f"file{number}").write_bytes(os.urandom(size))
    authority = Authority()
    settings = {
        "address": ADDRESSES[1],
        "port": 47_321,
        "state": str(tmp_path / "state"),
        "source": str(source),
        "target": str(target),
        "source_tls": authority.leaf("source"),
        "target_tls": authority.leaf("target"),
        "rate_limit_bit_s": limit_mbit_s * MBIT,
    }
    written = tmp_path / "settings.json"
    written.write_text(json.dumps(settings))

    def start(namespace: str, role: str) -> subprocess.Popen[str]:
        command = ["ip", "netns", "exec", namespace, sys.executable, str(RUN_END), role, str(written)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    with cable() as (here, there), start(there, "target") as serving:
        assert serving.stdout
        assert serving.stdout.readline() == "ready\n"
        with start(here, "source") as sending:
            try:
                assert sending.stdout
                assert sending.stdout.readline()
                # The connection's first packets, and the bucket's first filling, are over.
                time.sleep(1)
                measured = rate_mbit_s(here, 8)
                assert sending.poll() is None, "the copy ended before it was measured"
            finally:
                sending.kill()
                serving.kill()
    assert limit_mbit_s * 0.97 < measured < limit_mbit_s * 1.03


def test_the_estimate_knows_the_share_of_headers() -> None:
    assert 1.045 < estimated_wire_bytes(1 << 20) / (1 << 20) < 1.05
    # Loopback carries 64 KiB in a packet.
    assert estimated_wire_bytes(1 << 20, 65_483) / (1 << 20) < 1.003
    assert estimated_wire_bytes(0) == 0
    assert estimated_wire_bytes(1) == 1 + 22 + 66
