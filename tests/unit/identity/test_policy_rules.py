"""Policies that would be misunderstood are refused where they are written, naming the statement."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from contracts.access_policy import PolicyDocument, PolicyStatement
from contracts.errors import MigrationError
from services.identity.domain.naming import check_account_name, check_title, check_user_name
from services.identity.domain.policy_rules import MAX_STATEMENTS, MAX_VALUES, check_document

GOOD = PolicyStatement(effect="Allow", action=("sms:server:*",))


def refusal(statement: PolicyStatement) -> MigrationError:
    with pytest.raises(MigrationError) as caught:
        check_document(PolicyDocument(statement=(GOOD, statement)), account="acc")
    assert caught.value.failure.parameters["statement"] == "2"
    assert "2" in caught.value.failure.cause
    return caught.value


@pytest.mark.parametrize(
    "action",
    [
        "sms:servr:get",
        "smss:server:get",
        "sms:server",
        "sms:server:get:x",
        "sms::get",
        "",
        "**",
        "sms:server:g et",
        "sms:server:gét",
        "ſms:server:get",  # a long s, which some case foldings take for an s
        "sms:server:get\n",
        "sms:" + "s" * 65 + ":get",
        "iam:*:*",
        "sms:x*:get",
    ],
)
def test_an_action_that_could_never_match_is_refused(action: str) -> None:
    assert refusal(PolicyStatement(effect="Deny", action=(action,))).code == "SMS.IDENTITY.POLICY_ACTION"


@pytest.mark.parametrize(
    "action", ["*", "*:*:*", "sms:*:*", "sms:server:get", "SMS:Server:Get", "sms:t*:create", "ecs:cloudServers:create"]
)
def test_actions_that_mean_something_are_taken(action: str) -> None:
    check_document(PolicyDocument(statement=(PolicyStatement(effect="Allow", action=(action,)),)), account="acc")


@pytest.mark.parametrize(
    "resource",
    [
        "",
        "server:s1",
        "sms:*:acc:server",
        "sms:*:acc:server:a:b",
        "sms:eu-1:acc:server:*",
        "sms:*:other:server:*",
        "sms:*:acc:server:",
        "sms:*:acc:server:a b",
        "sms:*:acc:server:ä",
        "foo:*:acc:server:*",
        "sms:*:ac*:server:*",
        "sms:*:acc:server:" + "x" * 129,
        "sms:*:acc:server:*\n",
    ],
)
def test_a_resource_that_could_never_match_is_refused(resource: str) -> None:
    statement = PolicyStatement(effect="Deny", action=("*",), resource=(resource,))
    assert refusal(statement).code == "SMS.IDENTITY.POLICY_RESOURCE"


@pytest.mark.parametrize("resource", ["*", "sms:*:acc:server:*", "sms:*:*:*:*", "sms::acc:task:a-1_*", "ecs:*:*:*:*"])
def test_resources_that_mean_something_are_taken(resource: str) -> None:
    statement = PolicyStatement(effect="Allow", action=("*",), resource=(resource,))
    check_document(PolicyDocument(statement=(statement,)), account="acc")


@pytest.mark.parametrize(
    "condition",
    [
        {"DateLessThan": {"g:CurrentTime": ("x",)}},
        {"StringEquals": {"g:SourceIp": ("10.0.0.1",)}},
        {"IpAddress": {"g:UserName": ("anna",)}},
        {"IpAddress": {"g:SourceIp": ("10.0.0.0/33",)}},
        {"IpAddress": {"g:SourceIp": ("example.org",)}},
        {"StringEquals": {}},
        {"stringequals": {"g:UserName": ("anna",)}},
    ],
)
def test_a_condition_that_is_not_understood_is_refused(condition: dict[str, dict[str, tuple[str, ...]]]) -> None:
    statement = PolicyStatement(effect="Allow", action=("*",), condition=condition)
    assert refusal(statement).code == "SMS.IDENTITY.POLICY_CONDITION"


def test_sizes_are_bounded() -> None:
    many = ("sms:server:get",) * (MAX_VALUES + 1)
    for statement in (
        PolicyStatement(effect="Allow", action=()),
        PolicyStatement(effect="Allow", action=many),
        PolicyStatement(effect="Allow", action=("*",), resource=()),
        PolicyStatement(effect="Allow", action=("*",), condition={"StringEquals": {"g:UserName": ()}}),
    ):
        assert refusal(statement).code == "SMS.IDENTITY.POLICY_SIZE"
    for count in (0, MAX_STATEMENTS + 1):
        with pytest.raises(MigrationError, match="POLICY_SIZE"):
            check_document(PolicyDocument(statement=(GOOD,) * count), account="acc")


@pytest.mark.parametrize(
    "changes",
    [
        {"Effect": "allow"},
        {"Effect": None},
        {"Action": "sms:server:get"},
        {"Action": [1]},
        {"Condtion": {}},
        {"NotAction": ["sms:server:get"]},
        {"Principal": "*"},
    ],
)
def test_a_field_that_nobody_knows_is_no_policy(changes: dict[str, object]) -> None:
    statement = {"Effect": "Allow", "Action": ["sms:server:get"]} | changes
    with pytest.raises(ValidationError):
        PolicyDocument.model_validate_json(json.dumps({"Version": "1.1", "Statement": [statement]}))


@pytest.mark.parametrize("version", ["1.0", "2012-10-17", 1.1, None])
def test_another_version_is_no_policy(version: object) -> None:
    statement = {"Effect": "Allow", "Action": ["sms:server:get"]}
    with pytest.raises(ValidationError):
        PolicyDocument.model_validate_json(json.dumps({"Version": version, "Statement": [statement]}))


def test_a_policy_is_shown_as_it_was_written() -> None:
    written = {
        "Version": "1.1",
        "Statement": [
            {
                "Effect": "Deny",
                "Action": ["sms:task:delete"],
                "Resource": ["sms:*:acc:task:*"],
                "Condition": {"IpAddress": {"g:SourceIp": ["10.0.0.0/8"]}},
            }
        ],
    }
    document = PolicyDocument.model_validate_json(json.dumps(written))
    assert json.loads(document.model_dump_json()) == written


@pytest.mark.parametrize("name", ["", "a b", "root", "ROOT", "system", "x" * 65, "a/b", "a\nb", "ä", "a:b"])
def test_names_that_would_be_taken_for_others_are_refused_to_users(name: str) -> None:
    with pytest.raises(MigrationError, match="NAME_INVALID"):
        check_user_name(name)


def test_account_names_stand_in_subjects() -> None:
    check_account_name("acc-1_X")
    for name in ("", "a.b", "*", ">", "a b", "x" * 65):
        with pytest.raises(MigrationError, match="NAME_INVALID"):
            check_account_name(name)
    for title in (" a", "a ", "", "SMS FULLACCESS"):
        with pytest.raises(MigrationError, match="NAME_INVALID"):
            check_title("policy", title)
