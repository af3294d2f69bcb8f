"""The matrix of fixture trees, printed after the tests that have adapted them."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each tree: family, tree, what it starts and is built with, and what became of it."""
    trees = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in getattr(report, "user_properties", ())
        if name == "tree" and report.when == "call"
    ]
    if trees:
        head = ("family", "tree", "firmware", "boot menu", "initial RAM disk", "changes", "result")
        terminalreporter.write_line("")
        for row in (head, *sorted(trees)):
            terminalreporter.write_line("{:16}{:20}{:10}{:13}{:18}{:>7}  {}".format(*row).rstrip())
