"""Delays what passes: ``relay ADDRESS PORT DELAY_MS`` prints its own port and forwards each connection to PORT."""

from __future__ import annotations

import contextlib
import queue
import socket
import sys
import threading
import time

_PIECE_BYTES = 256 << 10
# In flight in each direction: 40 ms at 1 Gbit/s are 5 MB.
_MAX_PIECES = 256


def _pass(source: socket.socket, target: socket.socket, delay_s: float) -> None:
    waiting: queue.Queue[tuple[float, bytes]] = queue.Queue(_MAX_PIECES)

    def write() -> None:
        with contextlib.suppress(OSError):
            while True:
                due, piece = waiting.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not piece:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(piece)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            waiting.put((time.monotonic() + delay_s, piece))
    waiting.put((time.monotonic() + delay_s, b""))
    writer.join()


def main(address: str, port: int, delay_ms: float) -> None:
    """Serve until it is ended."""
    listener = socket.create_server((address, 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        near, _ = listener.accept()
        far = socket.create_connection((address, port))
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pair in ((near, far), (far, near)):
            threading.Thread(target=_pass, args=(*pair, delay_ms / 2000), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
