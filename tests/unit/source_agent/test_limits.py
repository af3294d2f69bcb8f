"""Limits of CPU, memory and disks: by control groups of this machine where it has them, and by a likeness of others."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import threading
import time
from pathlib import Path

import pytest

from agents.source.control_group import LEAST_MEMORY_BYTES, Machine, limited
from agents.source.courtesy import place_of_task
from contracts.agent_limits import AgentLimits
from contracts.task_settings import ConfigurationKey, ConfigurationSetting
from services.task.domain.configuration import agent_limits_of, configured

MIB = 1 << 20


def kept_here(limits: AgentLimits) -> tuple[str, ...]:
    with limited(limits, Machine.this()) as kept:
        return kept


def busy_share(seconds: float) -> float:
    """Of one processor, what this thread gets when it wants all."""
    began, cpu = time.monotonic(), time.thread_time()
    while time.monotonic() - began < seconds:
        pass
    return (time.thread_time() - cpu) / (time.monotonic() - began)


@pytest.mark.root
def test_a_limit_of_the_processors_holds_until_the_work_ends() -> None:
    processors = os.cpu_count() or 1
    percent = max(1, 10 // processors)
    if kept_here(AgentLimits(cpu_percent=percent)) != ("cpu",):
        pytest.skip("no control group for processors here")
    allowed = processors * percent / 100
    with limited(AgentLimits(cpu_percent=percent), Machine.this()):
        assert busy_share(1.5) < allowed * 1.25
    groups = Path("/proc/self/cgroup").read_text()
    assert f"sms-agent-{os.getpid()}" not in groups
    # Others may want the processors too, but not always all of them.
    assert max(busy_share(0.3) for _ in range(10)) > allowed * 1.25


@pytest.mark.root
def test_a_limit_of_the_disks_slows_down_reading(tmp_path: Path) -> None:
    path, size, rate = tmp_path / "file", 24 * MIB, 8 * MIB
    path.write_bytes(os.urandom(size))
    os.sync()
    if kept_here(AgentLimits(io_bytes_s=rate)) != ("io",):
        pytest.skip("no control group for disks here")

    def read_s() -> float:
        # Not through the cache, where nothing is read from the disk.
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
        began = time.monotonic()
        with mmap.mmap(-1, MIB) as buffer:
            while os.readv(descriptor, [buffer]):
                pass
        os.close(descriptor)
        return time.monotonic() - began

    with limited(AgentLimits(io_bytes_s=rate), Machine.this()):
        slow_s = read_s()
    assert size / slow_s < rate * 1.3
    assert read_s() < slow_s / 1.3


@pytest.mark.root
def test_a_limit_of_memory_is_written_and_taken_back() -> None:
    limits = AgentLimits(memory_bytes=512 * MIB)
    if kept_here(limits) != ("memory",):
        pytest.skip("no control group for memory here")
    with limited(limits, Machine.this()):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        assert any(line.endswith(f"sms-agent-{os.getpid()}") for line in lines)
    assert f"sms-agent-{os.getpid()}" not in Path("/proc/self/cgroup").read_text()


def likeness(tmp_path: Path, group: str) -> Machine:
    """A machine with version 2 alone, whose agent is in a group, and with a disk and a device over it."""
    proc, sys, groups = tmp_path / "proc", tmp_path / "sys", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    (proc / "self/cgroup").write_text(f"0::{group}\n")
    (proc / "self/mounts").write_text(f"cgroup2 {groups} cgroup2 rw,nosuid 0 0\nproc /proc proc rw 0 0\n")
    for name, number in (("vda", "253:0"), ("dm-0", "254:0")):
        (sys / "block" / name).mkdir(parents=True)
        (sys / "block" / name / "dev").write_text(f"{number}\n")
    (sys / "block/vda/device").mkdir()
    own = groups / group.lstrip("/")
    own.mkdir(parents=True)
    for name in ("cpu.max", "memory.high", "io.max", "cgroup.type"):
        (own / name).touch()
    return Machine(proc=proc, sys=sys, processors=4)


def test_a_service_of_systemd_is_limited_in_its_own_group_and_freed_afterwards(tmp_path: Path) -> None:
    machine = likeness(tmp_path, "/system.slice/sms-agent.service")
    own = tmp_path / "groups/system.slice/sms-agent.service"
    limits = AgentLimits(cpu_percent=50, memory_bytes=1, io_bytes_s=10_000_000)
    with limited(limits, machine) as kept:
        assert kept == ("cpu", "memory", "io")
        assert (own / "cpu.max").read_text() == "200000 100000"
        # With less than this the agent could not work at all.
        assert (own / "memory.high").read_text() == str(LEAST_MEMORY_BYTES)
        assert (own / "io.max").read_text() == "253:0 rbps=10000000 wbps=10000000"
    assert (own / "cpu.max").read_text() == "max 100000"
    assert (own / "memory.high").read_text() == "max"
    assert (own / "io.max").read_text() == "253:0 rbps=max wbps=max"


def test_a_group_that_is_others_too_is_not_limited_and_the_agent_takes_the_last_place(tmp_path: Path) -> None:
    machine = likeness(tmp_path, "/user.slice/session-1.scope")
    places: list[tuple[int, int]] = []

    def look() -> None:
        thread = threading.get_native_id()
        places.append((os.sched_getscheduler(thread), os.getpriority(os.PRIO_PROCESS, thread)))

    def work() -> None:
        look()
        for priority, limits in ((1, AgentLimits(cpu_percent=10)), *((number, AgentLimits()) for number in range(3))):
            with place_of_task(priority, limits, machine):
                look()
        look()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    before, limited_place, *of_priorities, after = places
    assert after == before
    assert limited_place == (os.SCHED_IDLE, 19)
    assert of_priorities == [(os.SCHED_IDLE, 19), (os.SCHED_BATCH, 19), (os.SCHED_OTHER, 5)]
    assert (tmp_path / "groups/user.slice/session-1.scope/cpu.max").read_text() == ""


@pytest.mark.root
@pytest.mark.skipif(
    tuple(int(part) for part in os.uname().release.split(".")[:2]) < (6, 12), reason="no slices of a thread's own"
)
def test_what_wakes_up_does_not_wait_long_for_the_agent(tmp_path: Path) -> None:
    machine = likeness(tmp_path, "/user.slice/session-1.scope")
    slices = [_slice_ns()]

    def inner() -> None:
        slices.append(_slice_ns())

    def work() -> None:
        with place_of_task(1, AgentLimits(), machine):
            reader = threading.Thread(target=inner)
            reader.start()
            reader.join()
        slices.append(_slice_ns())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    usual, of_a_reader, afterwards = slices
    assert of_a_reader == 100_000 < usual == afterwards


def _slice_ns() -> int:
    """Of this thread, by sched_getattr."""
    number = {"x86_64": 315, "aarch64": 275}[os.uname().machine]
    attributes = ctypes.create_string_buffer(48)
    assert ctypes.CDLL(None).syscall(number, threading.get_native_id(), attributes, len(attributes), 0) == 0
    return struct.unpack_from("=Q", attributes, 24)[0]


def test_the_settings_of_a_task_are_the_limits_of_its_agent() -> None:
    wanted = {
        ConfigurationKey.LINUX_CPU_LIMIT: "50",
        ConfigurationKey.LINUX_MEM_LIMIT: "512",
        ConfigurationKey.LINUX_IO_LIMIT: "20",
    }
    settings = configured((), [ConfigurationSetting(key=key, value=value) for key, value in wanted.items()])
    assert {setting.status for setting in settings} == {"ACTIVE"}
    assert agent_limits_of(settings) == AgentLimits(cpu_percent=50, memory_bytes=512 * MIB, io_bytes_s=20_000_000)
    assert agent_limits_of(()) == AgentLimits()
