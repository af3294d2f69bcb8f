"""What an attacker changes in a genuine request, or leaves out of its signature, makes it worthless."""

from __future__ import annotations

import hashlib
import hmac
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from contracts.errors import MigrationError
from services.gateway.domain.signing import RawRequest, read_signed_request

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of the test
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DATE = "20260304T050607Z"
BODY = b'{"operation": "start"}'


def genuine(path: str = "/v3/tasks/t-1/action", query: str = "limit=10&name=a", body: bytes = BODY) -> RawRequest:
    """Signed by the official signer."""
    pairs = [tuple(part.split("=")) for part in query.split("&") if part]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "sdk",
        "X-Sdk-Date": DATE,
        "X-Sms-Idempotency-Key": "k1",
        "Host": "sms.example.org",
    }
    request = SdkRequest(
        method="POST",
        host="sms.example.org",
        resource_path=path,
        query_params=pairs,
        header_params=headers,
        body=body,
    )
    signed = Signer(BasicCredentials("AKTEST", SECRET, "project")).sign(request)
    sent = tuple((name.lower(), str(value)) for name, value in signed.header_params.items())
    return RawRequest(method="POST", path=path, query=query, headers=sent, body=body)


def verdict(request: RawRequest, now: datetime = NOW) -> str:
    """ "genuine", "forged", or the code that the request is refused with."""
    try:
        signed = read_signed_request(request, now=now, window_s=300)
    except MigrationError as error:
        return error.code
    wanted = hmac.new(SECRET.encode(), signed.string_to_sign.encode(), hashlib.sha256).hexdigest()
    return "genuine" if hmac.compare_digest(wanted, signed.signature) else "forged"


def with_header(request: RawRequest, name: str, value: str | None) -> RawRequest:
    """The header replaced, or left out for None."""
    kept = tuple(pair for pair in request.headers if pair[0] != name)
    return replace(request, headers=kept if value is None else (*kept, (name, value)))


def with_authorization(request: RawRequest, old: str, new: str) -> RawRequest:
    value = request.header("authorization")
    assert value is not None
    assert old in value
    return with_header(request, "authorization", value.replace(old, new))


def test_the_untouched_request_is_genuine() -> None:
    assert verdict(genuine()) == "genuine"
    assert verdict(genuine(query="", body=b"")) == "genuine"
    # The order of the query on the wire does not matter, as the signature sorts it.
    assert verdict(replace(genuine(), query="name=a&limit=10")) == "genuine"


@pytest.mark.parametrize(
    "path",
    [
        "/v3/tasks/t-2/action",
        "/v3/tasks/t-1/Action",
        "/v3/tasks/t-1/action/more",
        "/v3/tasks/t-1",
        "/V3/tasks/t-1/action",
    ],
)
def test_another_path_is_forged(path: str) -> None:
    assert verdict(replace(genuine(), path=path)) == "forged"


@pytest.mark.parametrize(
    "path",
    [
        "/v3/tasks/./t-1/action",
        "/v3/tasks/x/../t-1/action",
        "/v3/tasks/x/%2e%2e/t-1/action",
        "/v3/tasks/x/.%2E/t-1/action",
        "/v3/tasks/%2e/t-1/action",
        "/v3/tasks/t-1/action/..",
        "/v3//tasks/t-1/action",
        "//v3/tasks/t-1/action",
        "/v3/tasks/t-1/action//",
        "/v3/tasks%2Ft-1/action",
        "/v3/tasks%2ft-1/action",
        "/v3/tasks/t%252D1/action",
        "/v3/tasks/%25%32%66/action",
        "/v3/tasks/x%252F..%252Ft-1/action",
        "/v3/tasks/t-1\\action",
        "/v3/tasks/t-1%5Caction",
        "/v3/tasks/t-1/action%00",
        "/v3/tasks/t-1/action%0A",
        "/v3/tasks/t-1/action%7F",
        "/v3/tasks/t-1/action%",
        "/v3/tasks/t-1/action%4",
        "/v3/tasks/t-1/action%zz",
        "/v3/tasks/t-1/action%C3",
        "/v3/tasks/t-1/action%C0%AF",
        "/v3/tasks/t-1/action%ED%A0%80",
        "/v3/tasks/t 1/action",
        "/v3/tasks/\u00e4/action",
        "v3/tasks/t-1/action",
        "https://other.example.org/v3/tasks/t-1/action",
        "*",
        "",
        "/" + "a" * 2048,
    ],
)
def test_a_path_that_can_be_read_in_two_ways_is_refused_even_when_it_is_signed(path: str) -> None:
    assert verdict(replace(genuine(), path=path)) == "SMS.API.INVALID_REQUEST"


