import contextlib
import ctypes
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from transfer_kit import Authority, differences, random_tree, snapshot

from agents.target.receive.journal import Journal
from contracts.transfer import CopySummary

pytestmark = pytest.mark.root
MIB = 1 << 20


class Ends:
    """Both ends as processes. within: what each one's command begins with. large: how many files of 30 MiB."""

    def __init__(self, folder: Path, *, within: dict[str, list[str]] | None = None, large: int = 4, **settings) -> None:
        self.within = within or {}
        authority = Authority()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.source, self.target = folder / "source", folder / "target"
        self.target.mkdir()
        random_tree(self.source, random.Random(7), 3000)
        for number in range(large):
            (self.source / f"large{number}").write_bytes(os.urandom(30 * MIB))
        self.settings = folder / "settings.json"
        values = {
            "source": str(self.source),
            "target": str(self.target),
            "state": str(folder / "state"),
            "port": port,
            "source_tls": authority.leaf("source"),
            "target_tls": authority.leaf("target"),
            **settings,
        }
        self.settings.write_text(json.dumps(values))
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, role: str) -> subprocess.Popen[str]:
        program = [sys.executable, str(Path(__file__).parent / "run_end.py"), role, str(self.settings)]
        argv = [*self.within.get(role, ()), *program]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        if role == "target":
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        return process

    def wait_sent(self, process: subprocess.Popen[str], size: int) -> None:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("sent") and int(line.split()[1]) >= size:
                return
        raise AssertionError("the copy ended before it could be interrupted")

    def restart_source(self, after: int) -> subprocess.Popen[str]:
        """A copy whose source is killed after so many bytes, in the middle between two commits; the new source."""
        self.start("target")
        source = self.start("source")
        self.wait_sent(source, after)
        time.sleep(0.35)
        source.kill()
        source.wait()
        return self.start("source")

    def finish(self, process: subprocess.Popen[str]) -> CopySummary:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("summary"):
                return CopySummary.model_validate_json(line.partition(" ")[2])
        raise AssertionError("no summary")

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()


@pytest.fixture
def ends(tmp_path: Path, request):
    ends = Ends(tmp_path, rate_limit_bit_s=8 * 60 * MIB, **getattr(request, "param", {}))
    yield ends
    ends.close()


def test_killed_source_sends_at_most_64_mib_again(ends: Ends) -> None:
    summary = ends.finish(ends.restart_source(50 * MIB))
    print("bytes_resent", summary.bytes_resent, "bytes_sent", summary.bytes_sent)  # noqa: T201 - the figure is reported
    assert summary.bytes_resent <= 64 * MIB
    assert summary.bytes_sent < 140 * MIB
    assert differences(snapshot(ends.source), snapshot(ends.target)) == []


def test_killed_target_costs_at_most_64_mib_and_no_restart_of_the_source(ends: Ends) -> None:
    target = ends.start("target")
    source = ends.start("source")
    ends.wait_sent(source, 70 * MIB)
    target.kill()
    target.wait()
    time.sleep(0.5)
    ends.start("target")
    summary = ends.finish(source)
    print("bytes_resent", summary.bytes_resent, "reconnects", summary.reconnects)  # noqa: T201 - the figure is reported
    assert summary.reconnects == 1
    assert summary.bytes_resent <= 64 * MIB
    assert differences(snapshot(ends.source), snapshot(ends.target)) == []


def test_target_that_lost_what_was_not_on_disk_gets_it_again(ends: Ends) -> None:
    target = ends.start("target")
    source = ends.start("source")
    ends.wait_sent(source, 50 * MIB)
    target.kill()
    target.wait()
    # A power cut as it looks afterwards: the journal of an earlier moment, and the tree of that moment.
    journal = Journal(ends.target.parent / "state/target/receive.journal")
    mark = journal.state.sessions[-1]
    lost = mark.model_copy(update={"applied": mark.first - 1, "durable": mark.first - 1})
    journal.write(journal.state.model_copy(update={"sessions": (lost,), "applied_bytes": 0}), is_durable=True)
    journal.close()
    shutil.rmtree(ends.target)
    ends.target.mkdir()
    ends.start("target")
    summary = ends.finish(source)
    print("bytes_resent", summary.bytes_resent, "reconnects", summary.reconnects)  # noqa: T201 - the figure is reported
    assert summary.bytes_resent > 40 * MIB
    assert differences(snapshot(ends.source), snapshot(ends.target)) == []


def test_target_that_lost_its_journal_but_not_its_disks_gets_little_again(ends: Ends) -> None:
    target = ends.start("target")
    source = ends.start("source")
    ends.wait_sent(source, 80 * MIB)
    time.sleep(0.3)
    target.kill()
    target.wait()
    # The journal lies on the temporary volume, the tree on the replica's disks.
    shutil.rmtree(ends.target.parent / "state/target")
    ends.start("target")
    summary = ends.finish(source)
    print("bytes_resent", summary.bytes_resent)  # noqa: T201 - the figure is reported
    assert summary.bytes_resent <= 64 * MIB
    assert differences(snapshot(ends.source), snapshot(ends.target)) == []


def test_both_ends_killed_again_and_again_still_end_equal(ends: Ends) -> None:
    rng = random.Random(3)
    target, source = ends.start("target"), ends.start("source")
    for _ in range(1, 6):
        time.sleep(0.3 + rng.random() * 0.7)
        if rng.random() < 0.5:
            target.kill()
            target.wait()
            target = ends.start("target")
        else:
            source.kill()
            source.wait()
            source = ends.start("source")
    ends.finish(source)
    assert differences(snapshot(ends.source), snapshot(ends.target)) == []


def reset_connections(pid: int, port: int) -> None:
    """Shut down the sockets of another process, as a broken link does."""
    handle = os.pidfd_open(pid)
    libc = ctypes.CDLL(None, use_errno=True)
    for name in os.listdir(f"/proc/{pid}/fd"):
        descriptor = libc.syscall(438, handle, int(name), 0)  # pidfd_getfd
        if descriptor < 0:
            continue
        try:
            duplicate = socket.socket(fileno=descriptor)
        except OSError:
            os.close(descriptor)
            continue
        with duplicate, contextlib.suppress(OSError):  # closed by its owner in between
            if duplicate.family == socket.AF_INET and duplicate.getpeername()[1] == port:
                duplicate.shutdown(socket.SHUT_RDWR)
    os.close(handle)


def test_cut_connections_are_made_again(ends: Ends) -> None:
    ends.start("target")
    source = ends.start("source")
    port = json.loads(ends.settings.read_text())["port"]
    ends.wait_sent(source, 30 * MIB)
    reset_connections(source.pid, port)
    summary = ends.finish(source)
    assert summary.reconnects >= 1
    assert summary.bytes_resent <= 32 * MIB
    assert differences(snapshot(ends.source), snapshot(ends.target)) == []
