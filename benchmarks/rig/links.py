"""The links between source and target: loopback, or a wire of a limited rate between two namespaces."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NAMESPACE: Final = "target"
_WIRE: Final = "wire"
_SOURCE_ADDRESS, _TARGET_ADDRESS = "10.93.0.1", "10.93.0.2"


@dataclass(frozen=True, kw_only=True)
class Link:
    """rate_mbit: what tbf lets through in each direction, None on loopback. delay_ms: what a relay beside the target
    adds to the way there and back together; it ends the TCP connections, so it delays programs and not TCP."""

    name: str
    rate_mbit: int | None = None
    delay_ms: int = 0

    @property
    def address(self) -> str:
        """Where the target listens."""
        return _TARGET_ADDRESS if self.rate_mbit else "127.0.0.1"

    def at_target(self, command: list[str]) -> list[str]:
        """The command as it must be started to run on the target's end."""
        return ["ip", "netns", "exec", _NAMESPACE, *command] if self.rate_mbit else command

    def set_up(self) -> None:
        """Make the wire in this process's own network; a former one goes."""
        if not self.rate_mbit:
            return
        _ip("netns", "add", _NAMESPACE)
        _ip("link", "add", _WIRE, "type", "veth", "peer", "name", _WIRE, "netns", _NAMESPACE)
        for inside, address in (((), _SOURCE_ADDRESS), (("-n", _NAMESPACE), _TARGET_ADDRESS)):
            _ip(*inside, "address", "add", f"{address}/30", "dev", _WIRE)
            for name in ("lo", _WIRE):
                _ip(*inside, "link", "set", name, "up")
            shape = f"{_WIRE} root tbf rate {self.rate_mbit}mbit burst 128kb latency 30ms".split()
            subprocess.run(["tc", *inside, "qdisc", "add", "dev", *shape], check=True)

    def tear_down(self) -> None:
        """Remove the wire; nothing must run on the target's end any more."""
        if self.rate_mbit:
            _ip("link", "delete", _WIRE)
            _ip("netns", "delete", _NAMESPACE)

    def bytes_so_far(self) -> int:
        """What went over the link: both directions, acknowledgements and all headers included."""
        for line in Path("/proc/self/net/dev").read_text(encoding="ascii").splitlines():
            name, _, counters = line.partition(":")
            if name.strip() == (_WIRE if self.rate_mbit else "lo"):
                fields = counters.split()
                return int(fields[0]) + (int(fields[8]) if self.rate_mbit else 0)
        raise RuntimeError("there is no such interface")

    @contextmanager
    def reach(self, port: int) -> Iterator[int]:
        """The port at which a service of the target's is reached: its own, or that of the relay in front of it."""
        if not self.delay_ms:
            yield port
            return
        command = [sys.executable, "-m", "benchmarks.rig.relay", self.address, str(port), str(self.delay_ms)]
        with subprocess.Popen(self.at_target(command), stdout=subprocess.PIPE, text=True) as relay:
            assert relay.stdout  # noqa: S101 - a pipe was asked for
            try:
                yield int(relay.stdout.readline())
            finally:
                relay.terminate()


LINKS: Final = {
    link.name: link
    for link in (
        Link(name="loopback"),
        Link(name="200mbit", rate_mbit=200),
        Link(name="1gbit", rate_mbit=1000),
        Link(name="200mbit-40ms", rate_mbit=200, delay_ms=40),
    )
}


def _ip(*arguments: str) -> None:
    # A namespace that was just left may still be going away.
    for _ in range(50):
        if subprocess.run(["ip", *arguments], stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["ip", *arguments], check=True)
