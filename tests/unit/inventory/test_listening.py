"""Which ports a server listens on, as its kernel's tables say."""

from __future__ import annotations

from pathlib import Path

from agents.source.inventory.listening import read_listening_ports

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def make_proc(folder: Path, tcp: str, tcp6: str | None = None, port_range: str = "32768\t60999\n") -> Path:
    (folder / "net").mkdir(parents=True)
    (folder / "net/tcp").write_text(HEAD + tcp)
    if tcp6 is not None:
        (folder / "net/tcp6").write_text(HEAD + tcp6)
    (folder / "sys/net/ipv4").mkdir(parents=True)
    (folder / "sys/net/ipv4/ip_local_port_range").write_text(port_range)
    return folder


def test_ports_are_sorted_and_named_once_for_both_families(tmp_path: Path) -> None:
    tcp = "   0: 00000000:0050 00000000:0000 0A 0\n   1: 0100007F:0016 00000000:0000 0A 0\n"
    tcp6 = "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0\n"
    assert read_listening_ports(make_proc(tmp_path, tcp, tcp6)) == (22, 80)


def test_connections_and_ports_that_the_kernel_gives_away_do_not_count(tmp_path: Path) -> None:
    tcp = "   0: 00000000:0016 0A000001:C000 01 0\n   1: 00000000:8001 00000000:0000 0A 0\n"
    assert read_listening_ports(make_proc(tmp_path, tcp)) == ()
    assert read_listening_ports(make_proc(tmp_path / "other", tcp, port_range="40000 50000\n")) == (0x8001,)


def test_a_kernel_without_tables_listens_on_nothing_that_is_known(tmp_path: Path) -> None:
    assert read_listening_ports(tmp_path) == ()
