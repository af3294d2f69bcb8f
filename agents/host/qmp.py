"""QEMU's monitor: commands to a running machine, one at a time."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Monitor:
    """A connection to a machine's QMP socket, ready for commands. Raises OSError when nobody answers.

    QEMU serves one connection at a time; another one waits until this is closed, so keep it open only briefly.
    """

    def __init__(self, path: Path, *, timeout_s: float = 5) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        # A socket's path holds 107 characters at most; the way through a descriptor of its folder is always short.
        try:
            folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        except OSError:
            self._socket.close()
            raise
        try:
            self._socket.connect(f"/proc/self/fd/{folder}/{path.name}")
            self._file = self._socket.makefile("rwb")
            self._file.readline()
            self.execute("qmp_capabilities")
        except OSError:
            self._socket.close()
            raise
        finally:
            os.close(folder)

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> Any:
        """Run a command and return what it answers. Raises OSError for a refusal or a closed monitor."""
        request = {"execute": command, "arguments": arguments or {}}
        self._file.write(json.dumps(request).encode() + b"\n")
        self._file.flush()
        while line := self._file.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise OSError(f"QEMU refuses {command}: {answer['error'].get('desc', '')}")
            if "return" in answer:
                return answer["return"]
        raise ConnectionError("QEMU closed its monitor")