def test_one_encoding_of_a_path_is_as_good_as_another() -> None:
    # %74 is "t": decoded once it is the same path, for the signature as for the route.
    assert verdict(replace(genuine(), path="/v3/tasks/%74-1/action")) == "genuine"
    assert verdict(replace(genuine(), path="/v3/tasks/t-1/action/")) == "genuine"


@pytest.mark.parametrize(
    "query",
    [
        "limit=10&name=b",
        "limit=10",
        "limit=10&name=a&force=true",
        "limit=10&name=a&name=b",
        "limit=10&name=a&limit=10",
        "limit=10&name=a%26force%3Dtrue",
        "limit=10;name=a",
        "limit=10&Name=a",
        "limit=10&name=a%20",
        "limit=10&name=%2561",
        "",
    ],
)
def test_another_query_is_forged(query: str) -> None:
    assert verdict(replace(genuine(), query=query)) == "forged"


@pytest.mark.parametrize(
    "query",
    ["a+b=1", "name=%", "name=%zz", "name=%C3", "name=%00", "name=a%0d%0ab", "name=a b", "&".join(["a=1"] * 101)],
)
def test_a_query_that_can_be_read_in_two_ways_is_refused(query: str) -> None:
    assert verdict(replace(genuine(), query=query)) == "SMS.API.INVALID_REQUEST"


def test_values_of_one_name_keep_the_order_that_was_signed() -> None:
    assert verdict(genuine(query="a=1&a=2")) == "genuine"
    assert verdict(replace(genuine(query="a=1&a=2"), query="a=2&a=1")) == "forged"


@pytest.mark.parametrize("body", [b"", b"{}", BODY + b" ", b'{"operation": "delete"}'])
def test_another_body_is_forged(body: bytes) -> None:
    assert verdict(replace(genuine(), body=body)) == "forged"


def test_a_body_that_its_hash_header_does_not_cover_is_refused() -> None:
    unsigned = with_header(genuine(), "x-sdk-content-sha256", "UNSIGNED-PAYLOAD")
    assert verdict(unsigned) == "SMS.API.UNSIGNED"
    covered = with_authorization(unsigned, "x-sdk-date;", "x-sdk-content-sha256;x-sdk-date;")
    assert verdict(covered) == "SMS.API.INVALID_REQUEST"


def test_the_officially_signed_unsigned_payload_is_refused() -> None:
    headers = {"Content-Type": "text/plain", "X-Sdk-Date": DATE, "Host": "h"}
    request = SdkRequest(
        method="POST", host="h", resource_path="/v3/x", query_params=[], header_params=headers, body=b"any"
    )
    signed = Signer(BasicCredentials("AKTEST", SECRET, "project")).sign(request)
    sent = tuple((name.lower(), str(value)) for name, value in signed.header_params.items())
    raw = RawRequest(method="POST", path="/v3/x", headers=sent, body=b"other")
    assert verdict(raw) == "SMS.API.INVALID_REQUEST"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "post"])
def test_another_method_is_forged(method: str) -> None:
    assert verdict(replace(genuine(), method=method)) == "forged"


def test_an_override_of_the_method_has_no_effect_on_what_is_signed() -> None:
    overridden = with_header(genuine(), "x-http-method-override", "DELETE")
    assert verdict(overridden) == "genuine"
    assert overridden.method == "POST"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "other.example.org"),
        ("host", "sms.example.org:443"),
        ("content-type", "text/plain"),
        ("user-agent", "other"),
        ("x-sdk-date", "20260304T050608Z"),
        ("x-sms-idempotency-key", "k2"),
    ],
)
def test_another_signed_header_is_forged(name: str, value: str) -> None:
    assert verdict(with_header(genuine(), name, value)) == "forged"


@pytest.mark.parametrize("name", ["host", "content-type", "user-agent", "x-sdk-date", "x-sms-idempotency-key"])
def test_a_signed_header_that_was_taken_away_is_missed(name: str) -> None:
    assert verdict(with_header(genuine(), name, None)) == "SMS.API.UNSIGNED"


@pytest.mark.parametrize("name", ["host", "authorization", "x-sdk-date", "content-type", "x-sms-idempotency-key"])
def test_a_header_that_is_there_twice_is_refused(name: str) -> None:
    request = genuine()
    value = request.header(name)
    assert value is not None
    for twice in ((*request.headers, (name, value)), ((name, "other"), *request.headers)):
        assert verdict(replace(request, headers=twice)) == "SMS.API.INVALID_REQUEST"


def test_underscores_do_not_stand_for_dashes() -> None:
    request = with_header(with_header(genuine(), "x-sdk-date", None), "x_sdk_date", DATE)
    assert verdict(request) == "SMS.API.UNSIGNED"
    both = with_header(genuine(), "x_sms_idempotency_key", "k2")
    assert both.header("x-sms-idempotency-key") == "k1"
    assert verdict(both) == "genuine"


