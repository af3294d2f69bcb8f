"""Limits of the sending rate by the time of the day, on real transfers; and what a round leaves as it is."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from transfer_kit import Pair

from agents.source.copy.rate_limit import TokenBucket
from agents.source.copy.wire_meter import WireMeter
from agents.source.transfer_work import TransferWork
from agents.task_folder import TaskFolder
from contracts.messages.agent import AgentProgress, ChannelEnd, CopyVolumes
from contracts.speed_limit import SpeedLimit, SpeedLimits, SpeedPeriod

MIB = 1 << 20
MBIT = 1_000_000
SLOW = SpeedPeriod(start="08:00", end="18:00", rate_mbit_s=16)


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    return source, target


@pytest.fixture
def large(roots: tuple[Path, Path]) -> tuple[Path, Path]:
    """48 MiB that do not compress: 25 s at 16 Mbit/s."""
    for number in range(12):
        (roots[0] / f"f{number}").write_bytes(os.urandom(4 * MIB))
    return roots


class Clock:
    """A clock of the day that a test sets."""

    def __init__(self, time_of_day: str) -> None:
        self.minute = 0
        self.set(time_of_day)

    def set(self, time_of_day: str) -> None:
        hours, minutes = time_of_day.split(":")
        self.minute = int(hours) * 60 + int(minutes)

    def __call__(self) -> int:
        return self.minute


class Copying:
    """A copy in a thread, and what it has sent."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        began = time.monotonic()
        self.pair.source.copy()
        self.seconds = time.monotonic() - began

    @property
    def sent(self) -> int:
        return self.pair.progress[-1].bytes_sent if self.pair.progress else 0

    def rate_mbit_s(self, *, over_s: float) -> float:
        before, began = self.sent, time.monotonic()
        time.sleep(over_s)
        return (self.sent - before) * 8 / MBIT / (time.monotonic() - began)

    def end(self, *, within_s: float) -> None:
        self._thread.join(within_s)
        assert not self._thread.is_alive(), f"the copy has not ended within {within_s} s"


@pytest.mark.root
def test_a_copy_keeps_the_limit_of_the_hour_and_goes_on_without_one_when_the_hour_is_over(
    large: tuple[Path, Path], tmp_path: Path
) -> None:
    clock = Clock("17:59")
    pair = Pair(tmp_path, {0: (*large, "/")}, speed_limits=SpeedLimits(periods=(SLOW,)), minute_of_day=clock)
    try:
        copying = Copying(pair)
        time.sleep(1)
        slow = copying.rate_mbit_s(over_s=2.5)
        assert 16 * 0.5 < slow < 16 * 1.3
        clock.set("18:00")
        # Under the limit the rest would take 20 s.
        copying.end(within_s=5)
    finally:
        pair.close()


@pytest.mark.root
def test_a_limit_that_is_set_while_a_copy_runs_acts_within_a_second(large: tuple[Path, Path], tmp_path: Path) -> None:
    clock = Clock("12:00")
    pair = Pair(tmp_path, {0: (*large, "/")}, speed_limits=SpeedLimits(periods=(SLOW,)), minute_of_day=clock)
    try:
        copying = Copying(pair)
        time.sleep(1)
        pair.source.use_speed_limits(SpeedLimits(otherwise=SpeedLimit(rate_bit_s=MBIT)))
        time.sleep(1)
        assert copying.rate_mbit_s(over_s=1.5) < 16 / 2
        pair.source.use_speed_limits(SpeedLimits())
        copying.end(within_s=5)
    finally:
        pair.close()


@pytest.mark.root
async def test_limits_reach_the_work_of_an_agent_and_outlive_its_restart(
    large: tuple[Path, Path], tmp_path: Path
) -> None:
    """The work as the agent runs it: limits of its command, then others from the bus, then its memory on disk."""
    pair = Pair(tmp_path, {0: (*large, "/")})
    folder = TaskFolder(tmp_path / "agent", "task")
    leaf = pair.authority.leaf("source")
    (folder.path / "channel.key").write_text(leaf["key"])
    command = CopyVolumes(
        task_id="task-1",
        epoch=1,
        volumes=tuple(pair.volumes),
        endpoints=(pair.endpoint,),
        channel=ChannelEnd(certificate_pem=leaf["certificate"], authority_pem=leaf["authority"]),
        generation="g",
        rate_limit_bit_s=4 * MBIT,
    )
    reports: list[AgentProgress] = []
    work = TransferWork(command, folder=folder, roots={"/": large[0]}, own_paths=(), on_progress=reports.append)
    try:
        running = asyncio.create_task(work.run())
        await asyncio.sleep(1.5)
        assert reports[-1].progress.bytes_sent < 8 * MIB
        assert reports[-1].minute_of_day is not None
        work.use_speed_limits(SpeedLimits(periods=(SpeedPeriod(start="00:00", end="24:00", rate_mbit_s=0),)))
        result = await asyncio.wait_for(running, 8)
        assert result.failure is None
    finally:
        pair.close()
    remembered = folder.remembered()
    assert remembered is not None
    kept = CopyVolumes.model_validate_json(remembered[1])
    assert kept.rate_limit_bit_s is None
    assert [(period.start, period.end) for period in kept.speed_limits] == [("00:00", "24:00")]


