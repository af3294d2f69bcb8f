"""Where a webhook may go, and where not: every way to write a private address is one test."""

from __future__ import annotations

import pytest

from services.notification.domain.address import AddressError, AddressPolicy

PUBLIC = AddressPolicy()
LOOPBACK = AddressPolicy.of(networks=("127.0.0.0/8",), hosts=(), allows_http=False)
FEW = AddressPolicy.of(networks=(), hosts=("hooks.example.org", "*.corp.example"), allows_http=True)


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("https://hooks.example.org", "hooks.example.org", 443, "/"),
        ("https://Hooks.Example.ORG:8443/a/b?c=d%20e", "hooks.example.org", 8443, "/a/b?c=d%20e"),
        ("https://8.8.8.8/x", "8.8.8.8", 443, "/x"),
        ("https://[2001:4860:4860::8888]:444/x", "2001:4860:4860::8888", 444, "/x"),
        ("https://hooks.example.org./x", "hooks.example.org", 443, "/x"),
    ],
)
def test_a_public_https_address_is_taken_apart(url: str, host: str, port: int, target: str) -> None:
    found = PUBLIC.parse(url)
    assert (found.host, found.port, found.target, found.is_tls) == (host, port, target, True)


def test_the_host_header_names_a_port_that_is_not_the_usual_one() -> None:
    assert PUBLIC.parse("https://a.example/x").host_header == "a.example"
    assert PUBLIC.parse("https://a.example:444/x").host_header == "a.example:444"
    assert PUBLIC.parse("https://[2001:4860::1]:444/x").host_header == "[2001:4860::1]:444"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.org/x",
        "ftp://hooks.example.org/x",
        "file:///etc/passwd",
        "gopher://hooks.example.org/x",
        "http://hooks.example.org/x",
        "https:///x",
        "https://user:secret@hooks.example.org/x",
        "https://user@hooks.example.org/x",
        "https://hooks.example.org@127.0.0.1/x",
        "https://hooks.example.org/x#y",
        "https://hooks.example.org:0/x",
        "https://hooks.example.org:99999/x",
        "https://hooks.example.org:x/x",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/a\r\nX-Evil: 1",
        "https://hooks.example.org\\@127.0.0.1/x",
        "https://höoks.example.org/x",
        "https://127。0。0。1/x",
        "https://hooks.example.org/" + "x" * 2048,
        "https://-bad.example/x",
        "https://a..example/x",
        "https://%31%32%37.0.0.1/x",
    ],
)
def test_what_is_no_plain_https_address_is_refused(url: str) -> None:
    with pytest.raises(AddressError) as refused:
        PUBLIC.parse(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.0.0.0x1",
        "0",
        "0.0.0.0",  # noqa: S104 - refused, not bound
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:169.254.169.254]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::1]",
        "[2001:0:7f00:1::]",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
        "127.0.0.1.",
    ],
)
def test_an_address_that_is_not_public_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(AddressError):
        PUBLIC.parse(f"https://{host}/x")


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1", "fe80::1%eth0", "::1", "no address"])
def test_a_name_that_leads_to_such_an_address_is_refused_as_well(address: str) -> None:
    with pytest.raises(AddressError):
        PUBLIC.check(address)


def test_only_the_networks_that_the_operator_names_are_let_through() -> None:
    assert LOOPBACK.check("127.0.0.1") == "127.0.0.1"
    assert LOOPBACK.check("::ffff:127.0.0.1") == "127.0.0.1", "what is checked is what is connected to"
    assert LOOPBACK.parse("https://127.0.0.1:8443/x").port == 8443
    for other in ("::1", "10.0.0.1", "169.254.169.254"):
        with pytest.raises(AddressError):
            LOOPBACK.check(other)


def test_a_list_of_hosts_excludes_all_others() -> None:
    assert FEW.parse("http://hooks.example.org/x").port == 80
    assert FEW.parse("https://a.b.corp.example/x").host == "a.b.corp.example"
    for other in ("https://corp.example/x", "https://evilcorp.example/x", "https://hooks.example.org.evil.example/x"):
        with pytest.raises(AddressError):
            FEW.parse(other)
