"""The metadata service of a helper VM: a token first, the enrolment once, nothing for whoever speaks for another."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import pytest

from agents.host.helper_vm.metadata import Handler, Metadata, alarm_file, enrolment_of, result_file, write_metadata
from agents.host.helper_vm.relay import relay
from agents.host.records import read_record, write_record
from agents.target.metadata import HelperOrder, MetadataClient

TTL = "X-SMS-Metadata-Token-TTL-Seconds"
TOKEN = "X-SMS-Metadata-Token"  # noqa: S105 - the name of a header


class Service:
    """Requests as QEMU brings them: one connection, one process, here one call."""

    def __init__(self, folder: Path, *, enrolment: str = enrolment_of("tk-1", "secret-1")) -> None:
        self.file = folder / "metadata.json"
        write_metadata(self.file, configuration='{"has_enrolment": true}', enrolment=enrolment)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> tuple[int, str]:
        ours, theirs = socket.socketpair()
        length = {"Content-Length": str(len(body))} if body else {}
        lines = [f"{name}: {value}" for name, value in ({**length, **(headers or {})}).items()]
        request = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body
        with ours, theirs:
            ours.sendall(request)
            ours.shutdown(socket.SHUT_WR)
            Handler(theirs, self.file)
            theirs.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: ours.recv(65536), b""))
        head, _, content = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, content.decode()

    def token(self, ttl: str = "60") -> str:
        status, token = self.ask("PUT", "/v1/token", {TTL: ttl})
        assert status == 200
        return token

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        return self.ask("GET", path, {TOKEN: self.token(), **headers})


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_the_enrolment_is_given_out_once_and_a_second_request_raises_the_alarm(service: Service) -> None:
    status, content = service.get("/v1/enrolment")
    assert (status, json.loads(content)) == (200, {"token_id": "tk-1", "token_secret": "secret-1"})
    assert not alarm_file(service.file).exists()
    assert "secret-1" not in service.file.read_text()
    assert service.get("/v1/enrolment") == (410, "")
    assert alarm_file(service.file).exists()


def test_a_restarted_helper_finds_no_enrolment_and_raises_no_alarm(tmp_path: Path) -> None:
    service = Service(tmp_path, enrolment="")
    assert service.get("/v1/enrolment")[0] == 410
    assert not alarm_file(service.file).exists()


def test_an_enrolment_that_nobody_fetched_in_time_is_void(service: Service) -> None:
    record = read_record(service.file, Metadata)
    assert record is not None
    write_record(service.file, record.model_copy(update={"expires_at": time.time() - 1}))
    assert service.get("/v1/enrolment") == (410, "")
    assert "secret-1" not in service.file.read_text()


def test_nothing_is_told_without_a_token_that_was_asked_for(service: Service) -> None:
    assert service.ask("GET", "/v1/configuration")[0] == 401
    assert service.ask("GET", "/v1/enrolment", {TOKEN: "9999999999.00"})[0] == 401
    expired = service.token("1")
    time.sleep(1.1)
    assert service.ask("GET", "/v1/enrolment", {TOKEN: expired})[0] == 401
    later = f"{int(time.time()) + 999}.{expired.partition('.')[2]}"
    assert service.ask("GET", "/v1/enrolment", {TOKEN: later})[0] == 401
    assert service.get("/v1/configuration") == (200, '{"has_enrolment": true}')


@pytest.mark.parametrize("ttl", ["", "0", "-5", "x", "21601"])
def test_a_token_without_a_bounded_life_is_refused(service: Service, ttl: str) -> None:
    assert service.ask("PUT", "/v1/token", {TTL: ttl})[0] == 400


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Via", "Forwarded"])
def test_who_speaks_for_another_is_refused(service: Service, header: str) -> None:
    assert service.ask("PUT", "/v1/token", {TTL: "60", header: "10.0.0.1"})[0] == 403
    assert service.get("/v1/configuration", **{header: "1.1 proxy"})[0] == 403


def test_a_result_is_kept_whole_and_one_without_end_is_not_read(service: Service) -> None:
    token = {TOKEN: service.token()}
    assert service.ask("PUT", "/v1/result", token, b'{"report": null}')[0] == 204
    assert result_file(service.file).read_bytes() == b'{"report": null}'
    assert service.ask("PUT", "/v1/result", {**token, "Content-Length": str(1 << 40)})[0] == 413
    assert service.ask("PUT", "/v1/result", {}, b"{}")[0] == 401


def test_a_helper_that_worked_longer_than_its_session_lasts_still_brings_its_result(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(4):
                connection, _ = listener.accept()
                with connection:
                    Handler(connection, service.file)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        client = MetadataClient(f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert client.order() == HelperOrder(has_enrolment=True)
        record = read_record(service.file, Metadata)
        assert record is not None
        # As good as a session that has run out: nothing that was signed before is valid any more.
        write_record(service.file, record.model_copy(update={"key": "00" * 32}))
        client.put_result('{"adapted": true}')
        server.join(10)
    assert result_file(service.file).read_text() == '{"adapted": true}'


def test_unknown_paths_are_not_found(service: Service) -> None:
    assert service.get("/latest/meta-data")[0] == 404


def test_the_relay_passes_both_ways_until_both_ends_are_done() -> None:
    guest, guest_end = socket.socketpair()
    server, server_end = socket.socketpair()
    passing = threading.Thread(target=relay, args=(guest_end, server_end))
    passing.start()
    with guest, guest_end, server, server_end:
        guest.sendall(b"question" * 50_000)
        guest.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: server.recv(65536), b""))
        assert received == b"question" * 50_000
        server.sendall(b"answer")
        server.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: guest.recv(65536), b"")) == b"answer"
        passing.join(10)
    assert not passing.is_alive()
