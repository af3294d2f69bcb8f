"""The machine's command line, names from the bus, settings, and the port that a target has to answer on."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.host.folders import TargetFolder
from agents.host.health import answers
from agents.host.machine import MachineRecord, mac_address, machine_arguments
from agents.host.settings import load_settings
from contracts.errors import MigrationError
from contracts.messages.agent import AttachedDisk
from contracts.messages.host import LaunchHostMachine, ShowHostMachine
from contracts.messages.target_provisioner import PortForward


def record(*, is_isolated: bool = True, port: int = 2222) -> MachineRecord:
    request = LaunchHostMachine(
        target_id="t1", layer_id="l1", cpu_count=2, memory_bytes=1 << 30, is_isolated=is_isolated
    )
    ports = (PortForward(target_port=80, host_port=port),)
    return MachineRecord(request=request, ports=ports, accelerator="tcg", started_at=0)


def arguments(machine: MachineRecord, path: str = "/d/a.raw") -> list[str]:
    disks = (AttachedDisk(name="vda", path=path), AttachedDisk(name="vdb", path="/d/b.qcow2", format="qcow2"))
    return machine_arguments(machine, disks, home=Path("/m"))


def test_an_isolated_machine_has_no_network_but_its_forwarded_ports_on_loopback() -> None:
    netdev = next(argument for argument in arguments(record()) if argument.startswith("user,"))
    assert netdev == "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:2222-:80"
    assert any(argument.startswith("user,id=net0,restrict=off") for argument in arguments(record(is_isolated=False)))


def test_disks_keep_their_order_and_the_first_is_booted() -> None:
    devices = [argument for argument in arguments(record()) if argument.startswith("virtio-blk-pci")]
    assert [device.split("bootindex=")[1] for device in devices] == ["1,serial=vda", "2,serial=vdb"]


def test_a_comma_in_a_path_cannot_add_an_option() -> None:
    nodes = [argument for argument in arguments(record(), path="/d,readonly=on/a") if argument.startswith("{")]
    assert json.loads(nodes[0])["filename"] == "/d,readonly=on/a"


def test_a_target_keeps_its_network_address_over_launches() -> None:
    assert mac_address("t1") == mac_address("t1") != mac_address("t2")
    assert mac_address("t1").startswith("52:54:00:")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "-x", "a\n", "ä", "a" * 65])
def test_names_that_could_leave_the_data_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MigrationError) as refused:
        TargetFolder.of(tmp_path, name)
    assert refused.value.code == "SMS.TARGET.BAD_NAME"
    with pytest.raises(MigrationError):
        TargetFolder.of(tmp_path, "t1").layer(name)


def test_settings_that_cannot_be_used_are_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    with pytest.raises(ValueError, match="cannot be read"):
        load_settings(path)
    path.write_text('{"data_folder": "/d", "bus_url": 5}')
    with pytest.raises(ValueError, match="not valid: bus_url"):
        load_settings(path)


@pytest.fixture
def web_port() -> Iterator[int]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_port_answers_only_as_it_was_asked_to(web_port: int) -> None:
    machine = record(port=web_port)

    def asked(port: int | None, path: str = "") -> bool:
        return answers(machine, ShowHostMachine(target_id="t1", layer_id="l1", tcp_port=port, http_path=path))

    assert asked(None)
    assert asked(80)
    assert asked(80, "/health")
    assert not asked(80, "/broken")
    assert not asked(81), "a port that is not forwarded cannot answer"
