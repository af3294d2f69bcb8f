"""Our two agents' copy as processes that are talked to by lines."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.rig.authority import Authority
from benchmarks.rig.copy_end import EndSettings
from benchmarks.rig.links import Link
from contracts.messages.agent import AgentRole
from contracts.transfer import CopySummary

_TASK: Final = "benchmark"


class End:
    """A process with lines in and out; it is ended with the block."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin and self._process.stdout  # noqa: S101, PT018 - pipes were asked for
        self._input, self._output = self._process.stdin, self._process.stdout

    def __enter__(self) -> End:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._input.close()
        self._output.close()

    def tell(self, line: str) -> None:
        """Write a line."""
        self._input.write(line + "\n")
        self._input.flush()

    def hear(self) -> str:
        """Read a line. Raises RuntimeError when there is none."""
        line = self._output.readline().strip()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended early with {self._process.wait()}")
        return line

    def peak_resident_bytes(self) -> int:
        """The most memory that it has had resident so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        if not found:
            raise RuntimeError("the kernel does not tell a process's memory")
        return int(found[1]) << 10


class OwnEnds:
    """Both agents, connected over a link. by_changes: as in EndSettings, of the source."""

    def __init__(self, source: Path, target: Path, folder: Path, link: Link, *, by_changes: bool = False) -> None:
        authority = Authority(_TASK)
        self._stack = ExitStack()

        def start(role: AgentRole, path: Path, port: int = 0) -> End:
            state_folder = folder / role
            state_folder.mkdir()
            settings = EndSettings(
                task_id=_TASK,
                path=str(path),
                state_folder=str(state_folder),
                credentials=authority.issue(role),
                address=link.address,
                port=port,
                by_changes=by_changes and role == "source",
            )
            command = [sys.executable, "-m", "benchmarks.rig.copy_end", role]
            end = self._stack.enter_context(End(link.at_target(command) if role == "target" else command))
            end.tell(settings.model_dump_json())
            return end

        try:
            self.target = start("target", target)
            port = self._stack.enter_context(link.reach(int(self.target.hear())))
            self.source = start("source", source, port)
            self.source.hear()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> OwnEnds:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def copy(self) -> None:
        """Copy, or bring up to date; raises if anything was left out."""
        self.source.tell("copy")
        summary = CopySummary.model_validate_json(self.source.hear())
        if summary.files_skipped or summary.read_errors or summary.files_changing or summary.reconnects:
            raise RuntimeError(f"not a clean copy: {summary.model_dump_json()}")