def test_a_sender_that_waits_is_let_go_when_the_limit_is_lifted() -> None:
    bucket = TokenBucket(SpeedLimits(otherwise=SpeedLimit(rate_bit_s=8_000)))
    bucket.take(100_000, lambda: None)  # overdrawn by a record of TLS, which takes 16 s
    began = time.monotonic()
    timer = threading.Timer(0.3, bucket.set_limits, [SpeedLimits()])
    timer.start()
    bucket.take(100_000, lambda: None)
    assert time.monotonic() - began < 8


def test_a_large_frame_goes_in_parts_of_a_twentieth_of_a_second() -> None:
    bucket = TokenBucket(SpeedLimits(otherwise=SpeedLimit(rate_bit_s=8 * MBIT)))
    began, left, most = time.monotonic(), MIB, 0
    while left:
        allowed = bucket.take(left, lambda: None)
        most, left = max(most, allowed), left - allowed
    # The last part is not waited for.
    assert 0.9 < time.monotonic() - began < 2.5
    assert most == 48 << 10  # whole records of TLS


def test_without_a_limit_a_frame_goes_at_once() -> None:
    assert TokenBucket().take(4 * MIB, lambda: None) == 4 * MIB


@pytest.fixture
def readings() -> Iterator[tuple[float, int]]:
    """30 s at 16 Mbit/s, twice a second."""
    return ((second / 2, second * MIB) for second in range(60))


def test_the_meter_says_nothing_before_five_seconds_and_never_more_than_was_sent(
    readings: Iterator[tuple[float, int]],
) -> None:
    meter, limit = WireMeter(), SpeedLimit(rate_bit_s=16 * MBIT)
    found = [(now, meter.rate_bit_s(sent, limit, now_s=now)) for now, sent in readings]
    assert {rate for now, rate in found if now < 5} == {None}
    measured = [rate for now, rate in found if now >= 5 and rate is not None]
    assert len(measured) == 50
    # What 0.3 s carry may overdraw the limit, and is taken off.
    assert all(15.7 * MBIT < rate < 16.4 * MBIT for rate in measured)


def test_a_new_limit_or_a_new_channel_starts_the_measurement_anew(readings: Iterator[tuple[float, int]]) -> None:
    meter, limit = WireMeter(), SpeedLimit(rate_bit_s=16 * MBIT)
    for now, sent in readings:
        meter.rate_bit_s(sent, limit, now_s=now)
    assert meter.rate_bit_s(60 * MIB, SpeedLimit(rate_bit_s=MBIT), now_s=30) is None
    assert meter.rate_bit_s(66 * MIB, SpeedLimit(rate_bit_s=MBIT), now_s=36) is not None
    assert meter.rate_bit_s(0, SpeedLimit(rate_bit_s=MBIT), now_s=37) is None


@pytest.mark.root
def test_what_a_sync_round_leaves_out_stays_on_the_target_as_it_was(roots: tuple[Path, Path], tmp_path: Path) -> None:
    source, target = roots
    for name in ("kept", "synced"):
        (source / name).mkdir()
        (source / name / "file").write_bytes(b"first")
    pair = Pair(tmp_path, {0: (source, target, "/")})
    try:
        pair.source.copy()
        for name in ("kept", "synced"):
            (source / name / "file").write_bytes(b"second")
            (source / name / "new").write_bytes(b"new")
        pair.source_options = {"excludes": ("/kept",)}
        pair.new_source().sync(1)
        assert (target / "kept/file").read_bytes() == b"first"
        assert not (target / "kept/new").exists()
        assert (target / "synced/file").read_bytes() == b"second"
        # Gone from the source altogether, it still stays: the user wanted no round to touch it.
        for name in ("file", "new"):
            (source / "kept" / name).unlink()
        (source / "kept").rmdir()
        pair.new_source().sync(2)
        assert (target / "kept/file").read_bytes() == b"first"
        pair.source_options = {}
        pair.new_source().sync(3)
        assert not (target / "kept").exists()
    finally:
        pair.close()


@pytest.mark.root
def test_a_round_over_some_folders_only_touches_no_other(roots: tuple[Path, Path], tmp_path: Path) -> None:
    source, target = roots
    for name in ("a/b", "a/c", "d"):
        (source / name).mkdir(parents=True)
        (source / name / "file").write_bytes(b"first")
    pair = Pair(tmp_path, {0: (source, target, "/")})
    try:
        pair.source.copy()
        for name in ("a/b", "a/c", "d"):
            (source / name / "file").write_bytes(b"second")
        pair.source_options = {"only_paths": ("/a/b", "/elsewhere")}
        pair.new_source().sync(1)
        found = {name: (target / name / "file").read_bytes() for name in ("a/b", "a/c", "d")}
        assert found == {"a/b": b"second", "a/c": b"first", "d": b"first"}
        report = pair.new_source().verify()
        assert report.is_equal
        assert report.files < 10
        assert {directory.path for directory in report.directories} <= {"/", "/a", "/a/b"}
    finally:
        pair.close()
