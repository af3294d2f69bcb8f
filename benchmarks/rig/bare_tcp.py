"""The receiver of a bare TCP copy: ``bare_tcp ADDRESS FOLDER`` prints its port and takes files until it is ended."""

from __future__ import annotations

import io
import os
import socket
import sys
from pathlib import Path

_BUFFER_BYTES = 256 << 10


def receive(wire: socket.socket, folder: Path) -> None:
    """Files, each behind a line with its size and name; answers when all are written."""
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    with io.BufferedReader(socket.SocketIO(wire, "r"), _BUFFER_BYTES) as reader:
        while line := reader.readline():
            size, _, name = line.decode().rstrip("\n").partition(" ")
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            left = int(size)
            while left:
                read = reader.readinto(buffer[: min(left, _BUFFER_BYTES)])
                if not read:
                    raise SystemExit("the sender ended early")
                os.write(descriptor, buffer[:read])
                left -= read
            os.close(descriptor)
    wire.sendall(b"ok")


def main(address: str, folder: str) -> None:
    """Serve one sender after the other."""
    listener = socket.create_server((address, 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        wire, _ = listener.accept()
        with wire:
            receive(wire, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
