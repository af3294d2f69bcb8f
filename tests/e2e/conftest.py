"""One source server for all end-to-end tests, as building it takes longer than most of them; machines that end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.machine import Machine
from tests.e2e.source_disks import MountedSource, mounted_source


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MountedSource]:
    """A Debian 12 server on two disks, mounted. A test may change it as long as it stays bootable."""
    with mounted_source(tmp_path_factory.mktemp("source")) as made:
        yield made


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    """A list for the machines that a test starts; they end with it."""
    running: list[Machine] = []
    yield running
    for machine in running:
        machine.process.kill()
        machine.process.wait()


@pytest.fixture(scope="session")
def note(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Print a figure, also while pytest captures what tests print."""
    terminal = pytestconfig.get_terminal_writer()
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def write(text: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.line(f"\n  {text}")

    return write


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of the real boots, with the seconds that adaptation and start took."""
    boots = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in getattr(report, "user_properties", ())
        if name == "boot" and report.when == "call"
    ]
    header = ("release", "started by", "root", "initial RAM disk", "moved by", "adapted in s", "login after s")
    rows = [header, *((*texts, f"{adapted_s:.1f}", f"{login_s:.1f}") for *texts, adapted_s, login_s in boots)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows if boots else ():
        terminalreporter.write_line(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
