"""The `sms` command as a user has it; every answer is read from its JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class CommandFailedError(Exception):
    """`sms` has ended with another status than 0; its own words are in the text or stand above on the terminal."""


@dataclass(frozen=True)
class Sms:
    """The command line for one data folder."""

    data: Path

    def ask(self, *words: str, timeout_s: float = 300) -> Any:
        """Run a command and return what it printed as JSON; what it says to a person goes to the terminal."""
        command = [*self._program(), *words, "--data", str(self.data), "--output", "json"]
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=timeout_s, env=_environment()
        )
        if result.returncode:
            raise CommandFailedError(f"`sms {' '.join(words)}` ended with {result.returncode}")
        return json.loads(result.stdout)

    def run(self, *words: str, timeout_s: float = 1800) -> None:
        """Run a command whose output is for the person at the terminal."""
        command = [*self._program(), *words, "--data", str(self.data)]
        status = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=timeout_s, env=_environment()).returncode
        if status:
            raise CommandFailedError(f"`sms {' '.join(words)}` ended with {status}")

    def task(self, task_id: str) -> Any:
        """`sms task show`."""
        return self.ask("task", "show", task_id)

    def pids(self) -> dict[str, int]:
        """The running processes by name."""
        return {service["name"]: service["pid"] for service in self.ask("status")["services"] if service["pid"]}

    @staticmethod
    def _program() -> list[str]:
        beside_python = Path(sys.executable).with_name("sms")
        return [str(beside_python)] if beside_python.exists() else [sys.executable, "-m", "cli.main"]


def _environment() -> dict[str, str]:
    """Without a profile of the user's own: it would lead to another installation than that of the data folder."""
    return {name: value for name, value in os.environ.items() if name not in {"SMS_PROFILE", "SMS_ENDPOINT"}}
