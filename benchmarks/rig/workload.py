"""What a server does all day, in small: work on data in memory, read from files, write and make it durable.

``workload FOLDER`` reads seconds, line by line, and prints how many transactions it did in them.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import time
from io import FileIO
from pathlib import Path
from typing import Final

_FILE_BYTES: Final = 32 << 20
_PART_BYTES: Final = 16 << 10
_RECORD_BYTES: Final = 4 << 10
# Of a transaction: about as much time in the processor as most applications spend on a request.
_HASHED_BYTES: Final = 256 << 10
_DURABLE_EVERY: Final = 20


def main(folder: Path) -> None:
    """One thread, which never waits but for its disk."""
    path = folder / "data"
    path.write_bytes(os.urandom(_FILE_BYTES))
    with path.open("rb", buffering=0) as reading, (folder / "journal").open("wb", buffering=0) as writing:
        reading.read()
        print("ready", flush=True)
        for line in sys.stdin:
            print(_transactions(reading, writing, time.monotonic() + float(line)), flush=True)


def _transactions(reading: FileIO, writing: FileIO, end: float) -> int:
    choose, data, done = random.Random(1), os.urandom(_HASHED_BYTES), 0
    while time.monotonic() < end:
        hashlib.sha256(data).digest()
        reading.seek(choose.randrange(_FILE_BYTES - _PART_BYTES))
        reading.read(_PART_BYTES)
        writing.write(data[:_RECORD_BYTES])
        done += 1
        if done % _DURABLE_EVERY == 0:
            os.fdatasync(writing.fileno())
            writing.seek(0)
    return done


if __name__ == "__main__":
    main(Path(sys.argv[1]))
