"""Customers who never stop ordering, and a book of every order that was acknowledged to them."""

from __future__ import annotations

import http.client
import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_TIMEOUT_S = 10.0
_REFUSALS_OF_A_STOPPED_SERVICE = 3


@dataclass(frozen=True)
class AcknowledgedOrder:
    """What a customer was told: the number, and the token by which the order is recognised."""

    number: int
    token: str


class LoadGenerator:
    """Orders at 127.0.0.1:port until `stop`, in a thread. book: a file with one line of JSON per acknowledgement.

    A refusal is no loss: the customer knows of it. An order whose answer never came counts as unanswered.
    """

    def __init__(self, port: int, book: Path, *, orders_per_second: float = 15) -> None:
        self._port = port
        self._book = book
        self._interval_s = 1 / orders_per_second
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._order_all_the_time, name="customers", daemon=True)
        self.acknowledged = 0
        self.refused = 0
        self._refused_in_a_row = 0
        self.last_number = 0
        self.last_acknowledged_at = 0.0

    def start(self) -> None:
        """Begin to order."""
        self._thread.start()

    def stop(self) -> None:
        """Order no more; the book is complete when this returns."""
        self._stopping.set()
        self._thread.join(_TIMEOUT_S + 5)

    def wait_for(self, count: int, *, timeout_s: float) -> None:
        """Wait until so many orders are acknowledged. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while self.acknowledged < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.acknowledged} of {count} orders acknowledged within {timeout_s:g} s")
            time.sleep(0.1)

    def wait_until_refused(self, *, timeout_s: float, has_failed: threading.Event) -> None:
        """Wait until the service has been stopped, and order no more. Raises TimeoutError, also when has_failed says
        that nobody will stop it."""
        deadline = time.monotonic() + timeout_s
        while self._refused_in_a_row < _REFUSALS_OF_A_STOPPED_SERVICE:
            if has_failed.wait(0.05) or time.monotonic() > deadline:
                raise TimeoutError(f"the service still takes orders after {timeout_s:g} s")
        self.stop()

    def _order_all_the_time(self) -> None:
        with self._book.open("a", encoding="ascii") as book:
            while not self._stopping.is_set():
                try:
                    self._order_over_one_connection(book)
                except (OSError, http.client.HTTPException):
                    self._note_refusal()
                    self._stopping.wait(0.2)

    def _order_over_one_connection(self, book: IO[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        try:
            while not self._stopping.is_set():
                started = time.monotonic()
                token = secrets.token_hex(12)
                body = json.dumps({"token": token, "item": f"item {secrets.randbelow(900)}"})
                connection.request("POST", "/orders", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                said = answer.read()
                if answer.status == 201:
                    self._note(book, AcknowledgedOrder(int(json.loads(said)["number"]), token))
                else:
                    self._note_refusal()
                self._stopping.wait(max(self._interval_s - (time.monotonic() - started), 0.0))
        finally:
            connection.close()

    def _note_refusal(self) -> None:
        self.refused += 1
        self._refused_in_a_row += 1

    def _note(self, book: IO[str], order: AcknowledgedOrder) -> None:
        book.write(json.dumps({"number": order.number, "token": order.token}) + "\n")
        book.flush()
        self.acknowledged += 1
        self._refused_in_a_row = 0
        self.last_number = order.number
        self.last_acknowledged_at = time.monotonic()


def acknowledged_orders(book: Path) -> Iterator[AcknowledgedOrder]:
    """Read the book."""
    with book.open(encoding="ascii") as lines:
        for line in lines:
            order = json.loads(line)
            yield AcknowledgedOrder(number=order["number"], token=order["token"])


def wait_for_first_answer(
    port: int, *, last_number: int, timeout_s: float, has_failed: threading.Event, interval_s: float = 0.05
) -> float:
    """Poll until the service behind the port knows this order or a later one; returns time.monotonic() of that answer.

    An older launch of the target may answer behind the same port: it does not know the order. Raises TimeoutError, also
    when has_failed says that there will be no target.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        asked = time.monotonic()
        if newest_order(port, timeout_s=2) >= last_number:
            return time.monotonic()
        if has_failed.wait(max(interval_s - (time.monotonic() - asked), 0)):
            break
    raise TimeoutError(f"nothing behind port {port} knew order {last_number} within {timeout_s:g} s")


def newest_order(port: int, *, timeout_s: float) -> int:
    """The number of the newest order that the service knows; -1 when it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", "/orders/last")
        answer = connection.getresponse()
        last = json.loads(answer.read()).get("last")
        return int(last["number"]) if answer.status == 200 and last else -1
    except (OSError, http.client.HTTPException, ValueError):
        return -1
    finally:
        connection.close()
