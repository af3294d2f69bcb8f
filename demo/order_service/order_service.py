"""A small business that must not lose an order: HTTP in front of SQLite, answered after the commit."""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_LARGEST_ORDER_BYTES = 65536


class OrderBook:
    """Orders with running numbers. An order is on disk when `add` returns its number."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL,"
            " item TEXT NOT NULL, placed_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)"
        )

    def add(self, token: str, item: str) -> int:
        """Keep an order. Raises sqlite3.Error when it could not be kept."""
        with self._lock:
            row = self._database.execute("INSERT INTO orders (token, item) VALUES (?, ?)", (token, item))
            return int(row.lastrowid or 0)

    def count(self) -> int:
        """How many orders there are."""
        with self._lock:
            return int(self._database.execute("SELECT count(*) FROM orders").fetchone()[0])

    def last(self) -> dict[str, Any] | None:
        """The newest order."""
        with self._lock:
            row = self._database.execute("SELECT number, token FROM orders ORDER BY number DESC LIMIT 1").fetchone()
        return None if row is None else {"number": row[0], "token": row[1]}

    def after(self, number: int, limit: int) -> list[list[Any]]:
        """Numbers and tokens of the orders that follow a number."""
        with self._lock:
            rows = self._database.execute(
                "SELECT number, token FROM orders WHERE number > ? ORDER BY number LIMIT ?", (number, limit)
            )
            return [list(row) for row in rows]

    def close(self) -> None:
        """Leave a database without a log beside it."""
        with self._lock:
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._database.close()


class OpenWhenNeeded:
    """The order book, opened at the first use: the service also answers while its database cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._book: OrderBook | None = None

    def book(self) -> OrderBook:
        """The order book. Raises sqlite3.Error."""
        with self._lock:
            if self._book is None:
                self._book = OrderBook(self._path)
            return self._book

    def close(self) -> None:
        """Close it if it was opened."""
        if self._book is not None:
            self._book.close()


class OrderRequests(BaseHTTPRequestHandler):
    """POST /orders · GET /orders?after=N, /orders/count, /orders/last, /health."""

    protocol_version = "HTTP/1.1"
    # Else an answer waits 40 ms for the acknowledgement of its headers.
    disable_nagle_algorithm = True
    wbufsize = -1
    orders: OpenWhenNeeded

    def do_GET(self) -> None:
        """Answer a question."""
        url = urlsplit(self.path)
        try:
            if url.path == "/health":
                self._answer(200, {"status": "ok", "database": self._database_state()})
            elif url.path == "/orders/count":
                self._answer(200, {"count": self.orders.book().count()})
            elif url.path == "/orders/last":
                self._answer(200, {"last": self.orders.book().last()})
            elif url.path == "/orders":
                first = int(parse_qs(url.query).get("after", ["0"])[0])
                self._answer(200, {"orders": self.orders.book().after(first, 10_000)})
            else:
                self._answer(404, {"error": "not found"})
        except sqlite3.Error as error:
            self._answer(503, {"error": str(error)})

    def do_POST(self) -> None:
        """Take an order."""
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != "/orders" or not 0 < length <= _LARGEST_ORDER_BYTES:
            self.close_connection = True
            self._answer(400, {"error": "POST /orders with a JSON object"})
            return
        order = json.loads(self.rfile.read(length))
        try:
            number = self.orders.book().add(str(order["token"]), str(order.get("item", "")))
        except sqlite3.Error as error:
            self._answer(503, {"error": str(error)})
            return
        self._answer(201, {"number": number, "token": order["token"]})

    def _database_state(self) -> str:
        try:
            return f"{self.orders.book().count()} orders"
        except sqlite3.Error as error:
            return f"cannot be read: {error}"

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing: a line per order would only fill the journal."""


def main() -> int:
    """Serve until SIGTERM; orders in hand are finished first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8080)
    chosen = parser.parse_args()
    OrderRequests.orders = OpenWhenNeeded(chosen.database)
    server = ThreadingHTTPServer(("0.0.0.0", chosen.port), OrderRequests)  # noqa: S104 - it is a server
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)
    OrderRequests.orders.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