@pytest.mark.parametrize("left_out", ["host", "x-sdk-date", "x-sms-idempotency-key"])
def test_what_must_be_signed_cannot_be_left_out(left_out: str) -> None:
    names = "content-type;host;user-agent;x-sdk-date;x-sms-idempotency-key"
    fewer = ";".join(name for name in names.split(";") if name != left_out)
    assert verdict(with_authorization(genuine(), names, fewer)) == "SMS.API.UNSIGNED"


@pytest.mark.parametrize(
    "names",
    [
        "x-sdk-date;host;content-type;user-agent;x-sms-idempotency-key",
        "content-type;host;host;user-agent;x-sdk-date;x-sms-idempotency-key",
        "Content-Type;host;user-agent;x-sdk-date;x-sms-idempotency-key",
        "content-type;host;user-agent;x-sdk-date;x-sms-idempotency-key;",
        "content-type;;host;user-agent;x-sdk-date;x-sms-idempotency-key",
        "content-type,host,user-agent,x-sdk-date,x-sms-idempotency-key",
        "content-type;host;user-agent;x-absent;x-sdk-date;x-sms-idempotency-key",
        "",
    ],
)
def test_a_list_of_signed_headers_has_one_form(names: str) -> None:
    known = "content-type;host;user-agent;x-sdk-date;x-sms-idempotency-key"
    assert verdict(with_authorization(genuine(), known, names)) == "SMS.API.UNSIGNED"


def _signature() -> str:
    value = genuine().header("authorization")
    assert value is not None
    return value.rpartition("=")[2]


@pytest.mark.parametrize(
    "signature",
    [
        _signature().upper(),
        _signature()[:-1],
        _signature() + "0",
        "",
        "0" * 63 + "g",
        "\u0660" * 64,
        f" {_signature()}",
    ],
)
def test_a_signature_has_64_lower_case_digits(signature: str) -> None:
    assert verdict(with_authorization(genuine(), _signature(), signature)) == "SMS.API.UNSIGNED"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SDK-HMAC-SHA256", "SDK-HMAC-SM3"),
        ("SDK-HMAC-SHA256", "sdk-hmac-sha256"),
        ("SDK-HMAC-SHA256", "none"),
        ("SDK-HMAC-SHA256 ", "SDK-HMAC-SHA256  "),
        ("Access=AKTEST", "Access="),
        ("Access=AKTEST", "Access=AK TEST"),
        ("Access=AKTEST", "Access=AKTEST, Access=AKOTHER"),
        ("Access=AKTEST", "Access=" + "A" * 129),
        (", Signature=", ",Signature="),
        ("SDK-HMAC", "Bearer x, SDK-HMAC"),
    ],
)
def test_the_header_has_one_form(old: str, new: str) -> None:
    assert verdict(with_authorization(genuine(), old, new)) == "SMS.API.UNSIGNED"


def test_every_flipped_digit_of_a_signature_is_forged(random_source: random.Random) -> None:
    signature = _signature()
    for at, digit in enumerate(signature):
        other = random_source.choice([each for each in "0123456789abcdef" if each != digit])
        flipped = signature[:at] + other + signature[at + 1 :]
        assert verdict(with_authorization(genuine(), signature, flipped)) == "forged"


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_inside_the_window_a_request_is_genuine(seconds: int) -> None:
    assert verdict(genuine(), now=NOW + timedelta(seconds=seconds)) == "genuine"


@pytest.mark.parametrize("seconds", [-301, 301, 86_400, -86_400 * 365 * 20])
def test_outside_the_window_it_is_not_and_the_services_time_is_told(seconds: int) -> None:
    now = NOW + timedelta(seconds=seconds)
    with pytest.raises(MigrationError) as raised:
        read_signed_request(genuine(), now=now, window_s=300)
    assert raised.value.code == "SMS.API.CLOCK_SKEW"
    assert now.strftime("%Y%m%dT%H%M%SZ") in raised.value.failure.cause


@pytest.mark.parametrize(
    "date",
    [
        "2026-03-04T05:06:07Z",
        "20260304T050607",
        "20260304T050607z",
        "20261304T050607Z",
        "20260304T250607Z",
        "20260304T050607Z ",
        "\u0662\u0660260304T050607Z",
        "now",
        "",
    ],
)
def test_a_date_has_one_form(date: str) -> None:
    assert verdict(with_header(genuine(), "x-sdk-date", date)) == "SMS.API.UNSIGNED"


def test_a_line_break_in_a_header_cannot_move_the_borders_of_what_is_signed() -> None:
    request = with_header(genuine(), "user-agent", "sdk\nx-sdk-date:20300101T000000Z")
    assert verdict(request) == "forged"
