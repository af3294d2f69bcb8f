from __future__ import annotations

import hashlib
import time
from pathlib import Path

from agents.source.load import LoadMeter

MIB = 1 << 20


def proc(folder: Path, *, busy: int, idle: int, agent: int, sectors: int, agent_bytes: int) -> None:
    (folder / "self").mkdir(exist_ok=True)
    (folder / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2 3 4\n")
    (folder / "self/stat").write_text(f"7 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 {agent} 0 0 0 20 0\n")
    (folder / "self/io").write_text(f"rchar: 1\nread_bytes: {agent_bytes}\nwrite_bytes: 0\n")
    (folder / "self/statm").write_text("100 25 5 1 0 1 0\n")
    (folder / "meminfo").write_text("MemTotal:  2048 kB\nMemFree:  500 kB\nMemAvailable:  1024 kB\n")
    disk = f"   8  0 sda 1 0 {sectors} 0 1 0 {sectors} 0 0 0 0\n"
    same_bytes_again = f"   8  1 sda1 1 0 {sectors} 0 1 0 {sectors} 0 0 0 0\n   7  0 loop0 1 0 999999 0 1 0 9 0 0 0 0\n"
    (folder / "diskstats").write_text(disk + same_bytes_again)


def test_rates_are_those_between_two_readings(tmp_path: Path) -> None:
    meter = LoadMeter(tmp_path)
    proc(tmp_path, busy=100, idle=900, agent=10, sectors=0, agent_bytes=0)
    assert meter.load(now_s=0) is None
    proc(tmp_path, busy=160, idle=1040, agent=30, sectors=2048, agent_bytes=MIB)
    assert meter.load(now_s=1) is None, "too soon"
    load = meter.load(now_s=4)
    assert load is not None
    assert (load.total_cpu_percent, load.agent_cpu_percent) == (30.0, 10.0)
    assert load.total_memory_bytes == 1024 * 1024
    # 1 MiB read and 1 MiB written in 4 s; the partition and the loop device say nothing new.
    assert (load.total_disk_bit_s, load.agent_disk_bit_s) == (4 * MIB, 2 * MIB)


def test_a_machine_without_these_files_has_no_load(tmp_path: Path) -> None:
    assert LoadMeter(tmp_path).load(now_s=0) is None
    proc(tmp_path, busy=1, idle=1, agent=1, sectors=1, agent_bytes=1)
    (tmp_path / "diskstats").write_text("no numbers here at all and nothing else that would be\n   8 0 sda x\n")
    assert LoadMeter(tmp_path).load(now_s=0) is None


def test_this_process_is_seen_at_work() -> None:
    meter = LoadMeter()
    meter.load(now_s=0)
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        hashlib.sha256(bytes(MIB)).digest()
    load = meter.load(now_s=2)
    assert load is not None
    assert load.agent_cpu_percent > 0
    assert load.agent_memory_bytes > MIB
