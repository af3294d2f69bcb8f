"""Users, groups, policies, keys and accounts over HTTPS."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.api.bench import ApiBench

READ_ONLY = "system-sms-read-only-access"
FULL = "system-sms-full-access"
ECS = "system-ecs-full-access"
VPC = "system-vpc-full-access"
SECURITY = "system-sms-security-administrator"


@dataclass
class Person:
    id: str
    name: str
    key: tuple[str, str]


def new_name() -> str:
    return f"n{uuid.uuid4().hex[:12]}"


def ok(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def new_user(root: httpx.Client, *policy_ids: str) -> Person:
    user = ok(root.post("/v3/users", json={"name": new_name()}))
    for policy_id in policy_ids:
        ok(root.put(f"/v3/policies/{policy_id}/users/{user['id']}"))
    made = ok(root.post(f"/v3/users/{user['id']}/credentials", json={}))
    return Person(user["id"], user["name"], (made["access_key"], made["secret_key"]))


def new_policy(root: httpx.Client, *statements: dict[str, object]) -> str:
    document = {"Version": "1.1", "Statement": list(statements)}
    made = ok(root.post("/v3/policies", json={"name": new_name(), "document": document}))
    assert made["document"]["Statement"][0]["Effect"] == statements[0]["Effect"]
    return str(made["id"])


def test_a_user_with_read_only_access_looks_and_changes_nothing(api: ApiBench, signed: httpx.Client) -> None:
    server_id = api.register_server(new_name())
    person = new_user(signed, READ_ONLY)
    with api.client(person.key) as client:
        assert client.get("/v3/source-details").status_code == 200
        assert client.get(f"/v3/sources/{server_id}/details").status_code == 200
        answer = client.post(f"/v3/sources/{server_id}/check")
        assert code(answer) == (403, "SMS.API.DENIED")
        assert person.name in answer.json()["cause"]
        assert code(client.post("/v3/users", json={"name": new_name()})) == (403, "SMS.API.DENIED")


def test_a_group_and_a_policy_of_ones_own_give_access_to_one_server_only(api: ApiBench, signed: httpx.Client) -> None:
    mine, other = api.register_server(new_name()), api.register_server(new_name())
    person = new_user(signed)
    group_id = ok(signed.post("/v3/groups", json={"name": new_name()}))["id"]
    policy_id = new_policy(
        signed, {"Effect": "Allow", "Action": ["sms:server:get"], "Resource": [f"sms:*:default:server:{mine}"]}
    )
    ok(signed.put(f"/v3/policies/{policy_id}/groups/{group_id}"))
    with api.client(person.key) as client:
        assert code(client.get(f"/v3/sources/{mine}/details")) == (403, "SMS.API.DENIED")
        ok(signed.put(f"/v3/groups/{group_id}/users/{person.id}"))
        assert client.get(f"/v3/sources/{mine}/details").status_code == 200
        assert code(client.get(f"/v3/sources/{other}/details")) == (403, "SMS.API.DENIED")
        assert code(client.get("/v3/sources/nobody/details")) == (403, "SMS.API.DENIED")
        ok(signed.delete(f"/v3/groups/{group_id}/users/{person.id}"))
        assert code(client.get(f"/v3/sources/{mine}/details")) == (403, "SMS.API.DENIED")
    shown = ok(signed.get(f"/v3/groups/{group_id}"))
    assert [policy["id"] for policy in shown["policies"]] == [policy_id]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"Effect": "Allow", "Action": ["sms:servr:*"]}, "SMS.IDENTITY.POLICY_ACTION"),
        ({"Effect": "Allow", "Action": []}, "SMS.IDENTITY.POLICY_SIZE"),
        ({"Effect": "Allow", "Action": ["sms:*:*"], "Resource": ["server"]}, "SMS.IDENTITY.POLICY_RESOURCE"),
        (
            {"Effect": "Allow", "Action": ["sms:*:*"], "Condition": {"DateLess": {"g:CurrentTime": ["x"]}}},
            "SMS.IDENTITY.POLICY_CONDITION",
        ),
        ({"Effect": "Allow", "Action": ["sms:*:*"], "Condtion": {}}, "SMS.API.INVALID_REQUEST"),
        ({"Effect": "allow", "Action": ["sms:*:*"]}, "SMS.API.INVALID_REQUEST"),
        ({"Action": ["sms:*:*"]}, "SMS.API.INVALID_REQUEST"),
        ({"Effect": "Allow", "Action": "sms:*:*"}, "SMS.API.INVALID_REQUEST"),
    ],
)
def test_a_policy_that_would_be_misunderstood_is_refused_naming_its_statement(
    signed: httpx.Client, statement: dict[str, object], expected: str
) -> None:
    good = {"Effect": "Allow", "Action": ["sms:server:get"]}
    body = {"name": new_name(), "document": {"Version": "1.1", "Statement": [good, statement]}}
    answer = signed.post("/v3/policies", json=body)
    assert code(answer) == (400, expected)
    place = "Statement" if expected == "SMS.API.INVALID_REQUEST" else "2"
    assert place in answer.json()["cause"]


def test_creating_a_task_needs_the_other_services_permissions_too(api: ApiBench, signed: httpx.Client) -> None:
    """Table 7-1 of the service overview, over HTTPS; the whole table is in tests/unit/identity."""
    body = {"server_id": "nobody", "migration_type": "file"}
    for policies, status in (
        ((FULL,), 403),
        ((FULL, ECS), 403),
        ((FULL, VPC), 403),
        ((ECS, VPC), 403),
        ((FULL, ECS, VPC), 404),
    ):
        with api.client(new_user(signed, *policies).key) as client:
            assert client.post("/v3/task-details", json=body).status_code == status, policies
    assert signed.post("/v3/task-details", json=body).status_code == 404, "root needs no policy"


def test_nobody_gives_himself_more_than_he_was_given(api: ApiBench, signed: httpx.Client) -> None:
    victim = new_user(signed, SECURITY)
    allow_all = {"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": ["*"]}]}
    everything = new_policy(signed, {"Effect": "Allow", "Action": ["*"]})
    group_id = ok(signed.post("/v3/groups", json={"name": new_name()}))["id"]
    ok(signed.put(f"/v3/policies/{everything}/groups/{group_id}"))
    own_policy = new_policy(signed, {"Effect": "Allow", "Action": ["sms:server:*"]})
    for policies in ((FULL, ECS, VPC), (READ_ONLY,), ("system-sms-agent-access",), ()):
        person = new_user(signed, *policies, own_policy)
        with api.client(person.key) as client:
            attempts = (
                client.post("/v3/policies", json={"name": new_name(), "document": allow_all}),
                client.put(f"/v3/policies/{own_policy}", json={"document": allow_all}),
                client.delete(f"/v3/policies/{own_policy}"),
                client.put(f"/v3/policies/{everything}/users/{person.id}"),
                client.put(f"/v3/policies/{SECURITY}/users/{person.id}"),
                client.put(f"/v3/policies/{everything}/groups/{group_id}"),
                client.put(f"/v3/groups/{group_id}/users/{person.id}"),
                client.post("/v3/credentials", json={}),
                client.post(f"/v3/users/{victim.id}/credentials", json={}),
                client.post(f"/v3/users/{person.id}/credentials", json={}),
                client.post(f"/v3/credentials/{victim.key[0]}/rotate", json={}),
                client.post(f"/v3/credentials/{api.root[0]}/rotate", json={}),
                client.put(f"/v3/credentials/{api.root[0]}", json={"is_active": False}),
                client.post("/v3/users", json={"name": new_name()}),
                client.put(f"/v3/users/{person.id}", json={"description": "x"}),
                client.post("/v3/accounts", json={"name": new_name()}),
            )
            assert {code(answer) for answer in attempts} == {(403, "SMS.API.DENIED")}, policies


def test_an_administrator_of_access_is_not_the_root_user(api: ApiBench, signed: httpx.Client) -> None:
    person = new_user(signed, SECURITY)
    root_id = ok(signed.get("/v3/users", params={"name": "root"}))["users"][0]["id"]
    with api.client(person.key) as client:
        for answer in (
            client.post("/v3/credentials", json={}),
            client.post(f"/v3/users/{root_id}/credentials", json={}),
            client.post(f"/v3/credentials/{api.root[0]}/rotate", json={}),
            client.put(f"/v3/credentials/{api.root[0]}", json={"is_active": False}),
            client.delete(f"/v3/credentials/{api.root[0]}"),
            client.put(f"/v3/users/{root_id}", json={"description": "x"}),
        ):
            assert code(answer) == (403, "SMS.IDENTITY.ROOT_PROTECTED")
        for answer in (
            client.delete(f"/v3/users/{root_id}"),
            client.put(f"/v3/policies/{READ_ONLY}/users/{root_id}"),
        ):
            assert code(answer) == (409, "SMS.IDENTITY.ROOT_PERMANENT")
        assert code(client.get("/v3/source-details")) == (403, "SMS.API.DENIED"), "unless he gives it to himself"


def test_only_creating_policies_is_no_way_to_more(api: ApiBench, signed: httpx.Client) -> None:
    maker = new_policy(signed, {"Effect": "Allow", "Action": ["sms:policy:create", "sms:policy:list"]})
    person = new_user(signed, maker)
    with api.client(person.key) as client:
        policy_id = new_policy(client, {"Effect": "Allow", "Action": ["*"]})
        assert code(client.put(f"/v3/policies/{policy_id}/users/{person.id}")) == (403, "SMS.API.DENIED")
        assert code(client.get("/v3/source-details")) == (403, "SMS.API.DENIED")


def test_a_user_may_be_allowed_to_keep_his_own_keys(api: ApiBench, signed: httpx.Client) -> None:
    person, other = new_user(signed), new_user(signed)
    own = {"Effect": "Allow", "Action": ["sms:credential:*"], "Resource": [f"sms:*:default:user:{person.id}"]}
    ok(signed.put(f"/v3/policies/{new_policy(signed, own)}/users/{person.id}"))
    with api.client(person.key) as client:
        assert len(ok(client.get(f"/v3/users/{person.id}/credentials"))["credentials"]) == 1
        assert ok(client.post(f"/v3/users/{person.id}/credentials", json={}))["secret_key"]
        assert code(client.post(f"/v3/users/{other.id}/credentials", json={})) == (403, "SMS.API.DENIED")
        assert code(client.get("/v3/credentials")) == (403, "SMS.API.DENIED")


def test_a_key_is_rotated_and_a_disabled_one_is_let_in_no_more(api: ApiBench, signed: httpx.Client) -> None:
    person = new_user(signed, READ_ONLY)
    made = ok(signed.post(f"/v3/credentials/{person.key[0]}/rotate", json={"description": "second"}))
    assert (made["user_id"], made["user_name"]) == (person.id, person.name)
    new_key = (made["access_key"], made["secret_key"])
    third = signed.post(f"/v3/users/{person.id}/credentials", json={"description": "third"})
    assert code(third) == (409, "SMS.IDENTITY.TOO_MANY_CREDENTIALS")
    with api.client(person.key) as old, api.client(new_key) as new:
        assert old.get("/v3/source-details").status_code == new.get("/v3/source-details").status_code == 200
        ok(signed.put(f"/v3/credentials/{person.key[0]}", json={"is_active": False}))
        assert code(old.get("/v3/source-details")) == (401, "SMS.API.SIGNATURE_REFUSED")
        assert new.get("/v3/source-details").status_code == 200
        ok(signed.delete(f"/v3/users/{person.id}"))
        assert code(new.get("/v3/source-details")) == (401, "SMS.API.SIGNATURE_REFUSED")


def test_the_secret_of_a_key_is_answered_once(api: ApiBench, signed: httpx.Client) -> None:
    user = ok(signed.post("/v3/users", json={"name": new_name()}))
    headers = {"X-Sms-Idempotency-Key": new_name()}
    path = f"/v3/users/{user['id']}/credentials"
    first, again = signed.post(path, json={}, headers=headers), signed.post(path, json={}, headers=headers)
    assert ok(first)["secret_key"]
    assert first.json()["secret_key"] not in again.text
    listed = ok(signed.get(path))["credentials"]
    assert [one["access_key"] for one in listed] == [first.json()["access_key"]]
    assert first.json()["secret_key"] not in signed.get("/v3/credentials").text


def test_an_account_is_a_world_of_its_own(api: ApiBench, signed: httpx.Client) -> None:
    server_id = api.register_server(new_name())
    made = ok(signed.post("/v3/accounts", json={"name": new_name(), "quotas": {"max_migrating_servers": 7}}))
    name, key = made["account"]["name"], (made["access_key"], made["secret_key"])
    person = new_user(signed, READ_ONLY)
    with api.client(key) as client:
        assert ok(client.get("/v3/source-details"))["count"] == 0
        assert ok(client.get(f"/v3/accounts/{name}"))["quotas"]["max_migrating_servers"] == 7
        for foreign, unknown, status in (
            (f"/v3/sources/{server_id}/details", "/v3/sources/nobody/details", 404),
            (f"/v3/users/{person.id}", "/v3/users/nobody", 404),
            (f"/v3/users/{person.id}/credentials", "/v3/users/nobody/credentials", 404),
            ("/v3/accounts/default", "/v3/accounts/nobody", 403),
        ):
            answers = [client.get(path) for path in (foreign, unknown)]
            texts = [{**answer.json(), "request_id": ""} | {"cause": "", "error_msg": ""} for answer in answers]
            assert answers[0].status_code == status
            assert texts[0] == texts[1]
        for answer in (
            client.delete(f"/v3/users/{person.id}"),
            client.put(f"/v3/credentials/{person.key[0]}", json={"is_active": False}),
            client.delete(f"/v3/credentials/{person.key[0]}"),
            client.put(f"/v3/policies/{READ_ONLY}/users/{person.id}"),
            client.post(f"/v3/sources/{server_id}/check"),
        ):
            assert answer.status_code == 404
        assert code(client.post("/v3/accounts", json={"name": new_name()})) == (403, "SMS.API.DENIED")
        assert code(client.get("/v3/accounts")) == (403, "SMS.API.DENIED")
        ok(signed.put(f"/v3/accounts/{name}", json={"is_enabled": False}))
        assert code(client.get("/v3/source-details")) == (401, "SMS.API.SIGNATURE_REFUSED")
    with api.client(person.key) as still:
        assert still.get("/v3/source-details").status_code == 200
