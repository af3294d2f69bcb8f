"""The way from a helper VM to the bus: ``python -m agents.host.helper_vm.relay HOST:PORT[,HOST:PORT…]``.

QEMU starts it for every connection of the guest to the bus's address, with the connection as its standard input. What
passes is TLS between the agent and the bus; nothing else can be reached this way.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from typing import Final

_CONNECT_TIMEOUT_S: Final = 5
_BLOCK_BYTES: Final = 64 << 10


def main() -> int:
    """Exit code 1 when no server answers."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    with socket.socket(fileno=os.dup(0)) as guest:
        server = _connected(sys.argv[1].split(","))
        if server is None:
            return 1
        with server:
            relay(guest, server)
    return 0


def relay(first: socket.socket, second: socket.socket) -> None:
    """Pass on until both sides have said that they are done, or one breaks off."""
    other = {first: second, second: first}
    open_ends = [first, second]
    while open_ends:
        for end in select.select(open_ends, [], [])[0]:
            try:
                data = end.recv(_BLOCK_BYTES)
                other[end].sendall(data)
                if not data:
                    other[end].shutdown(socket.SHUT_WR)
            except OSError:
                return
            if not data:
                open_ends.remove(end)


def _connected(servers: list[str]) -> socket.socket | None:
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            connection = socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT_S)
        except OSError:
            continue
        connection.settimeout(None)
        return connection
    return None


if __name__ == "__main__":
    raise SystemExit(main())
